//! How the value of each kind of directive is parsed, shown by CONFIG GET, and written by CONFIG
//! REWRITE. Pure functions: who holds the values is `store`.

use std::borrow::Cow;

use oxidis_resp::inline::quote_into;

use super::directive::{Directive, Flags, Kind, NumberForm};
use super::number;
use super::words;
use crate::text::{parse_double, parse_integer, parse_memory_size};

/// `seconds` with at least `changes` changes start a background save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds since the last save.
    pub seconds: u64,
    /// Changes since the last save.
    pub changes: u64,
}

/// When a client that does not read its replies is disconnected; 0 bytes is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputBufferLimit {
    /// Bytes at which it is disconnected at once.
    pub hard_bytes: u64,
    /// Bytes at which it is disconnected after `soft_seconds`.
    pub soft_bytes: u64,
    /// Seconds for which it may have more than `soft_bytes` waiting.
    pub soft_seconds: u64,
}

/// Normal clients, replicas, subscribers: the classes of `client-output-buffer-limit` as CONFIG GET
/// and CONFIG REWRITE name them.
const CLASSES: [(&str, &str); 3] = [
    ("normal", "normal"),
    ("slave", "replica"),
    ("pubsub", "pubsub"),
];

const OUTPUT_BUFFER_LIMITS: [OutputBufferLimit; 3] = [
    OutputBufferLimit {
        hard_bytes: 0,
        soft_bytes: 0,
        soft_seconds: 0,
    },
    OutputBufferLimit {
        hard_bytes: 256 << 20,
        soft_bytes: 64 << 20,
        soft_seconds: 60,
    },
    OutputBufferLimit {
        hard_bytes: 32 << 20,
        soft_bytes: 8 << 20,
        soft_seconds: 60,
    },
];

/// The letters of `notify-keyspace-events` and their bits, in the order in which CONFIG GET shows
/// them. `A` stands for the first ten.
const EVENT_LETTERS: [(u8, i64); 14] = [
    (b'g', 1 << 2),
    (b'$', 1 << 3),
    (b'l', 1 << 4),
    (b's', 1 << 5),
    (b'h', 1 << 6),
    (b'z', 1 << 7),
    (b'x', 1 << 8),
    (b'e', 1 << 9),
    (b't', 1 << 10),
    (b'd', 1 << 13),
    (b'n', 1 << 14),
    (b'K', 1 << 0),
    (b'E', 1 << 1),
    (b'm', 1 << 11),
];
const EVENTS_OF_A: usize = 10;

const MOST_BIND_ADDRESSES: usize = 16;

/// A directive's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Yes (1) or no (0), a number (bits of a `u64` where the row says so), the code of a word, the bits of events.
    Number(i64),
    Text(Option<Vec<u8>>),
    Save(Vec<SavePoint>),
    OutputBufferLimits([OutputBufferLimit; 3]),
    OomScores([i32; 3]),
    Addresses(Vec<Vec<u8>>),
    ReplicaOf(Option<(Vec<u8>, u16)>),
    Percentiles(Vec<f64>),
}

/// What is wrong with a value.
pub(super) type Complaint = Cow<'static, str>;

/// One line for the file, and whether it must stand there even if the file never had it.
pub(super) struct FileLine {
    pub text: Vec<u8>,
    pub force: bool,
}

impl Value {
    /// The value of a row when nothing sets it.
    pub fn default_of(kind: &Kind) -> Self {
        match *kind {
            Kind::YesNo { default, .. } => Self::Number(i64::from(default)),
            Kind::Number { default, .. } | Kind::Enumeration { default, .. } => {
                Self::Number(default)
            }
            Kind::Text { default, .. } => Self::Text(default.map(|text| text.as_bytes().to_vec())),
            Kind::Directory => Self::Text(Some(b".".to_vec())),
            Kind::Save => Self::Save(
                [(3600, 1), (300, 100), (60, 10_000)]
                    .map(|(seconds, changes)| SavePoint { seconds, changes })
                    .to_vec(),
            ),
            Kind::OutputBufferLimits => Self::OutputBufferLimits(OUTPUT_BUFFER_LIMITS),
            Kind::OomScoreValues => Self::OomScores([0, 200, 800]),
            Kind::KeyspaceEvents => Self::Number(0),
            Kind::Bind => Self::Addresses(vec![b"*".to_vec(), b"-::*".to_vec()]),
            Kind::ReplicaOf => Self::ReplicaOf(None),
            Kind::Percentiles => Self::Percentiles(vec![50.0, 99.0, 99.9]),
        }
    }

    /// Why a value of this row cannot be had where the allocator cannot move blocks, if it cannot.
    pub fn refusal_without_mover(&self, directive: &Directive) -> Option<&'static str> {
        match directive.kind {
            Kind::YesNo { refusal, .. } if *self == Self::Number(1) => refusal,
            _ => None,
        }
    }

    /// Parses the arguments of a row. `current` matters to those that change a part of themselves:
    /// the classes of output buffer limits, and save points when `accumulate` is set.
    pub fn parse(
        directive: &Directive,
        arguments: &[Vec<u8>],
        current: &Self,
        accumulate: bool,
    ) -> Result<Self, Complaint> {
        let first = arguments.first().map_or(&[][..], Vec::as_slice);
        match &directive.kind {
            Kind::YesNo { .. } => parse_yes_no(first),
            Kind::Number {
                form,
                minimum,
                maximum,
                clamp,
                ..
            } => {
                let value = parse_number(first, *form, *minimum, *maximum)?;
                Ok(Self::Number(
                    clamp.map_or(value, |(least, most)| value.clamp(least, most)),
                ))
            }
            Kind::Enumeration { words, check, .. } => {
                let several = directive.flags.contains(Flags::MULTI_ARGUMENT);
                let code = parse_words(arguments, words, several)?;
                check.map_or(Ok(()), |check| check(code))?;
                Ok(Self::Number(code))
            }
            Kind::Text {
                empty_is_none,
                check,
                ..
            } => {
                check.map_or(Ok(()), |check| check(first))?;
                let unset = *empty_is_none && first.is_empty();
                Ok(Self::Text((!unset).then(|| first.to_vec())))
            }
            Kind::Directory => Ok(Self::Text(Some(first.to_vec()))),
            Kind::Save => parse_save(arguments, current, accumulate),
            Kind::OutputBufferLimits => parse_output_buffer_limits(arguments, current),
            Kind::OomScoreValues => parse_oom_scores(arguments),
            Kind::KeyspaceEvents => parse_events(first),
            Kind::Bind => parse_bind(arguments),
            Kind::ReplicaOf => parse_replica_of(arguments),
            Kind::Percentiles => parse_percentiles(arguments),
        }
    }

    /// What CONFIG GET shows.
    pub fn show(&self, directive: &Directive) -> Vec<u8> {
        match self {
            Self::Number(number) => show_number(*number, directive).into_bytes(),
            Self::Text(text) => text.clone().unwrap_or_default(),
            Self::Save(points) => join(
                points
                    .iter()
                    .map(|point| format!("{} {}", point.seconds, point.changes)),
            ),
            Self::OutputBufferLimits(limits) => {
                join(CLASSES.iter().zip(limits).map(|((class, _), limit)| {
                    format!(
                        "{class} {} {} {}",
                        limit.hard_bytes, limit.soft_bytes, limit.soft_seconds
                    )
                }))
            }
            Self::OomScores(scores) => join(scores.iter().map(i32::to_string)),
            Self::Addresses(addresses) => addresses.join(&b' '),
            Self::ReplicaOf(None) => Vec::new(),
            Self::ReplicaOf(Some((host, port))) => {
                [host, b" ".as_slice(), port.to_string().as_bytes()].concat()
            }
            Self::Percentiles(percentiles) => join(
                percentiles
                    .iter()
                    .map(|&number| number::format_decimal(number)),
            ),
        }
    }

    /// The lines that make it so when the file is read; none for a value that a line cannot say.
    pub fn file_lines(&self, directive: &Directive, default: &Self) -> Vec<FileLine> {
        let force = self != default || matches!(directive.kind, Kind::Directory);
        let one = |text: Vec<u8>| {
            vec![FileLine {
                text: line(directive, &[&text]),
                force,
            }]
        };
        match self {
            Self::Number(number) => one(match directive.kind {
                Kind::Number {
                    form: NumberForm::Memory,
                    ..
                } => number::format_memory(*number as u64).into_bytes(),
                Kind::Number {
                    form: NumberForm::MemoryOrPercent,
                    ..
                } if *number >= 0 => number::format_memory(*number as u64).into_bytes(),
                Kind::KeyspaceEvents => quoted(event_letters(*number).as_bytes()),
                _ => show_number(*number, directive).into_bytes(),
            }),
            Self::Text(None) => Vec::new(),
            Self::Text(Some(text)) => one(quoted(text)),
            Self::Save(points) if points.is_empty() => one(quoted(b"")),
            Self::Save(points) => points
                .iter()
                .map(|point| FileLine {
                    text: line(
                        directive,
                        &[
                            point.seconds.to_string().as_bytes(),
                            point.changes.to_string().as_bytes(),
                        ],
                    ),
                    force,
                })
                .collect(),
            Self::OutputBufferLimits(limits) => {
                output_buffer_limit_lines(directive, limits, default)
            }
            Self::Addresses(addresses) if addresses.is_empty() => one(quoted(b"")),
            Self::Addresses(addresses) => one(addresses
                .iter()
                .map(|address| {
                    let mut word = Vec::new();
                    words::quote_if_needed_into(&mut word, address);
                    word
                })
                .collect::<Vec<_>>()
                .join(&b' ')),
            Self::ReplicaOf(None) => Vec::new(),
            Self::ReplicaOf(Some((host, port))) => {
                let mut text = Vec::new();
                words::quote_if_needed_into(&mut text, host);
                text.extend(format!(" {port}").bytes());
                one(text)
            }
            Self::Percentiles(percentiles) if percentiles.is_empty() => one(quoted(b"")),
            Self::Percentiles(percentiles) => one(join(percentiles.iter().map(f64::to_string))),
            Self::OomScores(_) => one(self.show(directive)),
        }
    }
}

fn parse_yes_no(word: &[u8]) -> Result<Value, Complaint> {
    let yes = word.eq_ignore_ascii_case(b"yes");
    if !yes && !word.eq_ignore_ascii_case(b"no") {
        return Err("argument must be 'yes' or 'no'".into());
    }
    Ok(Value::Number(i64::from(yes)))
}

fn parse_number(
    text: &[u8],
    form: NumberForm,
    minimum: i64,
    maximum: u64,
) -> Result<i64, Complaint> {
    let number = match form {
        NumberForm::Integer => parse_integer(text)
            .map(i128::from)
            .ok_or("argument couldn't be parsed into an integer")?,
        NumberForm::Octal => number::octal(text)
            .map(i128::from)
            .ok_or("argument couldn't be parsed as an octal number")?,
        NumberForm::Memory => parse_memory_size(text)
            .map(i128::from)
            .ok_or("argument must be a memory value")?,
        NumberForm::MemoryOrPercent => match (parse_memory_size(text), percent(text)) {
            (Some(bytes), _) => i128::from(bytes),
            (None, Some(percent)) if -percent < minimum => {
                return Err(
                    format!("percentage argument must be less or equal to {}", -minimum).into(),
                );
            }
            (None, Some(percent)) => i128::from(-percent),
            (None, None) => return Err("argument must be a memory or percent value".into()),
        },
    };
    if number < i128::from(minimum) || number > i128::from(maximum) {
        return Err(match form {
            NumberForm::Octal => {
                format!("argument must be between {minimum:o} and {maximum:o} inclusive")
            }
            _ => format!("argument must be between {minimum} and {maximum} inclusive"),
        }
        .into());
    }
    // Only rows whose maximum is above i64::MAX wrap here, and they are read back as u64.
    Ok(number as i64)
}

fn percent(text: &[u8]) -> Option<i64> {
    parse_integer(text.strip_suffix(b"%")?).filter(|&percent| percent >= 0)
}

fn parse_words(
    arguments: &[Vec<u8>],
    words: &[(&'static str, i64)],
    several: bool,
) -> Result<i64, Complaint> {
    let code_of = |argument: &Vec<u8>| {
        words
            .iter()
            .find(|(word, _)| word.as_bytes().eq_ignore_ascii_case(argument))
            .map(|(_, code)| *code)
    };
    let codes: Option<Vec<i64>> = arguments.iter().map(code_of).collect();
    match codes.as_deref() {
        Some([code]) => Ok(*code),
        Some([_, ..]) if several => Ok(codes.iter().flatten().fold(0, |all, code| all | code)),
        _ => {
            let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            Err(format!(
                "argument(s) must be one of the following: {}",
                list.join(", ")
            )
            .into())
        }
    }
}

fn parse_save(
    arguments: &[Vec<u8>],
    current: &Value,
    accumulate: bool,
) -> Result<Value, Complaint> {
    const INVALID: &str = "Invalid save parameters";
    if matches!(arguments, [only] if only.is_empty()) {
        return Ok(Value::Save(Vec::new()));
    }
    let mut points = match current {
        Value::Save(points) if accumulate => points.clone(),
        _ => Vec::new(),
    };
    if !arguments.len().is_multiple_of(2) {
        return Err(INVALID.into());
    }
    for pair in arguments.chunks_exact(2) {
        let seconds = number::lenient(&pair[0])
            .filter(|&seconds| seconds >= 1)
            .ok_or(INVALID)?;
        let changes = number::lenient(&pair[1])
            .filter(|&changes| changes >= 0)
            .ok_or(INVALID)?;
        points.push(SavePoint {
            seconds: seconds as u64,
            changes: changes as u64,
        });
    }
    Ok(Value::Save(points))
}

fn parse_output_buffer_limits(arguments: &[Vec<u8>], current: &Value) -> Result<Value, Complaint> {
    const INVALID: &str =
        "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    let Value::OutputBufferLimits(mut limits) = *current else {
        unreachable!("the value of a row is of its kind");
    };
    if !arguments.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    for limit in arguments.chunks_exact(4) {
        let class = CLASSES
            .iter()
            .position(|(shown, written)| {
                [shown, written]
                    .into_iter()
                    .any(|name| name.as_bytes().eq_ignore_ascii_case(&limit[0]))
            })
            .ok_or("Invalid client class specified in buffer limit configuration.")?;
        limits[class] = OutputBufferLimit {
            hard_bytes: parse_memory_size(&limit[1]).ok_or(INVALID)?,
            soft_bytes: parse_memory_size(&limit[2]).ok_or(INVALID)?,
            soft_seconds: number::lenient(&limit[3])
                .and_then(|seconds| seconds.try_into().ok())
                .ok_or(INVALID)?,
        };
    }
    Ok(Value::OutputBufferLimits(limits))
}

fn output_buffer_limit_lines(
    directive: &Directive,
    limits: &[OutputBufferLimit; 3],
    default: &Value,
) -> Vec<FileLine> {
    let defaults = match default {
        Value::OutputBufferLimits(defaults) => *defaults,
        _ => OUTPUT_BUFFER_LIMITS,
    };
    let lines = CLASSES
        .iter()
        .zip(limits)
        .zip(defaults)
        .map(|(((_, class), limit), default)| FileLine {
            text: line(
                directive,
                &[
                    class.as_bytes(),
                    number::format_memory(limit.hard_bytes).as_bytes(),
                    number::format_memory(limit.soft_bytes).as_bytes(),
                    limit.soft_seconds.to_string().as_bytes(),
                ],
            ),
            force: *limit != default,
        });
    lines.collect()
}

fn parse_oom_scores(arguments: &[Vec<u8>]) -> Result<Value, Complaint> {
    let [master, replica, child] = arguments else {
        return Err("wrong number of arguments".into());
    };
    let mut scores = [0; 3];
    for (score, text) in scores.iter_mut().zip([master, replica, child]) {
        *score = number::lenient(text)
            .filter(|score| (-2000..=2000).contains(score))
            .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?
            as i32;
    }
    Ok(Value::OomScores(scores))
}

fn parse_events(letters: &[u8]) -> Result<Value, Complaint> {
    let mut events = 0;
    for &letter in letters {
        events |= match letter {
            b'A' => all_events(),
            _ => EVENT_LETTERS
                .iter()
                .find(|(known, _)| *known == letter)
                .map(|(_, bit)| *bit)
                .ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?,
        };
    }
    Ok(Value::Number(events))
}

fn all_events() -> i64 {
    EVENT_LETTERS[..EVENTS_OF_A]
        .iter()
        .fold(0, |all, (_, bit)| all | bit)
}

fn parse_bind(arguments: &[Vec<u8>]) -> Result<Value, Complaint> {
    if arguments.len() > MOST_BIND_ADDRESSES {
        return Err("Too many bind addresses specified.".into());
    }
    let none = matches!(arguments, [only] if only.is_empty());
    Ok(Value::Addresses(if none {
        Vec::new()
    } else {
        arguments.to_vec()
    }))
}

fn parse_replica_of(arguments: &[Vec<u8>]) -> Result<Value, Complaint> {
    let [host, port] = arguments else {
        return Err("wrong number of arguments".into());
    };
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(Value::ReplicaOf(None));
    }
    let port = number::lenient(port)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or("Invalid master port")?;
    Ok(Value::ReplicaOf(Some((host.clone(), port))))
}

fn parse_percentiles(arguments: &[Vec<u8>]) -> Result<Value, Complaint> {
    if matches!(arguments, [only] if only.is_empty()) {
        return Ok(Value::Percentiles(Vec::new()));
    }
    let mut percentiles = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let percentile =
            parse_double(argument).ok_or("Invalid latency-tracking-info-percentiles parameters")?;
        if !(0.0..=100.0).contains(&percentile) {
            return Err(
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                    .into(),
            );
        }
        percentiles.push(percentile);
    }
    Ok(Value::Percentiles(percentiles))
}

fn show_number(number: i64, directive: &Directive) -> String {
    match directive.kind {
        Kind::YesNo { .. } => if number == 0 { "no" } else { "yes" }.to_string(),
        Kind::Enumeration { words, .. } => show_words(number, words),
        Kind::KeyspaceEvents => show_events(number),
        Kind::Number {
            form: NumberForm::Octal,
            ..
        } => format!("{number:o}"),
        Kind::Number {
            form: NumberForm::Memory,
            ..
        } => (number as u64).to_string(),
        Kind::Number {
            form: NumberForm::MemoryOrPercent,
            ..
        } if number < 0 => format!("{}%", -number),
        _ => number.to_string(),
    }
}

/// The word with exactly this code, or else the words whose bits it has.
fn show_words(code: i64, words: &[(&'static str, i64)]) -> String {
    if let Some((word, _)) = words.iter().find(|(_, known)| *known == code) {
        return (*word).to_string();
    }
    let parts = words
        .iter()
        .filter(|(_, bit)| *bit != 0 && code & bit == *bit);
    parts.map(|(word, _)| *word).collect::<Vec<_>>().join(" ")
}

/// As Redis shows them: with `A` it forgets the `n`, which is not part of `A`.
fn show_events(events: i64) -> String {
    let letters = event_letters(events);
    if letters.starts_with('A') {
        letters.replace('n', "")
    } else {
        letters
    }
}

fn event_letters(events: i64) -> String {
    let everything = events & all_events() == all_events();
    let (of_all, others) = EVENT_LETTERS.split_at(EVENTS_OF_A);
    let shown = if everything { &[] } else { of_all };
    let letters = shown
        .iter()
        .chain(others)
        .filter(|(_, bit)| events & bit != 0)
        .map(|(letter, _)| char::from(*letter));
    everything
        .then_some('A')
        .into_iter()
        .chain(letters)
        .collect()
}

fn line(directive: &Directive, words: &[&[u8]]) -> Vec<u8> {
    let mut line = directive.name.as_bytes().to_vec();
    for word in words {
        line.push(b' ');
        line.extend_from_slice(word);
    }
    line
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut word = Vec::new();
    quote_into(&mut word, text);
    word
}

fn join(parts: impl Iterator<Item = String>) -> Vec<u8> {
    parts.collect::<Vec<_>>().join(" ").into_bytes()
}
