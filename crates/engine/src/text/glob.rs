//! Glob patterns, as KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET take them.
//!
//! `?` matches any byte, `*` any number of bytes, `[abc]`, `[a-z]` and `[^a]` one byte of a
//! class or not of it; a backslash takes the meaning from the byte after it. The whole text
//! must match. The oddities are those of Redis (`stringmatchlen`), where clients may have
//! come to rely on them:
//!
//! - A class that is not closed ends with the pattern. `[]` matches nothing, `[^]` any byte.
//! - A range may be given backwards. Its ends are compared as signed bytes, so that `[a-\xff]`
//!   is everything from `\xff`, which is -1, up to `a`. An end may be `]`, which then does not
//!   close the class; a backslash means nothing there.
//! - Without regard to case, an escaped byte in a class must be matched exactly, and the ends of
//!   a range are put in order before they are made lower case, so that `[Z-a]` matches nothing.
//! - No pattern but the empty one matches the empty text, not even `*`.
//! - After a thousand stars the pattern matches nothing.
//!
//! # How long it can take
//!
//! A matcher that calls itself at each star takes time exponential in their number: `a*a*a*a*b`
//! against many `a`. It need not. Let the text between two stars match at the first place
//! where it can; a later place would only leave less text for the rest of the pattern. So
//! only the last star met is ever gone back to, one byte further each time, and the time is at
//! most the product of the two lengths.

/// Whether letters match those of the other case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `a` and `A` are two letters.
    Sensitive,
    /// `a` and `A` are one letter. Only ASCII has letters.
    Insensitive,
}

/// How many stars a pattern may meet before it is taken for an attack.
const STARS_MAX: usize = 1000;

/// Whether the whole text matches the pattern.
pub fn glob_matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut pattern_at, mut text_at) = (0, 0);
    // Where to go on when the last star has to take one byte more.
    let mut last_star: Option<(usize, usize)> = None;
    let mut stars = 0;
    loop {
        if text_at == text.len() {
            return pattern[pattern_at..].iter().all(|&byte| byte == b'*');
        }
        let step = match pattern.get(pattern_at) {
            Some(b'*') => {
                pattern_at += pattern[pattern_at..]
                    .iter()
                    .take_while(|&&byte| byte == b'*')
                    .count();
                if pattern_at == pattern.len() {
                    return true;
                }
                stars += 1;
                if stars > STARS_MAX {
                    return false;
                }
                last_star = Some((pattern_at, text_at));
                continue;
            }
            Some(_) => match_one(&pattern[pattern_at..], text[text_at], case),
            None => None,
        };
        match (step, last_star) {
            (Some(length), _) => {
                pattern_at += length;
                text_at += 1;
            }
            (None, Some((after_star, taken))) => {
                last_star = Some((after_star, taken + 1));
                (pattern_at, text_at) = (after_star, taken + 1);
                // What follows a star takes a byte at least.
                if text_at == text.len() {
                    return false;
                }
            }
            (None, None) => return false,
        }
    }
}

/// Matches one byte with the front of a pattern that is not empty and begins with no star.
/// Returns how much of the pattern that took.
#[inline]
fn match_one(pattern: &[u8], byte: u8, case: Case) -> Option<usize> {
    let (matched, length) = match pattern {
        [b'?', ..] => (true, 1),
        [b'[', class @ ..] => {
            let (matched, length) = match_class(class, byte, case);
            (matched, length + 1)
        }
        [b'\\', escaped, ..] => (same(*escaped, byte, case), 2),
        [literal, ..] => (same(*literal, byte, case), 1),
        [] => return None,
    };
    matched.then_some(length)
}

/// Whether a byte is in the class whose text follows `[`, and how long that text is, with
/// the bracket that closes it if there is one.
fn match_class(class: &[u8], byte: u8, case: Case) -> (bool, usize) {
    let (negated, mut rest) = match class {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => break,
            [b'\\', escaped, rest @ ..] => {
                found |= *escaped == byte;
                rest
            }
            [b']', rest @ ..] => {
                return (found != negated, class.len() - rest.len());
            }
            [start, b'-', end, rest @ ..] => {
                found |= in_range(*start, *end, byte, case);
                rest
            }
            [member, rest @ ..] => {
                found |= same(*member, byte, case);
                rest
            }
        };
    }
    (found != negated, class.len())
}

fn in_range(start: u8, end: u8, byte: u8, case: Case) -> bool {
    let (start, end) = if start as i8 > end as i8 {
        (end, start)
    } else {
        (start, end)
    };
    let folded = |byte: u8| match case {
        Case::Sensitive => byte as i8,
        Case::Insensitive => byte.to_ascii_lowercase() as i8,
    };
    (folded(start)..=folded(end)).contains(&folded(byte))
}

#[inline]
fn same(one: u8, other: u8, case: Case) -> bool {
    match case {
        Case::Sensitive => one == other,
        Case::Insensitive => one.eq_ignore_ascii_case(&other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        glob_matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive)
    }

    fn matches_any_case(pattern: &str, text: &str) -> bool {
        glob_matches(pattern.as_bytes(), text.as_bytes(), Case::Insensitive)
    }

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("a", "", false),
            ("*", "a", true),
            ("**", "abc", true),
            ("a*", "a", true),
            ("a**", "a", true),
            ("*a", "a", true),
            ("*a", "ba", true),
            ("*a", "ab", false),
            ("*a*", "bab", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("?", "a", true),
            ("?", "ab", false),
            ("??*", "ab", true),
            ("*?", "a", true),
            ("h?llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[a-b]llo", "hbllo", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\a", "a", true),
            ("a\\", "a\\", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn oddities_of_redis() {
        for (pattern, text, expected) in [
            ("*", "", false),
            ("**", "", false),
            ("[", "[", false),
            ("[a", "a", true),
            ("[a", "b", false),
            ("[^", "a", true),
            ("[^a", "b", true),
            ("[]", "a", false),
            ("[^]", "a", true),
            ("[]a]", "a", false),
            ("[^]a", "xa", true),
            ("[z-a]", "m", true),
            ("[a-]", "a", true),
            ("[a-]", "-", false),
            ("[a-]]", "^", true),
            ("[a-", "-", true),
            ("[\\]]", "]", true),
            ("[a\\-z]", "-", true),
            ("[a\\-z]", "m", false),
            ("[\\", "\\", true),
            ("[a-\\]z]", "^z]", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(glob_matches(b"[a-\xff]", b"\x00", Case::Sensitive));
        assert!(!glob_matches(b"[a-\xff]", b"b", Case::Sensitive));
    }

    #[test]
    fn without_regard_to_case() {
        for (pattern, text, expected) in [
            ("aBc", "AbC", true),
            ("[aB]", "b", true),
            ("[a-c]", "B", true),
            ("[A-C]", "b", true),
            ("[\\a]", "A", false),
            ("\\a", "A", true),
            ("[Z-a]", "z", false),
            ("[^a]", "A", false),
        ] {
            assert_eq!(
                matches_any_case(pattern, text),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn many_stars_are_no_bomb() {
        let text = "a".repeat(50_000);
        assert!(!matches(&("a*".repeat(900) + "b"), &text));
        assert!(!matches(&("*".to_owned() + &"a".repeat(100) + "b"), &text));
        assert!(matches(&"a*".repeat(1001), &text));
        assert!(matches(&("a*".repeat(1000) + "a"), &text));
        assert!(!matches(&("a*".repeat(1001) + "a"), &text));
    }

    /// A matcher that tries everything, for patterns of literals, `?` and `*`.
    fn matches_naively(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            ([b'*', pattern @ ..], text) => {
                (0..=text.len()).any(|taken| matches_naively(pattern, &text[taken..]))
            }
            ([b'?', pattern @ ..], [_, text @ ..]) => matches_naively(pattern, text),
            ([literal, pattern @ ..], [byte, text @ ..]) => {
                literal == byte && matches_naively(pattern, text)
            }
            (_, []) => false,
        }
    }

    proptest! {
        #[test]
        fn stars_match_as_the_naive_matcher_says(pattern in "[ab?*]{0,10}", text in "[ab]{1,12}") {
            let expected = matches_naively(pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(&pattern, &text), expected);
        }

        #[test]
        fn a_class_of_all_but_one_is_the_class_negated(members in "[a-m]{1,5}", byte in "[a-z]") {
            let in_class = matches(&format!("[{members}]"), &byte);
            prop_assert_eq!(in_class, members.contains(&byte));
            prop_assert_eq!(matches(&format!("[^{members}]"), &byte), !in_class);
        }

        #[test]
        fn an_escaped_text_matches_itself_only(text in prop::collection::vec(any::<u8>(), 1..20), at in any::<prop::sample::Index>()) {
            let pattern: Vec<u8> = text.iter().flat_map(|&byte| [b'\\', byte]).collect();
            prop_assert!(glob_matches(&pattern, &text, Case::Sensitive));
            let mut other = text.clone();
            other[at.index(text.len())] ^= 1;
            prop_assert!(!glob_matches(&pattern, &other, Case::Sensitive));
        }

        #[test]
        fn nothing_panics(pattern in prop::collection::vec(prop::sample::select(&b"ab*?[]^-\\\xff"[..]), 0..20), text in prop::collection::vec(prop::sample::select(&b"abA]^-\\\xff\0"[..]), 0..10)) {
            glob_matches(&pattern, &text, Case::Sensitive);
            glob_matches(&pattern, &text, Case::Insensitive);
        }
    }
}
