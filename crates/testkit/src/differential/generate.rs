//! Draws steps for the fuzzer: what stands behind each kind of argument, how calls are mangled, and
//! which calls belong together (a transaction; a draw by chance and the read that it is checked by).

use std::collections::HashSet;

use fastrand::Rng;

use super::commands::{Family, Form, ROWS, Row};
use super::grammar::{self, Node};
use crate::client::Words;

/// Commands that belong together: a sequence is shrunk by whole steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The commands, sent in this order.
    pub commands: Vec<Words>,
    /// What they are to each other.
    pub kind: StepKind,
}

/// What the commands of a step are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Nothing, or a transaction.
    Plain,
    /// The first reads a whole collection, the second draws from it by chance.
    Draw,
    /// The first gives a key a few milliseconds to live; the others look when those are over.
    Expiry,
}

/// How long an [`StepKind::Expiry`] step's keys live, and how long is waited for their end.
pub const SHORT_TTL_MS: u64 = 3;
/// See [`SHORT_TTL_MS`].
pub const SHORT_TTL_WAIT_MS: u64 = 8;

/// Draws steps from a seed: the same seed gives the same steps.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    rows: Vec<(&'static Row, Node)>,
    total_weight: u32,
}

impl Generator {
    /// A generator of calls from the given families; of all when none is given.
    pub fn new(seed: u64, families: &[Family]) -> Self {
        let wanted = |row: &&Row| families.is_empty() || families.contains(&row.family);
        let rows: Vec<_> = ROWS
            .iter()
            .filter(wanted)
            .map(|row| (row, grammar::parse(row.template)))
            .collect();
        let total_weight = rows.iter().map(|(row, _)| row.weight).sum();
        Self {
            rng: Rng::with_seed(seed),
            rows,
            total_weight,
        }
    }

    /// Leaves a command (in capitals) out from now on.
    pub fn exclude(&mut self, command: &str) {
        self.rows
            .retain(|(row, _)| row.template.split(' ').next() != Some(command));
        self.total_weight = self.rows.iter().map(|(row, _)| row.weight).sum();
    }

    /// Whether nothing is left to draw from.
    pub fn is_exhausted(&self) -> bool {
        self.rows.is_empty()
    }

    /// The next step.
    pub fn step(&mut self) -> Step {
        match self.rng.u16(..1000) {
            0..25 => self.transaction(),
            25..28 => self.expiry(),
            _ => self.single(),
        }
    }

    fn single(&mut self) -> Step {
        let row = self.pick();
        let words = self.call(row);
        match self.rows[row].0.form {
            Form::Draw { read, removes } => draw_step(words, read, removes),
            Form::Plain | Form::Careful => Step {
                commands: vec![words],
                kind: StepKind::Plain,
            },
        }
    }

    fn transaction(&mut self) -> Step {
        let mut commands = Vec::new();
        if self.rng.u8(..) < 60 {
            commands.push(vec![
                b"WATCH".to_vec(),
                self.key("string"),
                self.key("list"),
            ]);
        }
        if self.rng.u8(..) < 40 {
            commands.push(self.plain_call());
        }
        commands.push(vec![b"MULTI".to_vec()]);
        for _ in 0..self.rng.usize(0..6) {
            commands.push(self.plain_call());
        }
        if self.rng.u8(..) < 10 {
            commands.push(vec![b"MULTI".to_vec()]);
        }
        let last: &[u8] = if self.rng.u8(..) < 30 {
            b"DISCARD"
        } else {
            b"EXEC"
        };
        commands.push(vec![last.to_vec()]);
        Step {
            commands,
            kind: StepKind::Plain,
        }
    }

    /// A call that leaves nothing to chance and does not end the transaction around it.
    fn plain_call(&mut self) -> Words {
        for _ in 0..100 {
            let row = self.pick();
            let Row { form, family, .. } = *self.rows[row].0;
            let in_place = !matches!(family, Family::Transaction | Family::Connection);
            if in_place && !matches!(form, Form::Draw { .. }) {
                return self.call(row);
            }
        }
        vec![b"PING".to_vec()]
    }

    fn expiry(&mut self) -> Step {
        let key = self.key("key");
        let ttl = SHORT_TTL_MS.to_string().into_bytes();
        let words = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect::<Words>();
        let first = match self.rng.u8(..2) {
            0 => words(&[b"PEXPIRE", &key, &ttl]),
            _ => words(&[b"SET", &key, b"short", b"PX", &ttl]),
        };
        let commands = vec![
            first,
            words(&[b"EXISTS", &key]),
            words(&[b"TYPE", &key]),
            words(&[b"PTTL", &key]),
        ];
        Step {
            commands,
            kind: StepKind::Expiry,
        }
    }

    fn pick(&mut self) -> usize {
        let mut left = self.rng.u32(..self.total_weight);
        for (index, (row, _)) in self.rows.iter().enumerate() {
            if left < row.weight {
                return index;
            }
            left -= row.weight;
        }
        unreachable!("the draw is below the sum of the weights")
    }

    fn call(&mut self, row: usize) -> Words {
        let (row, node) = &self.rows[row];
        let mut words = Vec::new();
        let mut numkeys = 1;
        grammar::draw(node, &mut self.rng, &mut words, &mut |kind, rng, out| {
            argument(kind, rng, &mut numkeys, out);
        });
        if matches!(words[0].as_slice(), b"HSET" | b"HMSET") {
            drop_double_fields(&mut words);
        }
        if row.form == Form::Plain {
            mangle(&mut words, &mut self.rng);
        }
        words
    }

    fn key(&mut self, kind: &'static str) -> Vec<u8> {
        let mut out = Vec::new();
        argument(kind, &mut self.rng, &mut 1, &mut out);
        out.remove(0)
    }
}

fn draw_step(words: Words, read: &'static str, removes: bool) -> Step {
    let read = match (read, words.get(1)) {
        ("KEYS", _) => vec![b"KEYS".to_vec(), b"*".to_vec()],
        ("ZRANGE", Some(key)) => {
            vec![
                b"ZRANGE".to_vec(),
                key.clone(),
                b"0".to_vec(),
                b"-1".to_vec(),
                b"WITHSCORES".to_vec(),
            ]
        }
        (read, Some(key)) => vec![read.as_bytes().to_vec(), key.clone()],
        (_, None) => unreachable!("every drawing call but RANDOMKEY has a key"),
    };
    let delete = removes.then(|| vec![b"DEL".to_vec(), words[1].clone()]);
    Step {
        commands: [read, words].into_iter().chain(delete).collect(),
        kind: StepKind::Draw,
    }
}

/// Since 7.2 a hash becomes big when one call names too many fields, though it be the same field
/// again and again; 7.0.15 counts what came of it. Long calls name each field once.
fn drop_double_fields(words: &mut Words) {
    const FEW_WORDS: usize = 32;
    if words.len() > FEW_WORDS {
        let mut seen = HashSet::new();
        let pairs: Vec<Vec<u8>> = words.split_off(2);
        let fresh = pairs.chunks(2).filter(|pair| seen.insert(pair[0].clone()));
        words.extend(fresh.flatten().cloned());
    }
}

/// Now and then a call is spoilt: a word dropped, doubled, replaced or in another case.
fn mangle(words: &mut Words, rng: &mut Rng) {
    match rng.u16(..1000) {
        0..12 if words.len() > 1 => {
            let at = rng.usize(1..words.len());
            words.remove(at);
        }
        12..22 if words.len() > 1 => {
            let at = rng.usize(1..words.len());
            words.insert(at, words[at].clone());
        }
        22..40 if words.len() > 1 => {
            let at = rng.usize(1..words.len());
            words[at] = pick(rng, JUNK);
        }
        40..50 => words.push(pick(rng, JUNK)),
        50..120 => words[0].make_ascii_lowercase(),
        120..150 => words
            .iter_mut()
            .filter(|word| word.is_ascii())
            .for_each(|word| {
                // Keys are in small letters: only keywords change.
                if word.iter().all(u8::is_ascii_uppercase) {
                    word.make_ascii_lowercase();
                }
            }),
        _ => {}
    }
}

const DATABASES: u8 = 4;

/// Keys in use a type. Few, so that calls meet what earlier calls left.
const KEYS_PER_TYPE: u8 = 4;

const TYPES: &[&str] = &["string", "list", "hash", "set", "zset"];

const JUNK: &[&[u8]] = &[
    b"",
    b"junk",
    b"0",
    b"-1",
    b"1.5",
    b"9223372036854775808",
    b"9223372036854775807",
    b"\x00\xff\r\n",
    b"NX",
    b"GET",
    b"WITHSCORES",
    b"LIMIT",
    b"nan",
    b"(",
    b"[",
    b"1 ",
    b" 1",
    b"+1",
    b"01",
];

const VALUES: &[&[u8]] = &[
    b"",
    b"a",
    b"b",
    b"c",
    b"0",
    b"1",
    b"2",
    b"3",
    b"10",
    b"-1",
    b"-5",
    b"100",
    b"65536",
    b"-32769",
    b"3.5",
    b"-0.25",
    b"1e3",
    b"inf",
    b"nan",
    b" 1",
    b"1 ",
    b"+1",
    b"007",
    b"-0",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"4294967296",
    b"hello",
    b"Hello World",
    b"\x00\xff\r\n",
    b"\xe2\x82\xac",
    b"forty-four bytes are the longest embedded str",
    b"forty-four bytes, the longest embedded strin",
    b"sixty-four bytes are as long as a small element may be, not more",
    b"sixty-five bytes are more than a small element may have, so it is",
];

const INTEGERS: &[&[u8]] = &[
    b"0",
    b"1",
    b"2",
    b"-1",
    b"-2",
    b"5",
    b"10",
    b"-10",
    b"100",
    b"1000",
    b"65536",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775806",
    b"-9223372036854775807",
    b"4611686018427387904",
    b"abc",
    b"1.0",
    b"",
];

const INDEXES: &[&[u8]] = &[
    b"0",
    b"0",
    b"1",
    b"2",
    b"3",
    b"5",
    b"10",
    b"100",
    b"-1",
    b"-1",
    b"-2",
    b"-3",
    b"-10",
    b"-100",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"x",
];

const COUNTS: &[&[u8]] = &[
    b"0",
    b"1",
    b"2",
    b"3",
    b"5",
    b"10",
    b"100",
    b"-1",
    b"9223372036854775807",
    b"x",
];

/// Not the far negative ones: SRANDMEMBER would answer that many.
const DRAW_COUNTS: &[&[u8]] = &[
    b"0",
    b"1",
    b"2",
    b"3",
    b"5",
    b"50",
    b"1000",
    b"-1",
    b"-3",
    b"-20",
    b"x",
    b"9223372036854775807",
];

const OFFSETS: &[&[u8]] = &[
    b"0",
    b"1",
    b"3",
    b"10",
    b"50",
    b"200",
    b"-1",
    b"536870912",
    b"9223372036854775807",
    b"x",
];

const DOUBLES: &[&[u8]] = &[
    b"0",
    b"1",
    b"-1",
    b"0.1",
    b"-0.1",
    b"1.5",
    b"3.0e3",
    b"1e20",
    b"-2.5e-3",
    b"200",
    b"inf",
    b"-inf",
    b"nan",
    b"x",
    b"",
    b"0.000000000000001",
    b"123456789.123456789",
];

const SCORES: &[&[u8]] = &[
    b"0",
    b"1",
    b"1",
    b"2",
    b"3",
    b"5",
    b"10",
    b"-1",
    b"-5",
    b"0.1",
    b"0.2",
    b"1.5",
    b"3.14159265358979",
    b"1e10",
    b"1e-5",
    b"1e300",
    b"-1e300",
    b"inf",
    b"-inf",
    b"+inf",
    b"-0",
    b"9007199254740993",
    b"123456789012345678",
    b"nan",
    b"x",
    b"0x10",
];

const BOUNDS: &[&[u8]] = &[
    b"-inf", b"+inf", b"inf", b"0", b"1", b"2", b"5", b"10", b"-1", b"(0", b"(1", b"(5", b"(-inf",
    b"(inf", b"0.1", b"1.5", b"(0.2", b"nan", b"x", b"(", b"",
];

const LEX_BOUNDS: &[&[u8]] = &[
    b"-", b"+", b"-", b"+", b"[a", b"[b", b"(a", b"(b", b"[m", b"(m3", b"[", b"(", b"[hello", b"a",
    b"", b"[\xff",
];

const UNIX_SECONDS: &[&[u8]] = &[
    b"4102444800",
    b"4202444800",
    b"32503680000",
    b"1",
    b"1000000000",
    b"0",
    b"-1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775",
    b"x",
];

const UNIX_MILLISECONDS: &[&[u8]] = &[
    b"4102444800000",
    b"4202444800123",
    b"32503680000000",
    b"1",
    b"1000000000000",
    b"0",
    b"-1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"x",
];

const ODD_TIMES: &[&[u8]] = &[
    b"0",
    b"-1",
    b"-100",
    b"9223372036854775807",
    b"9223372036854775",
    b"-9223372036854775808",
    b"x",
    b"1.5",
];

/// Never zero (which waits for ever), never long.
const TIMEOUTS: &[&[u8]] = &[b"0.001", b"0.001", b"0.002", b"-1", b"x", b"-0.5"];

const PATTERNS: &[&[u8]] = &[
    b"*",
    b"*",
    b"?",
    b"m*",
    b"*1*",
    b"[a-c]",
    b"[^a]*",
    b"string:*",
    b"*:[0-2]",
    b"\\*",
    b"h?llo",
    b"",
    b"*\xff*",
    b"[",
    b"[a",
];

const SORT_PATTERNS: &[&[u8]] = &[
    b"#",
    b"string:*",
    b"hash:*->f1",
    b"hash:*->",
    b"none",
    b"*",
    b"hash:*->*",
];

/// Not an absent pattern over a set: without sorting, its order is the hash table's.
const SORT_BY: &[&[u8]] = &[b"string:*", b"hash:*->f1", b"weight:*"];

fn pick(rng: &mut Rng, pool: &[&[u8]]) -> Vec<u8> {
    pool[rng.usize(..pool.len())].to_vec()
}

fn typed_key(kind: &str, rng: &mut Rng) -> Vec<u8> {
    // What ranges by name answer is defined for equal scores only: these keys are kept apart, so
    // that no other command brings other scores into them.
    if kind == "lex" {
        let kind = if rng.u8(..) < 12 { "list" } else { kind };
        return format!("{kind}:{}", rng.u8(..KEYS_PER_TYPE)).into_bytes();
    }
    match rng.u8(..100) {
        0 => b"".to_vec(),
        1 => b"\x00key\r\n\xff".to_vec(),
        2 => b"absent".to_vec(),
        number => {
            let any = kind == "key" || number < 7;
            let kind = if any {
                TYPES[rng.usize(..TYPES.len())]
            } else {
                kind
            };
            format!("{kind}:{}", rng.u8(..KEYS_PER_TYPE)).into_bytes()
        }
    }
}

/// Members come from a short list or are numbered, so that sets can grow past their limits.
fn member(rng: &mut Rng) -> Vec<u8> {
    match rng.u8(..10) {
        0..3 => pick(rng, VALUES),
        3..6 => format!("m{}", rng.u16(..600)).into_bytes(),
        6..9 => rng.i16(-20..300).to_string().into_bytes(),
        _ => rng.i64(..).to_string().into_bytes(),
    }
}

fn relative_time(rng: &mut Rng, unit: u64) -> Vec<u8> {
    match rng.u8(..8) {
        0 => pick(rng, ODD_TIMES),
        // Seldom the same twice: whether GT and LT hold must not hang on the clock.
        _ => (rng.u64(1_000..1_000_000) * unit).to_string().into_bytes(),
    }
}

fn argument(kind: &'static str, rng: &mut Rng, numkeys: &mut usize, out: &mut Words) {
    let word = match kind {
        "key" | "string" | "list" | "hash" | "set" | "zset" | "lex" => typed_key(kind, rng),
        "numkeys-list" | "numkeys-set" | "numkeys-zset" => {
            *numkeys = rng.usize(1..4);
            let said = if rng.u8(..) < 12 {
                rng.i8(-1..6).to_string()
            } else {
                numkeys.to_string()
            };
            out.push(said.into_bytes());
            let of_type = &kind["numkeys-".len()..];
            out.extend((0..*numkeys).map(|_| typed_key(of_type, rng)));
            return;
        }
        "weights" => {
            out.extend((0..*numkeys).map(|_| pick(rng, DOUBLES)));
            return;
        }
        "value" => match rng.u8(..20) {
            0 => vec![b'x'; rng.usize(66..400)],
            1..3 => rng.i64(-1000..100_000).to_string().into_bytes(),
            _ => pick(rng, VALUES),
        },
        "member" => member(rng),
        "field" => match rng.u8(..3) {
            0 => member(rng),
            _ => format!("f{}", rng.u8(..6)).into_bytes(),
        },
        "integer" => pick(rng, INTEGERS),
        "index" => pick(rng, INDEXES),
        "count" => pick(rng, COUNTS),
        "draw-count" => pick(rng, DRAW_COUNTS),
        "offset" => pick(rng, OFFSETS),
        "double" => pick(rng, DOUBLES),
        "score" => match rng.u8(..4) {
            0 => rng.i16(..).to_string().into_bytes(),
            _ => pick(rng, SCORES),
        },
        "bound" => pick(rng, BOUNDS),
        "lex-bound" => pick(rng, LEX_BOUNDS),
        "seconds" => relative_time(rng, 1),
        "milliseconds" => relative_time(rng, 1000),
        "unix-seconds" => pick(rng, UNIX_SECONDS),
        "unix-milliseconds" => pick(rng, UNIX_MILLISECONDS),
        "timeout" => pick(rng, TIMEOUTS),
        "pattern" => pick(rng, PATTERNS),
        "sort-pattern" => pick(rng, SORT_PATTERNS),
        "sort-by" => pick(rng, SORT_BY),
        "cursor" => pick(rng, &[b"0", b"0", b"0", b"0", b"x", b"-1"]),
        "large" => pick(rng, &[b"10000", b"10000", b"1000", b"1", b"0", b"-1", b"x"]),
        "type" => pick(
            rng,
            &[
                b"string", b"list", b"hash", b"set", b"zset", b"none", b"SET",
            ],
        ),
        "database" => match rng.u8(..20) {
            0 => pick(rng, &[b"-1", b"16", b"x", b"9223372036854775807"]),
            _ => rng.u8(..DATABASES).to_string().into_bytes(),
        },
        "name" => pick(
            rng,
            &[b"tester", b"", b"with space", b"a\nb", b"caf\xc3\xa9"],
        ),
        "junk" => pick(rng, JUNK),
        other => unreachable!("{other} is no kind of argument"),
    };
    out.push(word);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_drawn_and_the_seed_decides() {
        let mut one = Generator::new(5, &[]);
        let mut other = Generator::new(5, &[]);
        let mut names = HashSet::new();
        for _ in 0..50_000 {
            let step = one.step();
            assert_eq!(step, other.step());
            names.extend(
                step.commands
                    .iter()
                    .map(|words| words[0].to_ascii_uppercase()),
            );
        }
        for row in ROWS {
            let name = row.template.split(' ').next().unwrap_or_default();
            assert!(names.contains(name.as_bytes()), "{name} never came");
        }
    }

    #[test]
    fn an_excluded_command_does_not_come() {
        let mut generator = Generator::new(5, &[Family::Hash]);
        generator.exclude("HSET");
        let steps = (0..5_000).map(|_| generator.step());
        assert!(
            steps
                .flat_map(|step| step.commands)
                .all(|words| !words[0].eq_ignore_ascii_case(b"HSET"))
        );
    }
}
