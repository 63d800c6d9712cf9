//! Colours for the line being typed: a command that the server has stands out, strings in
//! quotes are green, and a quote that is not closed is red, before Return finds it out.

use crate::help::Help;

const COMMAND: &str = "\x1b[1m";
const STRING: &str = "\x1b[32m";
const MISTAKE: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// What a piece of a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Blank,
    Word,
    /// From a quote to the one that closes it.
    Quoted,
    /// A quote that nothing closes, or what touches a closing one.
    Broken,
}

/// Answers the line with colours in it; without them it is the same text.
pub fn highlight(line: &str, help: &Help) -> String {
    let mut out = String::with_capacity(line.len() + 16);
    let mut command_end = help.command_end(line);
    for (piece, text) in pieces(line) {
        let colour = match piece {
            Piece::Word if command_end > 0 => COMMAND,
            Piece::Quoted => STRING,
            Piece::Broken => MISTAKE,
            Piece::Word | Piece::Blank => "",
        };
        command_end = command_end.saturating_sub(text.len());
        out.push_str(colour);
        out.push_str(text);
        if !colour.is_empty() {
            out.push_str(PLAIN);
        }
    }
    out
}

/// Takes a line apart; the pieces make up the line again.
fn pieces(mut line: &str) -> Vec<(Piece, &str)> {
    let mut pieces: Vec<(Piece, &str)> = Vec::new();
    while let Some(first) = line.chars().next() {
        let after_quote = pieces
            .last()
            .is_some_and(|(piece, _)| *piece == Piece::Quoted);
        let (piece, length) = match first {
            _ if first.is_ascii_whitespace() => {
                (Piece::Blank, line.find(|c: char| !c.is_ascii_whitespace()))
            }
            _ if after_quote => (Piece::Broken, None),
            '"' | '\'' => match closing_quote(line, first) {
                Some(at) => (Piece::Quoted, Some(at + 1)),
                None => (Piece::Broken, None),
            },
            _ => {
                let ends = |c: char| c.is_ascii_whitespace() || c == '"' || c == '\'';
                (Piece::Word, line.find(ends))
            }
        };
        let (text, rest) = line.split_at(length.unwrap_or(line.len()));
        pieces.push((piece, text));
        line = rest;
    }
    pieces
}

/// Where the quote is that closes the one at the start of `text`.
fn closing_quote(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            // Between single quotes a backslash is one unless a quote follows it.
            '\\' => escaped = quote == '"' || text[at + 1..].starts_with('\''),
            _ if character == quote => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxidis_resp::inline;
    use proptest::prelude::*;

    #[test]
    fn pieces_are_told_apart() {
        let pieces = pieces(r#"set "a \" b" 'c\' d'  e"f"g h"#);
        let kinds: Vec<_> = pieces.iter().map(|(piece, text)| (*piece, *text)).collect();
        assert_eq!(
            kinds,
            [
                (Piece::Word, "set"),
                (Piece::Blank, " "),
                (Piece::Quoted, r#""a \" b""#),
                (Piece::Blank, " "),
                (Piece::Quoted, r"'c\' d'"),
                (Piece::Blank, "  "),
                (Piece::Word, "e"),
                (Piece::Quoted, r#""f""#),
                (Piece::Broken, "g h"),
            ]
        );
    }

    proptest! {
        /// Red shows exactly the lines that Return would refuse.
        #[test]
        fn mistakes_are_those_that_splitting_finds(line in "[ab\"'\\\\ ]{0,12}") {
            let pieces = pieces(&line);
            let together: String = pieces.iter().map(|(_, text)| *text).collect();
            prop_assert_eq!(&together, &line);
            let broken = pieces.iter().any(|(piece, _)| *piece == Piece::Broken);
            prop_assert_eq!(broken, inline::split(line.as_bytes()).is_err());
        }
    }
}
