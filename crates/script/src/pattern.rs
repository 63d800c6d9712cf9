//! Lua's patterns, matched without recursion and with an eye on the time.
//!
//! Lua's own matcher calls itself for every item of a pattern, so that a long pattern overflows the
//! stack of the process, and nothing can stop it while a few stars keep it busy for years. This one
//! keeps what it may have to try again on a stack of its own, which a pattern of n items can make n
//! entries deep, and asks every now and then whether it is to go on.
//!
//! What matches is what Lua 5.1 matches (§5.4.1 of its reference manual), in Lua's order, so that
//! even the errors of a malformed pattern come when Lua raises them: on reaching the place, not
//! before. As there, a zero byte ends a pattern.

use smallvec::SmallVec;

/// Captures that a pattern may have.
const CAPTURES_MAX: usize = 32;

/// Comparisons between two questions whether to go on.
const STEPS_PER_QUESTION: usize = 1 << 20;

/// Why a match was not looked for to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The pattern is malformed: Lua's text.
    Malformed(&'static str),
    /// Whoever was asked said so.
    Stopped,
}

/// What a capture has captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capture {
    /// Bytes of the subject, from and to.
    Bytes(usize, usize),
    /// `()`: a place in the subject, counted from 0.
    Place(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// The closing parenthesis has not been reached.
    Open,
    Place,
    Len(usize),
}

/// What is undone or tried when a path through the pattern has failed.
#[derive(Clone, Copy)]
enum Fallback {
    /// Goes on here.
    Try { subject: usize, pattern: usize },
    /// An item has matched `count` times from `subject` on: tries one time less.
    Fewer {
        subject: usize,
        count: usize,
        pattern: usize,
    },
    /// An item (from `item` to `pattern`) that was skipped so far: tries to match it once more.
    More {
        subject: usize,
        item: usize,
        pattern: usize,
    },
    /// Forgets the last capture.
    DropCapture,
    /// Opens a capture again.
    Reopen(usize),
}

/// A pattern, a subject, and the state of matching one against the other.
pub(crate) struct Matcher<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    captures: SmallVec<[(usize, Extent); 8]>,
    fallbacks: Vec<Fallback>,
    steps_left: usize,
}

/// What one attempt at an item came to.
enum Step {
    On { subject: usize, pattern: usize },
    Failed,
    Matched(usize),
}

impl<'a> Matcher<'a> {
    /// A matcher of a pattern without its `^`.
    pub(crate) fn new(subject: &'a [u8], pattern: &'a [u8]) -> Self {
        Matcher {
            subject,
            pattern,
            captures: SmallVec::new(),
            fallbacks: Vec::new(),
            steps_left: STEPS_PER_QUESTION,
        }
    }

    /// Matches at exactly this place of the subject; answers where the match ends.
    ///
    /// # Errors
    /// Those of a malformed pattern, as far as the match got; and when `goes_on` says no.
    pub(crate) fn match_at(
        &mut self,
        start: usize,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<usize>, Trouble> {
        self.captures.clear();
        self.fallbacks.clear();
        let (mut subject, mut pattern) = (start, 0);
        loop {
            if self.steps_left == 0 {
                self.steps_left = STEPS_PER_QUESTION;
                if !goes_on() {
                    return Err(Trouble::Stopped);
                }
            }
            self.take_steps(1);
            let mut step = self.step(subject, pattern)?;
            while let Step::Failed = step {
                match self.fallbacks.pop() {
                    None => return Ok(None),
                    Some(fallback) => step = self.fall_back(fallback),
                }
            }
            match step {
                Step::On {
                    subject: next_subject,
                    pattern: next_pattern,
                } => (subject, pattern) = (next_subject, next_pattern),
                Step::Matched(end) => return Ok(Some(end)),
                Step::Failed => unreachable!("failures were dealt with"),
            }
        }
    }

    /// How many captures the last match has.
    pub(crate) fn capture_count(&self) -> usize {
        self.captures.len()
    }

    /// Capture `index` of the last match, counted from 0.
    pub(crate) fn capture(&self, index: usize) -> Result<Capture, Trouble> {
        match self.captures.get(index) {
            None => Err(Trouble::Malformed("invalid capture index")),
            Some((_, Extent::Open)) => Err(Trouble::Malformed("unfinished capture")),
            Some(&(start, Extent::Place)) => Ok(Capture::Place(start)),
            Some(&(start, Extent::Len(len))) => Ok(Capture::Bytes(start, start + len)),
        }
    }

    fn take_steps(&mut self, count: usize) {
        self.steps_left = self.steps_left.saturating_sub(count);
    }

    /// The byte of the pattern at `at`; zero at its end.
    fn byte(&self, at: usize) -> u8 {
        self.pattern.get(at).copied().unwrap_or(0)
    }

    /// Matches the item at `pattern`, as far as it can be without trying what follows.
    fn step(&mut self, subject: usize, pattern: usize) -> Result<Step, Trouble> {
        match self.byte(pattern) {
            0 => Ok(Step::Matched(subject)),
            b'(' if self.byte(pattern + 1) == b')' => {
                self.open_capture(subject, Extent::Place, pattern + 2)
            }
            b'(' => self.open_capture(subject, Extent::Open, pattern + 1),
            b')' => self.close_capture(subject, pattern + 1),
            b'%' => match self.byte(pattern + 1) {
                b'b' => self.balanced(subject, pattern + 2),
                b'f' => self.frontier(subject, pattern + 2),
                digit if digit.is_ascii_digit() => self.same_again(subject, digit, pattern + 2),
                _ => self.item(subject, pattern),
            },
            b'$' if self.byte(pattern + 1) == 0 => Ok(if subject == self.subject.len() {
                Step::Matched(subject)
            } else {
                Step::Failed
            }),
            _ => self.item(subject, pattern),
        }
    }

    /// Goes on after a failure.
    fn fall_back(&mut self, fallback: Fallback) -> Step {
        match fallback {
            Fallback::Try { subject, pattern } => Step::On { subject, pattern },
            Fallback::Fewer {
                subject,
                count,
                pattern,
            } => {
                if count > 1 {
                    let count = count - 1;
                    self.fallbacks.push(Fallback::Fewer {
                        subject,
                        count,
                        pattern,
                    });
                }
                Step::On {
                    subject: subject + count - 1,
                    pattern,
                }
            }
            Fallback::More {
                subject,
                item,
                pattern,
            } => {
                if !self.matches_one(subject, item, pattern - 1) {
                    return Step::Failed;
                }
                let subject = subject + 1;
                self.fallbacks.push(Fallback::More {
                    subject,
                    item,
                    pattern,
                });
                Step::On { subject, pattern }
            }
            Fallback::DropCapture => {
                self.captures.pop();
                Step::Failed
            }
            Fallback::Reopen(index) => {
                self.captures[index].1 = Extent::Open;
                Step::Failed
            }
        }
    }

    fn open_capture(
        &mut self,
        subject: usize,
        extent: Extent,
        pattern: usize,
    ) -> Result<Step, Trouble> {
        if self.captures.len() >= CAPTURES_MAX {
            return Err(Trouble::Malformed("too many captures"));
        }
        self.captures.push((subject, extent));
        self.fallbacks.push(Fallback::DropCapture);
        Ok(Step::On { subject, pattern })
    }

    fn close_capture(&mut self, subject: usize, pattern: usize) -> Result<Step, Trouble> {
        let is_open = |(_, extent): &(usize, Extent)| *extent == Extent::Open;
        let index = self
            .captures
            .iter()
            .rposition(is_open)
            .ok_or(Trouble::Malformed("invalid pattern capture"))?;
        let capture = &mut self.captures[index];
        capture.1 = Extent::Len(subject - capture.0);
        self.fallbacks.push(Fallback::Reopen(index));
        Ok(Step::On { subject, pattern })
    }

    /// `%bxy`: from an x to the y that balances it.
    fn balanced(&mut self, subject: usize, pattern: usize) -> Result<Step, Trouble> {
        let (opening, closing) = (self.byte(pattern), self.byte(pattern + 1));
        if opening == 0 || closing == 0 {
            return Err(Trouble::Malformed("unbalanced pattern"));
        }
        if self.subject.get(subject) != Some(&opening) {
            return Ok(Step::Failed);
        }
        let mut depth = 1_usize;
        for (index, &byte) in self.subject.iter().enumerate().skip(subject + 1) {
            // An x that is its own y closes.
            if byte == closing {
                depth -= 1;
                if depth == 0 {
                    self.take_steps(index - subject);
                    return Ok(Step::On {
                        subject: index + 1,
                        pattern: pattern + 2,
                    });
                }
            } else if byte == opening {
                depth += 1;
            }
        }
        self.take_steps(self.subject.len() - subject);
        Ok(Step::Failed)
    }

    /// `%f[set]`: between a byte that is not in the set and one that is.
    fn frontier(&mut self, subject: usize, pattern: usize) -> Result<Step, Trouble> {
        if self.byte(pattern) != b'[' {
            return Err(Trouble::Malformed("missing '[' after '%f' in pattern"));
        }
        let end = self.item_end(pattern)?;
        let previous = match subject {
            0 => 0,
            subject => self.subject[subject - 1],
        };
        let next = self.subject.get(subject).copied().unwrap_or(0);
        let is_between =
            !self.is_in_set(previous, pattern, end - 1) && self.is_in_set(next, pattern, end - 1);
        Ok(if is_between {
            Step::On {
                subject,
                pattern: end,
            }
        } else {
            Step::Failed
        })
    }

    /// `%1`: what a capture has captured, once more.
    fn same_again(&mut self, subject: usize, digit: u8, pattern: usize) -> Result<Step, Trouble> {
        let index = usize::from(digit).checked_sub(usize::from(b'1'));
        let capture = index.and_then(|index| self.captures.get(index));
        let len = match capture {
            None | Some((_, Extent::Open)) => {
                return Err(Trouble::Malformed("invalid capture index"));
            }
            // A place is no bytes, and matches none.
            Some((_, Extent::Place)) => return Ok(Step::Failed),
            Some((_, Extent::Len(len))) => *len,
        };
        let start = capture.map_or(0, |(start, _)| *start);
        self.take_steps(len);
        let is_same = self.subject[subject..].starts_with(&self.subject[start..start + len]);
        Ok(if is_same {
            Step::On {
                subject: subject + len,
                pattern,
            }
        } else {
            Step::Failed
        })
    }

    /// A class of bytes with what may stand behind it: `?`, `*`, `+`, `-`.
    fn item(&mut self, subject: usize, item: usize) -> Result<Step, Trouble> {
        let end = self.item_end(item)?;
        let matches = |subject| self.matches_one(subject, item, end);
        let after = end + 1;
        let step = match self.byte(end) {
            b'?' if matches(subject) => {
                self.fallbacks.push(Fallback::Try {
                    subject,
                    pattern: after,
                });
                Step::On {
                    subject: subject + 1,
                    pattern: after,
                }
            }
            b'?' => Step::On {
                subject,
                pattern: after,
            },
            b'*' => self.as_many_as_there_are(subject, item, end),
            b'+' if matches(subject) => self.as_many_as_there_are(subject + 1, item, end),
            b'-' => {
                self.fallbacks.push(Fallback::More {
                    subject,
                    item,
                    pattern: after,
                });
                Step::On {
                    subject,
                    pattern: after,
                }
            }
            b'+' => Step::Failed,
            _ if matches(subject) => Step::On {
                subject: subject + 1,
                pattern: end,
            },
            _ => Step::Failed,
        };
        Ok(step)
    }

    fn as_many_as_there_are(&mut self, subject: usize, item: usize, end: usize) -> Step {
        let mut count = 0;
        while self.matches_one(subject + count, item, end) {
            count += 1;
        }
        self.take_steps(count);
        let pattern = end + 1;
        if count > 0 {
            self.fallbacks.push(Fallback::Fewer {
                subject,
                count,
                pattern,
            });
        }
        Step::On {
            subject: subject + count,
            pattern,
        }
    }

    /// Where the class that begins at `at` ends.
    fn item_end(&self, at: usize) -> Result<usize, Trouble> {
        match self.byte(at) {
            b'%' if self.byte(at + 1) == 0 => {
                Err(Trouble::Malformed("malformed pattern (ends with '%')"))
            }
            b'%' => Ok(at + 2),
            b'[' => {
                let mut at = at + 1;
                if self.byte(at) == b'^' {
                    at += 1;
                }
                // The first byte belongs to the set, even if it is a bracket.
                loop {
                    match self.byte(at) {
                        0 => {
                            return Err(Trouble::Malformed("malformed pattern (missing ']')"));
                        }
                        b'%' if self.byte(at + 1) != 0 => at += 2,
                        _ => at += 1,
                    }
                    if self.byte(at) == b']' {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(at + 1),
        }
    }

    /// Whether the byte of the subject at `subject` is in the class from `item` to `end`.
    #[inline]
    fn matches_one(&self, subject: usize, item: usize, end: usize) -> bool {
        let Some(&byte) = self.subject.get(subject) else {
            return false;
        };
        match self.pattern[item] {
            b'.' => true,
            b'%' => is_in_class(byte, self.byte(item + 1)),
            b'[' => self.is_in_set(byte, item, end - 1),
            literal => literal == byte,
        }
    }

    /// Whether a byte is in the set whose brackets are at `open` and `close`.
    fn is_in_set(&self, byte: u8, open: usize, close: usize) -> bool {
        let is_negated = self.byte(open + 1) == b'^';
        let mut at = open + 1 + usize::from(is_negated);
        while at < close {
            let is_in = match self.byte(at) {
                b'%' => {
                    at += 1;
                    is_in_class(byte, self.byte(at))
                }
                first if self.byte(at + 1) == b'-' && at + 2 < close => {
                    at += 2;
                    (first..=self.byte(at)).contains(&byte)
                }
                literal => literal == byte,
            };
            if is_in {
                return !is_negated;
            }
            at += 1;
        }
        is_negated
    }
}

/// Whether a byte is in the class of a letter, as in `%a`; other bytes stand for themselves.
fn is_in_class(byte: u8, class: u8) -> bool {
    let is_in = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b' ' | b'\t'..=b'\r'),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    is_in != class.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(subject: &[u8], pattern: &[u8]) -> Result<Option<(usize, usize)>, Trouble> {
        let mut matcher = Matcher::new(subject, pattern);
        for start in 0..=subject.len() {
            if let Some(end) = matcher.match_at(start, &mut || true)? {
                return Ok(Some((start, end)));
            }
        }
        Ok(None)
    }

    // That it matches what Lua matches is compared with the real server, in tests/.

    #[test]
    fn long_patterns_need_no_stack() {
        let count = 300_000;
        let subject = vec![b'a'; count];
        assert_eq!(find(&subject, &b"a?".repeat(count)), Ok(Some((0, count))));
        assert_eq!(find(&subject, &b"a*".repeat(1000)), Ok(Some((0, count))));
        let mut pattern = b"(".repeat(32);
        assert_eq!(find(b"", &pattern), Ok(Some((0, 0))));
        pattern.push(b'(');
        assert_eq!(
            find(b"", &pattern),
            Err(Trouble::Malformed("too many captures"))
        );
    }

    #[test]
    fn bombs_can_be_stopped() {
        for (subject, pattern) in [
            (
                b"a".repeat(100_000),
                [b"a*".repeat(50), b"b".to_vec()].concat(),
            ),
            (
                b"a".repeat(40),
                [b"a?".repeat(40), b"a".repeat(40), b"b".to_vec()].concat(),
            ),
            (
                b"x".repeat(100_000),
                [b".-".repeat(20), b"y".to_vec()].concat(),
            ),
            (
                b"ab".repeat(100_000),
                [b"(a*b*)".repeat(20), b"c".to_vec()].concat(),
            ),
        ] {
            let mut questions = 0;
            let mut goes_on = || {
                questions += 1;
                questions < 5
            };
            let mut matcher = Matcher::new(&subject, &pattern);
            assert_eq!(matcher.match_at(0, &mut goes_on), Err(Trouble::Stopped));
        }
    }

    #[test]
    fn captures_that_fail_are_undone() {
        let mut matcher = Matcher::new(b"aab", b"(a)(a)(a)?b");
        // A quantifier behind a capture is a literal.
        assert_eq!(matcher.match_at(0, &mut || true), Ok(None));
        let mut matcher = Matcher::new(b"aaab", b"(a-)(a*)()b");
        assert_eq!(matcher.match_at(0, &mut || true), Ok(Some(4)));
        let captures: Vec<_> = (0..3).map(|index| matcher.capture(index)).collect();
        assert_eq!(
            captures,
            [
                Ok(Capture::Bytes(0, 0)),
                Ok(Capture::Bytes(0, 3)),
                Ok(Capture::Place(3))
            ]
        );
        assert!(matcher.capture(3).is_err());
    }
}
