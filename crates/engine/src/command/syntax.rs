//! The arguments of a command, read from its row's `syntax`: what COMMAND DOCS answers.
//!
//! # The notation
//!
//! * A word in capitals, or without letters, is a token: `WITHSCORES`, `*`.
//! * Any other word is a value that the client gives: `key`, `count:integer`. Its type stands behind
//!   the last colon; without one it follows from the name.
//! * `[...]` may be left out, `(...)` belongs together.
//! * `a|b` is one of both. Inside brackets it divides all that stands there, as in
//!   `[EX seconds|KEEPTTL]`; outside it chooses between its two neighbours, as in
//!   `LEFT|RIGHT LEFT|RIGHT`.
//! * `x ...` and `x [x ...]` are one or more of x.
//! * A token owns what follows it up to the next token or optional part: `LIMIT offset count`.
//! * `name=` before a part, or first in brackets, is what the part, or all that stands there, is called:
//!   `where= LEFT|RIGHT`, `[condition= NX|XX]`. Without it a group is called after what is in it.
//!   A value that is renamed by it is still shown by the name that it has by itself.
//! * Last in a word, behind `^`, stands the version that the argument came with, and behind another `^` the version
//!   since which it should no longer be used: `CH^6.2.0`, `[condition^2.6.12= NX|XX]`, `[old^^2.8.12= ip]`.
//! * `key@1` says which of the command's key specifications is meant, where it is not the next.

use super::KeySpec;

/// What an argument is; the names are those of COMMAND DOCS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentKind {
    /// Any bytes.
    String,
    /// An integer.
    Integer,
    /// A floating point number.
    Double,
    /// A key.
    Key,
    /// A pattern of glob style.
    Pattern,
    /// A time since 1970.
    UnixTime,
    /// A word of the command itself.
    PureToken,
    /// One of the arguments inside.
    OneOf,
    /// All of the arguments inside, in their order.
    Block,
}

impl ArgumentKind {
    const VALUES: [ArgumentKind; 6] = [
        ArgumentKind::String,
        ArgumentKind::Integer,
        ArgumentKind::Double,
        ArgumentKind::Key,
        ArgumentKind::Pattern,
        ArgumentKind::UnixTime,
    ];

    /// The name that COMMAND DOCS answers.
    pub fn name(self) -> &'static str {
        match self {
            ArgumentKind::String => "string",
            ArgumentKind::Integer => "integer",
            ArgumentKind::Double => "double",
            ArgumentKind::Key => "key",
            ArgumentKind::Pattern => "pattern",
            ArgumentKind::UnixTime => "unix-time",
            ArgumentKind::PureToken => "pure-token",
            ArgumentKind::OneOf => "oneof",
            ArgumentKind::Block => "block",
        }
    }

    /// Whether there are arguments inside.
    pub fn is_nested(self) -> bool {
        matches!(self, ArgumentKind::OneOf | ArgumentKind::Block)
    }

    fn of_name(name: &str) -> Self {
        match name {
            "key" => ArgumentKind::Key,
            "pattern" => ArgumentKind::Pattern,
            _ => ArgumentKind::String,
        }
    }
}

/// One argument of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: ArgumentKind,
    /// What it is shown as, unless that is its name.
    pub display_text: Option<String>,
    /// The version that it came with, unless that is its command's.
    pub since: Option<String>,
    /// The version since which it should no longer be used.
    pub deprecated_since: Option<String>,
    /// The word before it; of a pure token, the word itself.
    pub token: Option<String>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be there more than once.
    pub multiple: bool,
    /// Whether its token is there each time then.
    pub multiple_token: bool,
    /// Which of the command's key specifications finds it, if it is a key.
    pub key_spec_index: Option<usize>,
    /// The arguments inside.
    pub arguments: Vec<Argument>,
}

impl Argument {
    fn new(name: String, kind: ArgumentKind) -> Self {
        Argument {
            name,
            kind,
            display_text: None,
            since: None,
            deprecated_since: None,
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            key_spec_index: None,
            arguments: Vec::new(),
        }
    }

    /// An argument that has others inside, called after them.
    fn nested(kind: ArgumentKind, arguments: Vec<Argument>) -> Self {
        let names: Vec<&str> = arguments.iter().map(|inner| &*inner.name).collect();
        Argument {
            arguments: arguments.clone(),
            ..Argument::new(names.join("-"), kind)
        }
    }

    /// Takes over the versions that stand at the end of a word.
    fn set_versions(&mut self, versions: &str) {
        let mut versions = versions.split('^');
        let mut next = || {
            versions
                .next()
                .filter(|it| !it.is_empty())
                .map(str::to_owned)
        };
        self.since = next();
        self.deprecated_since = next();
    }

    fn repeat(&mut self) {
        self.multiple = true;
        self.multiple_token = self.token.is_some();
    }
}

/// Why a `syntax` cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// A bracket has no partner.
    #[error("a bracket is not closed, or closed and not opened")]
    Unbalanced,
    /// `...`, `|` or a bracket stands where there must be something before it or in it.
    #[error("there is nothing to repeat, to choose from or to leave out")]
    Nothing,
}

/// Reads the arguments of a command whose keys are found by `keys`.
pub fn parse_syntax(syntax: &str, keys: &[KeySpec]) -> Result<Vec<Argument>, SyntaxError> {
    let mut words = split(syntax).into_iter();
    let parts = whole(&mut words)?;
    let mut arguments = lower(&parts)?;
    let mut next_key = 0;
    number_keys(&mut arguments, keys.len(), &mut next_key);
    Ok(arguments)
}

/// Words and brackets.
fn split(syntax: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for piece in syntax.split_whitespace() {
        let mut rest = piece;
        while let Some(at) = rest.find(['[', ']', '(', ')', '|']) {
            if at > 0 {
                words.push(&rest[..at]);
            }
            words.push(&rest[at..=at]);
            rest = &rest[at + 1..];
        }
        if !rest.is_empty() {
            words.push(rest);
        }
    }
    words
}

/// A syntax as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part<'a> {
    Word(&'a str),
    Together(Vec<Part<'a>>),
    Optional(Vec<Part<'a>>),
    OneOf(Vec<Part<'a>>),
    Named(&'a str, Box<Part<'a>>),
    Repeated,
}

impl Part<'_> {
    /// The part without the name that it was given.
    fn unnamed(&self) -> &Self {
        match self {
            Part::Named(_, part) => part,
            other => other,
        }
    }

    fn is_token(&self) -> bool {
        matches!(self.unnamed(), Part::Word(word) if is_token(word))
    }

    /// Whether a token before it leaves it alone: another token, a choice of tokens, or something
    /// optional.
    fn is_free(&self) -> bool {
        match self.unnamed() {
            Part::OneOf(choices) => choices.iter().all(Part::is_token),
            Part::Optional(_) => true,
            other => other.is_token(),
        }
    }
}

/// A word, and the versions at its end if there are any.
fn split_versions(word: &str) -> (&str, Option<&str>) {
    match word.split_once('^') {
        Some((word, versions)) => (word, Some(versions)),
        None => (word, None),
    }
}

fn is_token(word: &str) -> bool {
    !word.contains(|letter: char| letter.is_ascii_lowercase())
}

/// How an empty word is written.
const EMPTY: &str = "\"\"";

/// The name that a word gives to what follows.
fn given_name(word: &str) -> Option<&str> {
    word.strip_suffix('=').filter(|name| !name.is_empty())
}

/// Reads the whole syntax: choices are between neighbours.
fn whole<'a>(words: &mut std::vec::IntoIter<&'a str>) -> Result<Vec<Part<'a>>, SyntaxError> {
    let mut parts = Vec::new();
    while let Some(word) = words.next() {
        if word != "|" {
            parts.push(part(word, words)?);
            continue;
        }
        let first = parts.pop().ok_or(SyntaxError::Nothing)?;
        let next = words.next().ok_or(SyntaxError::Nothing)?;
        let second = part(next, words)?;
        parts.push(match first {
            Part::Named(name, first) => Part::Named(name, Box::new(choice(*first, second))),
            first => choice(first, second),
        });
    }
    Ok(parts)
}

/// What came before a bar, and one more to choose from.
fn choice<'a>(first: Part<'a>, second: Part<'a>) -> Part<'a> {
    match first {
        Part::OneOf(mut choices) => {
            choices.push(second);
            Part::OneOf(choices)
        }
        first => Part::OneOf(vec![first, second]),
    }
}

/// Reads what stands in brackets, up to the closing one: choices are between all of it.
fn bracketed<'a>(
    words: &mut std::vec::IntoIter<&'a str>,
    end: &str,
) -> Result<Vec<Part<'a>>, SyntaxError> {
    if let Some(name) = words.as_slice().first().and_then(|word| given_name(word)) {
        words.next();
        let mut parts = bracketed(words, end)?;
        let all = match parts.len() {
            1 => parts.remove(0),
            _ => Part::Together(parts),
        };
        return Ok(vec![Part::Named(name, Box::new(all))]);
    }
    let mut choices = Vec::new();
    let mut parts = Vec::new();
    loop {
        let word = words.next().ok_or(SyntaxError::Unbalanced)?;
        if word != "|" && word != end {
            parts.push(part(word, words)?);
            continue;
        }
        if parts.is_empty() {
            return Err(SyntaxError::Nothing);
        }
        let is_end = word == end;
        if is_end && choices.is_empty() {
            return Ok(parts);
        }
        choices.push(match parts.len() {
            1 => parts.remove(0),
            _ => Part::Together(std::mem::take(&mut parts)),
        });
        if is_end {
            return Ok(vec![Part::OneOf(choices)]);
        }
    }
}

/// The part that begins with a word.
fn part<'a>(
    word: &'a str,
    words: &mut std::vec::IntoIter<&'a str>,
) -> Result<Part<'a>, SyntaxError> {
    match word {
        "(" => Ok(Part::Together(bracketed(words, ")")?)),
        "[" => Ok(Part::Optional(bracketed(words, "]")?)),
        ")" | "]" => Err(SyntaxError::Unbalanced),
        "|" => Err(SyntaxError::Nothing),
        "..." => Ok(Part::Repeated),
        word => match given_name(word) {
            Some(name) => {
                let named = words.next().ok_or(SyntaxError::Nothing)?;
                Ok(Part::Named(name, Box::new(part(named, words)?)))
            }
            None => Ok(Part::Word(word)),
        },
    }
}

/// Makes arguments of what is written.
fn lower(parts: &[Part<'_>]) -> Result<Vec<Argument>, SyntaxError> {
    let mut arguments: Vec<Argument> = Vec::new();
    let mut index = 0;
    while index < parts.len() {
        let before = &parts[..index];
        match &parts[index] {
            Part::Repeated => arguments.last_mut().ok_or(SyntaxError::Nothing)?.repeat(),
            Part::Optional(inner) if repeats(before, inner) => {
                let count = inner.len() - 1;
                if count > 1 && !inner[0].is_token() {
                    let block = arguments.split_off(arguments.len() - count);
                    arguments.push(Argument::nested(ArgumentKind::Block, block));
                }
                arguments.last_mut().ok_or(SyntaxError::Nothing)?.repeat();
            }
            Part::Optional(inner) => {
                let mut argument = together(inner)?;
                argument.optional = true;
                arguments.push(argument);
            }
            Part::Together(inner) => arguments.push(together(inner)?),
            Part::OneOf(choices) => {
                let choices = choices
                    .iter()
                    .map(|choice| together(std::slice::from_ref(choice)));
                let choices = choices.collect::<Result<_, _>>()?;
                arguments.push(Argument::nested(ArgumentKind::OneOf, choices));
            }
            Part::Named(name, part) => {
                let mut argument = together(std::slice::from_ref(&**part))?;
                let (name, versions) = split_versions(name);
                let shown = std::mem::replace(&mut argument.name, name.to_owned());
                if !argument.kind.is_nested() && argument.kind != ArgumentKind::PureToken {
                    argument.display_text = Some(shown);
                }
                if let Some(versions) = versions {
                    argument.set_versions(versions);
                }
                arguments.push(argument);
            }
            Part::Word(word) if is_token(word) => {
                let owned = owned_by_token(&parts[index + 1..]);
                arguments.push(with_token(word, owned)?);
                index += owned.len();
            }
            Part::Word(word) => arguments.push(value(word)),
        }
        index += 1;
    }
    Ok(arguments)
}

/// Whether `[inner]` says that what stands before it may be repeated.
fn repeats(before: &[Part<'_>], inner: &[Part<'_>]) -> bool {
    match inner {
        [repeated @ .., Part::Repeated] => {
            let start = before.len().checked_sub(repeated.len());
            start.is_some_and(|start| before[start..].iter().map(Part::unnamed).eq(repeated))
        }
        _ => false,
    }
}

/// What a token owns of the parts behind it.
fn owned_by_token<'p, 'a>(parts: &'p [Part<'a>]) -> &'p [Part<'a>] {
    let is_end = |index: usize| match &parts[index] {
        Part::Optional(inner) => !repeats(&parts[..index], inner),
        part => part.is_free(),
    };
    let end = (0..parts.len()).find(|&index| is_end(index));
    &parts[..end.unwrap_or(parts.len())]
}

fn with_token(word: &str, owned: &[Part<'_>]) -> Result<Argument, SyntaxError> {
    let (word, versions) = split_versions(word);
    let name = word.to_ascii_lowercase();
    let mut arguments = lower(owned)?;
    let argument = match &arguments[..] {
        [] => Argument::new(name, ArgumentKind::PureToken),
        [only] if only.token.is_none() => arguments.remove(0),
        _ => Argument {
            arguments,
            ..Argument::new(name, ArgumentKind::Block)
        },
    };
    let mut argument = Argument {
        // What stands for no word at all is written with its quotes.
        token: Some(if word == EMPTY { "" } else { word }.to_owned()),
        ..argument
    };
    if let Some(versions) = versions {
        argument.set_versions(versions);
    }
    Ok(argument)
}

/// Parts as one argument.
fn together(parts: &[Part<'_>]) -> Result<Argument, SyntaxError> {
    let mut arguments = lower(parts)?;
    match arguments.len() {
        0 => Err(SyntaxError::Nothing),
        1 => Ok(arguments.remove(0)),
        _ => Ok(Argument::nested(ArgumentKind::Block, arguments)),
    }
}

fn value(word: &str) -> Argument {
    if let (word, Some(versions)) = split_versions(word) {
        let mut argument = value(word);
        argument.set_versions(versions);
        return argument;
    }
    if let Some((word, index)) = word.split_once('@') {
        return Argument {
            key_spec_index: index.parse().ok(),
            ..value(word)
        };
    }
    if let Some((name, kind)) = word.rsplit_once(':') {
        let kinds = ArgumentKind::VALUES.into_iter();
        for known in kinds {
            if known.name() == kind {
                return Argument::new(name.to_owned(), known);
            }
        }
    }
    Argument::new(word.to_owned(), ArgumentKind::of_name(word))
}

/// Says of each key which specification finds it: the first of the first, and so on.
fn number_keys(arguments: &mut [Argument], spec_count: usize, next: &mut usize) {
    for argument in arguments {
        if argument.kind == ArgumentKind::Key && argument.key_spec_index.is_none() && spec_count > 0
        {
            argument.key_spec_index = Some((*next).min(spec_count - 1));
            *next += 1;
        }
        number_keys(&mut argument.arguments, spec_count, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table;

    /// One line an argument: kind, name, token, flags, and what is inside.
    fn show(arguments: &[Argument]) -> String {
        let shown = arguments.iter().map(|argument| {
            let mut text = format!("{}:{}", argument.kind.name(), argument.name);
            if let Some(token) = &argument.token {
                text.push_str(&format!(" {token}"));
            }
            for (flag, is_set) in [
                ("?", argument.optional),
                ("*", argument.multiple),
                ("+", argument.multiple_token),
            ] {
                text.push_str(if is_set { flag } else { "" });
            }
            if argument.kind.is_nested() {
                text.push_str(&format!("({})", show(&argument.arguments)));
            }
            text
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    #[track_caller]
    fn check(syntax: &str, expected: &str) {
        assert_eq!(show(&parse_syntax(syntax, &[]).unwrap()), expected);
    }

    #[test]
    fn words_are_values_or_tokens() {
        check("", "");
        check("key", "key:key");
        check("key value", "key:key, string:value");
        check(
            "ip:port:string seconds:integer",
            "string:ip:port, integer:seconds",
        );
        check("ip:port", "string:ip:port");
        check("[WITHSCORES]", "pure-token:withscores WITHSCORES?");
    }

    #[test]
    fn versions_stand_behind_words_and_what_is_renamed_is_shown_by_its_own_name() {
        let syntax = "[CH^6.2.0] [condition^2.6.12= NX|XX] [old^^2.8.12= ip:port:string] count:integer^7.0.0";
        let arguments = parse_syntax(syntax, &[]).unwrap();
        let facts = arguments.iter().map(|it| {
            let facts = [&it.since, &it.deprecated_since, &it.display_text];
            (
                &*it.name,
                facts.map(|fact| fact.as_deref().unwrap_or_default()),
            )
        });
        assert_eq!(
            facts.collect::<Vec<_>>(),
            [
                ("ch", ["6.2.0", "", ""]),
                ("condition", ["2.6.12", "", ""]),
                ("old", ["", "2.8.12", "ip:port"]),
                ("count", ["7.0.0", "", ""]),
            ]
        );
    }

    #[test]
    fn things_are_repeated() {
        check("key [key ...]", "key:key*");
        check("[channel [channel ...]]", "string:channel?*");
        check(
            "(key value) [(key value) ...]",
            "block:key-value*(key:key, string:value)",
        );
        check(
            "score:double member [score:double member ...]",
            "block:score-member*(double:score, string:member)",
        );
        check("[GET pattern [GET pattern ...]]", "pattern:pattern GET?*+");
        check("[PREFIX prefix] ...", "string:prefix PREFIX?*+");
    }

    #[test]
    fn one_is_chosen() {
        check(
            "[NX|XX] x",
            "oneof:nx-xx?(pure-token:nx NX, pure-token:xx XX), string:x",
        );
        check(
            "LEFT|RIGHT LEFT|RIGHT",
            "oneof:left-right(pure-token:left LEFT, pure-token:right RIGHT), \
               oneof:left-right(pure-token:left LEFT, pure-token:right RIGHT)",
        );
        check(
            "[EX seconds:integer|KEEPTTL]",
            "oneof:seconds-keepttl?(integer:seconds EX, pure-token:keepttl KEEPTTL)",
        );
        check(
            "BEFORE|AFTER pivot",
            "oneof:before-after(pure-token:before BEFORE, pure-token:after AFTER), string:pivot",
        );
    }

    #[test]
    fn tokens_own_what_follows() {
        check(
            "[LIMIT offset:integer count:integer]",
            "block:limit LIMIT?(integer:offset, integer:count)",
        );
        check(
            "[TYPE (A|B)]",
            "oneof:a-b TYPE?(pure-token:a A, pure-token:b B)",
        );
        check(
            "key FIELDS numfields:integer field [field ...] [NX]",
            "key:key, block:fields FIELDS(integer:numfields, string:field*), pure-token:nx NX?",
        );
        check(
            "n:integer MIN|MAX [COUNT count:integer]",
            "integer:n, oneof:min-max(pure-token:min MIN, pure-token:max MAX), integer:count COUNT?",
        );
        check("[A [B b]]", "block:a-b?(pure-token:a A, string:b B?)");
    }

    #[test]
    fn groups_have_the_names_that_they_are_given() {
        check(
            "where= LEFT|RIGHT key",
            "oneof:where(pure-token:left LEFT, pure-token:right RIGHT), key:key",
        );
        check(
            "[condition= NX|XX]",
            "oneof:condition?(pure-token:nx NX, pure-token:xx XX)",
        );
        check(
            "data= (key value) [(key value) ...]",
            "block:data*(key:key, string:value)",
        );
        check(
            "[target= TO (host [FORCE])]",
            "block:target TO?(string:host, pure-token:force FORCE?)",
        );
        check("[change= CH]", "pure-token:change CH?");
        check(
            "by= ((circle= R r)|(box= R w))",
            "oneof:by(string:circle R, string:box R)",
        );
        check(
            "[=|~] x",
            "oneof:=-~?(pure-token:= =, pure-token:~ ~), string:x",
        );
    }

    #[test]
    fn keys_are_numbered() {
        let keys = [KeySpec::first(crate::command::KeyFlags::RO); 3];
        let indices = |syntax| {
            let arguments = parse_syntax(syntax, &keys).unwrap();
            let indices = arguments.iter().map(|argument| argument.key_spec_index);
            indices.collect::<Vec<_>>()
        };
        assert_eq!(indices("key x key"), [Some(0), None, Some(1)]);
        assert_eq!(
            indices("key x:pattern@1 y:key@2"),
            [Some(0), Some(1), Some(2)]
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for syntax in [
            "(a", "a)", "[a", "a]", "|a", "a|", "...", "()", "[]", "a||b", "[...]", "[a|]", "[|a]",
            "a=", "[a=]",
        ] {
            assert!(parse_syntax(syntax, &[]).is_err(), "{syntax}");
        }
    }

    #[test]
    fn every_row_can_be_read() {
        for registered in table().all() {
            let command = registered.command;
            let arguments = parse_syntax(command.syntax, command.keys);
            assert!(arguments.is_ok(), "{}: {arguments:?}", registered.full_name);
        }
    }
}
