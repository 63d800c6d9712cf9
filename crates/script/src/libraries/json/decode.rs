//! The reader: JSON as a Lua value.

use super::tokens::{Token, Tokens};
use crate::lua::{Frame, Raise, Results, Watch};

/// An object or array of which some values are read; its table lies on the stack.
enum Open {
    /// Above the table lies the key of the value that is read.
    Object,
    Array {
        next: usize,
    },
}

pub(super) fn decode(frame: &mut Frame<'_>) -> Results {
    if frame.top() != 1 {
        return Err(Raise::Argument(1, "expected 1 argument".into()));
    }
    let text = frame.check_bytes(1)?.to_vec();
    if let [0, _, ..] | [_, 0, ..] = text[..] {
        return Err("JSON parser does not support UTF-16 or UTF-32".into());
    }
    let settings = frame.json_settings().clone();
    let depth_max = settings.decode_max_depth as usize;
    let mut tokens = Tokens::new(&text, settings.decode_invalid_numbers);
    let mut open: Vec<Open> = Vec::new();
    let mut token = tokens.next();
    let mut watch = Watch::default();
    loop {
        // The word is a value's first; an opened table waits for its own first value.
        if !push_value(frame, &mut tokens, &mut open, &mut token, depth_max)? {
            continue;
        }
        if attach(frame, &mut tokens, &mut open, &mut token)? {
            break;
        }
        watch.step(frame, 0)?;
    }
    match tokens.next() {
        Token::End => Ok(1),
        other => Err(expected(&tokens, "the end", &other)),
    }
}

fn expected(tokens: &Tokens<'_>, what: &str, found: &Token) -> Raise {
    format!(
        "Expected {what} but found {} at character {}",
        found.name(),
        tokens.found_at + 1
    )
    .into()
}

/// Pushes the value that begins with `token`; answers `false` if that only opened a table, whose
/// first value then begins with `token`.
fn push_value(
    frame: &mut Frame<'_>,
    tokens: &mut Tokens<'_>,
    open: &mut Vec<Open>,
    token: &mut Token,
    depth_max: usize,
) -> Result<bool, Raise> {
    match token {
        Token::String => frame.push_bytes(&tokens.string),
        Token::Number(number) => frame.push_number(*number),
        Token::Boolean(value) => frame.push_boolean(*value),
        Token::Null => frame.push_null_pointer(),
        Token::ObjectBegin | Token::ArrayBegin => {
            let is_object = *token == Token::ObjectBegin;
            let depth = open.len() + 1;
            if depth > depth_max || !frame.ensure_stack(8) {
                return Err(format!(
                    "Found too many nested data structures ({depth}) at character {}",
                    tokens.position()
                )
                .into());
            }
            frame.push_table(0, 0);
            *token = tokens.next();
            if is_object && *token != Token::ObjectEnd {
                push_key(frame, tokens, token)?;
                open.push(Open::Object);
                return Ok(false);
            }
            if !is_object && *token != Token::ArrayEnd {
                open.push(Open::Array { next: 1 });
                return Ok(false);
            }
        }
        other => return Err(expected(tokens, "value", other)),
    }
    Ok(true)
}

/// Pushes a key, which `token` must be, and reads on to the first word of its value.
fn push_key(
    frame: &mut Frame<'_>,
    tokens: &mut Tokens<'_>,
    token: &mut Token,
) -> Result<(), Raise> {
    if *token != Token::String {
        return Err(expected(tokens, "object key string", token));
    }
    frame.push_bytes(&tokens.string);
    *token = tokens.next();
    if *token != Token::Colon {
        return Err(expected(tokens, "colon", token));
    }
    *token = tokens.next();
    Ok(())
}

/// Puts the value on top of the stack into its table, and that into its own if it ends there, and so
/// on; answers `true` if there is no table left, `false` when `token` begins the next value.
fn attach(
    frame: &mut Frame<'_>,
    tokens: &mut Tokens<'_>,
    open: &mut Vec<Open>,
    token: &mut Token,
) -> Result<bool, Raise> {
    while let Some(table) = open.last_mut() {
        match table {
            Open::Object => {
                frame.set(-3);
                *token = tokens.next();
                match token {
                    Token::ObjectEnd => {}
                    Token::Comma => {
                        *token = tokens.next();
                        push_key(frame, tokens, token)?;
                        return Ok(false);
                    }
                    other => return Err(expected(tokens, "comma or object end", other)),
                }
            }
            Open::Array { next } => {
                frame.set_at(-2, *next);
                *next += 1;
                *token = tokens.next();
                match token {
                    Token::ArrayEnd => {}
                    Token::Comma => {
                        *token = tokens.next();
                        return Ok(false);
                    }
                    other => return Err(expected(tokens, "comma or array end", other)),
                }
            }
        }
        open.pop();
    }
    Ok(true)
}
