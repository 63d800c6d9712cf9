//! The glob matcher against a naive model: the pattern as a list of sets of bytes and stars,
//! and a table of which part of it matches which part of the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oxidis_engine::text::{Case, glob_matches};

enum Token {
    Star,
    OneOf(Box<[bool; 256]>),
}

fn one_of(belongs: impl Fn(u8) -> bool) -> Token {
    let mut set = Box::new([false; 256]);
    for byte in 0..=255 {
        set[usize::from(byte)] = belongs(byte);
    }
    Token::OneOf(set)
}

fn tokens(pattern: &[u8], case: Case) -> Vec<Token> {
    let fold = |byte: u8| {
        if case == Case::Sensitive {
            byte
        } else {
            byte.to_ascii_lowercase()
        }
    };
    let literal = |literal: u8| one_of(move |byte| fold(byte) == fold(literal));
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < pattern.len() {
        match pattern[at] {
            b'*' => tokens.push(Token::Star),
            b'?' => tokens.push(one_of(|_| true)),
            b'\\' if at + 1 < pattern.len() => {
                at += 1;
                tokens.push(literal(pattern[at]));
            }
            b'[' => {
                let negated = pattern.get(at + 1) == Some(&b'^');
                at += 1 + usize::from(negated);
                let mut set = [false; 256];
                while at < pattern.len() && pattern[at] != b']' {
                    if pattern[at] == b'\\' && at + 1 < pattern.len() {
                        set[usize::from(pattern[at + 1])] = true;
                        at += 2;
                    } else if at + 2 < pattern.len() && pattern[at + 1] == b'-' {
                        let mut ends = [pattern[at] as i8, pattern[at + 2] as i8];
                        ends.sort_unstable();
                        for byte in 0..=255u8 {
                            let (low, high) =
                                (fold(ends[0] as u8) as i8, fold(ends[1] as u8) as i8);
                            let folded = fold(byte) as i8;
                            set[usize::from(byte)] |= low <= folded && folded <= high;
                        }
                        at += 3;
                    } else {
                        for byte in 0..=255u8 {
                            set[usize::from(byte)] |= fold(byte) == fold(pattern[at]);
                        }
                        at += 1;
                    }
                }
                tokens.push(one_of(move |byte| set[usize::from(byte)] != negated));
            }
            other => tokens.push(literal(other)),
        }
        at += 1;
    }
    tokens
}

/// `matched[i]` says whether the tokens so far match the first `i` bytes of the text.
fn matches_naively(tokens: &[Token], text: &[u8]) -> bool {
    let mut matched = vec![false; text.len() + 1];
    matched[0] = true;
    for token in tokens {
        let mut next = vec![false; text.len() + 1];
        match token {
            Token::Star => {
                let mut any = false;
                for (next, matched) in next.iter_mut().zip(&matched) {
                    any |= matched;
                    *next = any;
                }
            }
            Token::OneOf(set) => {
                for (index, byte) in text.iter().enumerate() {
                    next[index + 1] = matched[index] && set[usize::from(*byte)];
                }
            }
        }
        matched = next;
    }
    matched[text.len()]
}

fuzz_target!(|data: &[u8]| {
    let [pattern_length, settings, rest @ ..] = data else {
        return;
    };
    let (pattern, text) = rest.split_at(rest.len().min(usize::from(*pattern_length)));
    let case = if settings & 1 == 0 {
        Case::Sensitive
    } else {
        Case::Insensitive
    };
    // The empty text is an exception that the matcher makes by itself.
    let expected = if text.is_empty() {
        pattern.is_empty()
    } else {
        matches_naively(&tokens(pattern, case), text)
    };
    assert_eq!(glob_matches(pattern, text, case), expected);
});
