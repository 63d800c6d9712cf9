//! The words of JSON as the reader finds them.

use oxidis_engine::text::parse_double;

/// One word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    /// Its bytes lie in [`Tokens::string`].
    String,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    /// No word, and why.
    Error(&'static str),
}

impl Token {
    /// What error texts call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(reason) => reason,
        }
    }
}

/// Takes a text apart. A zero byte is its end, as for C.
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    /// Where the next word is looked for.
    at: usize,
    /// Where the last word began, or what was wrong was found.
    pub(super) found_at: usize,
    /// The last string.
    pub(super) string: Vec<u8>,
    allows_invalid_numbers: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a [u8], allows_invalid_numbers: bool) -> Self {
        Tokens {
            text,
            at: 0,
            found_at: 0,
            string: Vec::new(),
            allows_invalid_numbers,
        }
    }

    /// How much has been read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn byte(&self, index: usize) -> u8 {
        self.text.get(index).copied().unwrap_or(0)
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next word.
    pub(super) fn next(&mut self) -> Token {
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.found_at = self.at;
        let single = match self.byte(self.at) {
            0 => return Token::End,
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => {
                if !self.allows_invalid_numbers && is_invalid_number(self.rest()) {
                    return Token::Error("invalid number");
                }
                return self.number();
            }
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' => return self.name(),
            _ => return Token::Error("invalid token"),
        };
        self.at += 1;
        single
    }

    fn name(&mut self) -> Token {
        let names = [
            ("true", Token::Boolean(true)),
            ("false", Token::Boolean(false)),
            ("null", Token::Null),
        ];
        for (name, token) in names {
            if self.rest().starts_with(name.as_bytes()) {
                self.at += name.len();
                return token;
            }
        }
        if self.allows_invalid_numbers && is_invalid_number(self.rest()) {
            return self.number();
        }
        Token::Error("invalid token")
    }

    fn number(&mut self) -> Token {
        let length = number_length(self.rest());
        let text = &self.rest()[..length];
        match read_number(text) {
            Some(number) => {
                self.at += length;
                Token::Number(number)
            }
            None => Token::Error("invalid number"),
        }
    }

    fn string(&mut self) -> Token {
        self.string.clear();
        self.at += 1;
        loop {
            let byte = match self.byte(self.at) {
                b'"' => {
                    self.at += 1;
                    return Token::String;
                }
                0 => return self.string_error("unexpected end of string"),
                b'\\' => match self.byte(self.at + 1) {
                    b'u' => {
                        if !self.unicode_escape() {
                            return self.string_error("invalid unicode escape code");
                        }
                        continue;
                    }
                    escape => {
                        let byte = match escape {
                            b'"' | b'\\' | b'/' => escape,
                            b'b' => 8,
                            b't' => b'\t',
                            b'n' => b'\n',
                            b'f' => 12,
                            b'r' => b'\r',
                            _ => return self.string_error("invalid escape code"),
                        };
                        self.at += 1;
                        byte
                    }
                },
                byte => byte,
            };
            self.string.push(byte);
            self.at += 1;
        }
    }

    fn string_error(&mut self, reason: &'static str) -> Token {
        self.found_at = self.at;
        Token::Error(reason)
    }

    /// Reads `\uXXXX`, two of them for a surrogate pair, and adds the character in UTF-8.
    fn unicode_escape(&mut self) -> bool {
        let Some(unit) = self.hexadecimal(self.at + 2) else {
            return false;
        };
        let mut length = 6;
        let mut code = unit;
        if unit & 0xf800 == 0xd800 {
            let has_second = self.byte(self.at + 6) == b'\\' && self.byte(self.at + 7) == b'u';
            let low = self.hexadecimal(self.at + 8);
            match low {
                Some(low) if has_second && unit & 0x400 == 0 && low & 0xfc00 == 0xdc00 => {
                    code = ((unit & 0x3ff) << 10 | low & 0x3ff) + 0x1_0000;
                    length = 12;
                }
                _ => return false,
            }
        }
        let Some(character) = char::from_u32(code) else {
            return false;
        };
        let mut utf8 = [0; 4];
        self.string
            .extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
        self.at += length;
        true
    }

    /// The number of four hexadecimal digits.
    fn hexadecimal(&self, from: usize) -> Option<u32> {
        (from..from + 4).try_fold(0, |number, index| {
            Some(number << 4 | char::from(self.byte(index)).to_digit(16)?)
        })
    }
}

/// Whether a text begins with a number that `strtod` reads and JSON does not have.
fn is_invalid_number(text: &[u8]) -> bool {
    let unsigned = match text {
        [b'+', ..] => return true,
        [b'-', rest @ ..] => rest,
        text => text,
    };
    match unsigned {
        [b'0', b'x' | b'X' | b'0'..=b'9', ..] => true,
        [first, ..] if *first <= b'9' => false,
        _ => starts_with(unsigned, b"inf") || starts_with(unsigned, b"nan"),
    }
}

fn starts_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// How much of the text `strtod` reads as a number.
fn number_length(text: &[u8]) -> usize {
    let sign = usize::from(matches!(text, [b'+' | b'-', ..]));
    let unsigned = &text[sign..];
    if starts_with(unsigned, b"infinity") {
        return sign + 8;
    }
    if starts_with(unsigned, b"inf") || starts_with(unsigned, b"nan") {
        return sign + 3;
    }
    if matches!(unsigned, [b'0', b'x' | b'X', ..]) {
        let digits = mantissa_length(&unsigned[2..], u8::is_ascii_hexdigit);
        if digits > 0 {
            let length = 2 + digits;
            return sign + length + exponent_length(&unsigned[length..], b'p');
        }
    }
    match mantissa_length(unsigned, u8::is_ascii_digit) {
        0 => 0,
        length => sign + length + exponent_length(&unsigned[length..], b'e'),
    }
}

/// The length of digits with at most one point among them; 0 if there is no digit.
fn mantissa_length(text: &[u8], is_digit: fn(&u8) -> bool) -> usize {
    let count = |text: &[u8]| text.iter().take_while(|&byte| is_digit(byte)).count();
    let whole = count(text);
    if text.get(whole) != Some(&b'.') {
        return whole;
    }
    let fraction = count(&text[whole + 1..]);
    if whole + fraction == 0 {
        0
    } else {
        whole + 1 + fraction
    }
}

/// The length of an exponent; 0 if there is none.
fn exponent_length(text: &[u8], letter: u8) -> usize {
    if !text
        .first()
        .is_some_and(|first| first.eq_ignore_ascii_case(&letter))
    {
        return 0;
    }
    let sign = usize::from(matches!(text.get(1), Some(b'+' | b'-')));
    let digits = &text[1 + sign..];
    match digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count()
    {
        0 => 0,
        count => 1 + sign + count,
    }
}

/// The number of a text that is wholly one.
fn read_number(text: &[u8]) -> Option<f64> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    if starts_with(unsigned, b"nan") {
        return Some(if unsigned.len() < text.len() {
            -f64::NAN
        } else {
            f64::NAN
        });
    }
    if matches!(unsigned, [b'0', b'x' | b'X', ..]) {
        return parse_double(text);
    }
    str::from_utf8(text).ok()?.parse().ok()
}
