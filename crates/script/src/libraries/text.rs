//! `string`: those functions of Lua's that can take for ever, or fill the memory, in one call. They
//! do what Lua's do, but can be interrupted, and never need more of the process's stack for a longer
//! pattern ([`crate::pattern`] tells why).

use memchr::memmem;

use super::Library;
use super::library::nothing_more;
use crate::lua::{Above, Frame, Kind, Raise, Results, function, integer_of};
use crate::pattern::{Capture, Matcher, Trouble};

pub(super) const LIBRARY: Library = Library {
    name: "string",
    functions: &[
        ("find", function!(find)),
        ("match", function!(match_once)),
        ("gmatch", function!(gmatch)),
        // Its name in Lua 5.0, which 5.1 still knows.
        ("gfind", function!(gmatch)),
        ("gsub", function!(gsub)),
        ("rep", function!(rep)),
    ],
    fill: nothing_more,
};

/// What makes a pattern more than a string to look for.
const SPECIAL: &[u8] = b"^$*+?.([%-";

fn rep(frame: &mut Frame<'_>) -> Results {
    let len = frame.check_bytes(1)?.len();
    // A C int, as in Lua.
    let count = frame.check_integer(2)? as i32;
    let count = usize::try_from(count).unwrap_or(0);
    frame.check_room(len.saturating_mul(count))?;
    let repeated = frame
        .check_bytes(1)?
        .repeat(if len == 0 { 0 } else { count });
    frame.push_bytes(&repeated);
    Ok(1)
}

fn find(frame: &mut Frame<'_>) -> Results {
    find_first(frame, true)
}

fn match_once(frame: &mut Frame<'_>) -> Results {
    find_first(frame, false)
}

/// Leaves subject and pattern as strings in the first two places.
fn check_strings(frame: &mut Frame<'_>) -> Result<(), Raise> {
    frame.check_bytes(1)?;
    frame.check_bytes(2)?;
    Ok(())
}

/// The argument as an integer, if there is one.
fn optional_integer(frame: &Frame<'_>, index: usize) -> Result<Option<i64>, Raise> {
    match frame.kind(index as i32) {
        Kind::None | Kind::Nil => Ok(None),
        _ => frame.check_integer(index).map(Some),
    }
}

/// Where to begin, counted from 0: a negative argument counts from the end.
fn start_of(init: i64, len: usize) -> usize {
    let len = len as i64;
    let init = if init < 0 {
        init.saturating_add(len + 1).max(0)
    } else {
        init
    };
    (init - 1).clamp(0, len) as usize
}

fn find_first(frame: &mut Frame<'_>, tells_where: bool) -> Results {
    check_strings(frame)?;
    let init = optional_integer(frame, 3)?.unwrap_or(1);
    let is_plain = frame.boolean(4);
    frame.with_strings(|above, subject, pattern| {
        let start = start_of(init, subject.len());
        if tells_where && (is_plain || !has_special(pattern)) {
            let found = memmem::find(&subject[start..], pattern);
            let Some(place) = found.map(|place| place + start) else {
                above.push_nil();
                return Ok(1);
            };
            above.push_number((place + 1) as f64);
            above.push_number((place + pattern.len()) as f64);
            return Ok(2);
        }
        let (pattern, is_anchored) = anchored(pattern);
        let mut matcher = Matcher::new(subject, pattern);
        for start in start..=subject.len() {
            if let Some(end) = attempt(above, &mut matcher, start)? {
                if !tells_where {
                    return push_captures(above, &matcher, subject, Some((start, end)));
                }
                above.push_number((start + 1) as f64);
                above.push_number(end as f64);
                return Ok(2 + push_captures(above, &matcher, subject, None)?);
            }
            if is_anchored {
                break;
            }
        }
        above.push_nil();
        Ok(1)
    })
}

/// Whether a pattern is more than a string to look for. A zero byte ends it.
fn has_special(pattern: &[u8]) -> bool {
    let mut bytes = pattern.iter().take_while(|&&byte| byte != 0);
    bytes.any(|byte| SPECIAL.contains(byte))
}

/// The pattern without the `^` that ties it to where one begins to look, and whether it had one.
fn anchored(pattern: &[u8]) -> (&[u8], bool) {
    match pattern.strip_prefix(b"^") {
        Some(rest) => (rest, true),
        None => (pattern, false),
    }
}

/// Matches at one place.
fn attempt(
    above: &mut Above<'_, '_>,
    matcher: &mut Matcher<'_>,
    start: usize,
) -> Result<Option<usize>, Raise> {
    let matched = matcher.match_at(start, &mut || above.goes_on());
    matched.map_err(|trouble| raise(above, trouble))
}

fn raise(above: &mut Above<'_, '_>, trouble: Trouble) -> Raise {
    match trouble {
        Trouble::Malformed(text) => Raise::from(text),
        // It was said that it does not go on, so it does not.
        Trouble::Stopped => match above.check_interruption() {
            Err(raise) => raise,
            Ok(()) => Raise::from("interrupted"),
        },
    }
}

/// Pushes all captures, or `whole` if there are none; answers how many values.
fn push_captures(
    above: &mut Above<'_, '_>,
    matcher: &Matcher<'_>,
    subject: &[u8],
    whole: Option<(usize, usize)>,
) -> Results {
    let count = matcher.capture_count();
    if !above.ensure_stack(count + 4) {
        return Err("stack overflow (too many captures)".into());
    }
    if let (0, Some((start, end))) = (count, whole) {
        above.push_bytes(&subject[start..end]);
        return Ok(1);
    }
    for index in 0..count {
        push_capture(above, matcher, subject, index)?;
    }
    Ok(count)
}

fn push_capture(
    above: &mut Above<'_, '_>,
    matcher: &Matcher<'_>,
    subject: &[u8],
    index: usize,
) -> Result<(), Raise> {
    match matcher.capture(index) {
        Ok(Capture::Bytes(start, end)) => above.push_bytes(&subject[start..end]),
        Ok(Capture::Place(place)) => above.push_number((place + 1) as f64),
        Err(trouble) => return Err(raise(above, trouble)),
    }
    Ok(())
}

/// Pushes a capture of a match, or the whole match as the first of a match without captures.
fn push_capture_or_whole(
    above: &mut Above<'_, '_>,
    matcher: &Matcher<'_>,
    subject: &[u8],
    index: usize,
    (start, end): (usize, usize),
) -> Result<(), Raise> {
    if index == 0 && matcher.capture_count() == 0 {
        above.push_bytes(&subject[start..end]);
        return Ok(());
    }
    push_capture(above, matcher, subject, index)
}

fn gmatch(frame: &mut Frame<'_>) -> Results {
    check_strings(frame)?;
    frame.set_top(2);
    frame.push_number(0.0);
    frame.push_closure(function!(gmatch_next), 3);
    Ok(1)
}

/// The iterator: its upvalues are the subject, the pattern, and where to go on.
fn gmatch_next(frame: &mut Frame<'_>) -> Results {
    frame.set_top(0);
    for number in [1, 2, 3] {
        frame.push_value(Frame::upvalue(number));
    }
    let start = integer_of(frame.number(3).unwrap_or_default());
    let start = usize::try_from(start).unwrap_or(0);
    frame.with_strings(|above, subject, pattern| {
        let mut matcher = Matcher::new(subject, pattern);
        for start in start..=subject.len() {
            let Some(end) = attempt(above, &mut matcher, start)? else {
                continue;
            };
            // After an empty match the next one begins a byte further.
            let next = if end == start { end + 1 } else { end };
            above.push_number(next as f64);
            above.set_upvalue(3);
            return push_captures(above, &matcher, subject, Some((start, end)));
        }
        above.push_nil();
        Ok(1)
    })
}

fn gsub(frame: &mut Frame<'_>) -> Results {
    check_strings(frame)?;
    let replacement = frame.kind(3);
    if !matches!(
        replacement,
        Kind::Number | Kind::String | Kind::Function | Kind::Table
    ) {
        return Err(Raise::Argument(3, "string/function/table expected".into()));
    }
    let template = frame.text(3).map(<[u8]>::to_vec);
    // A C int, as in Lua.
    let count_max = optional_integer(frame, 4)?.map(|count| count as i32);
    let (bytes, count) = frame.with_strings(|above, subject, pattern| {
        let count_max = count_max.map_or(subject.len() + 1, |count| count.max(0) as usize);
        let (pattern, is_anchored) = anchored(pattern);
        let mut substitution = Substitution {
            matcher: Matcher::new(subject, pattern),
            subject,
            template: template.as_deref(),
            bytes: Vec::new(),
        };
        let mut at = 0;
        let mut count = 0;
        while count < count_max {
            let end = attempt(above, &mut substitution.matcher, at)?;
            if let Some(end) = end {
                count += 1;
                substitution.replace(above, (at, end))?;
            }
            match end {
                Some(end) if end > at => at = end,
                _ if at < subject.len() => {
                    substitution.bytes.push(subject[at]);
                    at += 1;
                }
                _ => break,
            }
            if is_anchored {
                break;
            }
        }
        substitution.bytes.extend_from_slice(&subject[at..]);
        above.check_room(substitution.bytes.len())?;
        Ok::<_, Raise>((substitution.bytes, count))
    })?;
    frame.push_bytes(&bytes);
    frame.push_number(count as f64);
    Ok(2)
}

/// What `gsub` has made so far, and how it goes on.
struct Substitution<'a> {
    matcher: Matcher<'a>,
    subject: &'a [u8],
    /// What takes the place of a match, if that is a string; else the function or table is the
    /// third argument.
    template: Option<&'a [u8]>,
    bytes: Vec<u8>,
}

impl Substitution<'_> {
    /// Appends what takes the place of a match.
    fn replace(
        &mut self,
        above: &mut Above<'_, '_>,
        (start, end): (usize, usize),
    ) -> Result<(), Raise> {
        /// Bytes between two looks at the limit.
        const CHUNK: usize = 1 << 20;
        let chunks = self.bytes.len() / CHUNK;
        match self.template {
            Some(template) => self.fill_in(above, template, (start, end))?,
            None => self.ask(above, (start, end))?,
        }
        if self.bytes.len() / CHUNK > chunks {
            above.check_room(self.bytes.len())?;
            above.check_interruption()?;
        }
        Ok(())
    }

    /// `%1` in a template is a capture, `%0` the whole match.
    fn fill_in(
        &mut self,
        above: &mut Above<'_, '_>,
        template: &[u8],
        (start, end): (usize, usize),
    ) -> Result<(), Raise> {
        let mut rest = template.iter();
        while let Some(&byte) = rest.next() {
            if byte != b'%' {
                self.bytes.push(byte);
                continue;
            }
            // Behind the last byte Lua finds the zero that ends its strings.
            match rest.next().copied().unwrap_or(0) {
                b'0' => self.bytes.extend_from_slice(&self.subject[start..end]),
                digit @ b'1'..=b'9' => {
                    let index = usize::from(digit - b'1');
                    push_capture_or_whole(above, &self.matcher, self.subject, index, (start, end))?;
                    above.take_text(&mut self.bytes);
                }
                literal => self.bytes.push(literal),
            }
        }
        Ok(())
    }

    /// Asks the function or table what takes the place of a match; nil and false leave it.
    fn ask(&mut self, above: &mut Above<'_, '_>, whole: (usize, usize)) -> Result<(), Raise> {
        if above.third_kind() == Kind::Function {
            above.ensure_stack(4);
            above.push_value(3);
            let count = push_captures(above, &self.matcher, self.subject, Some(whole))?;
            above.call(count)?;
        } else {
            push_capture_or_whole(above, &self.matcher, self.subject, 0, whole)?;
            above.index(3)?;
        }
        if !above.top_boolean() {
            above.take_text(&mut Vec::new());
            self.bytes
                .extend_from_slice(&self.subject[whole.0..whole.1]);
            return Ok(());
        }
        if !matches!(above.top_kind(), Kind::String | Kind::Number) {
            let kind = above.top_kind_name();
            return Err(format!("invalid replacement value (a {kind})").into());
        }
        above.take_text(&mut self.bytes);
        Ok(())
    }
}
