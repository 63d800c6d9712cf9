//! What stands behind each kind of argument of the templates. The pools are small, so that calls
//! meet what earlier calls left; each holds values at the edges, and some that are refused.

use fastrand::Rng;

use crate::client::Words;

/// How many databases are written to.
pub const DATABASES: u8 = 4;

/// Keys in use a type. Few, so that calls meet what earlier calls left.
const KEYS_PER_TYPE: u8 = 4;

const TYPES: &[&str] = &["string", "list", "hash", "set", "zset"];

/// What words are replaced by when a call is spoilt.
pub const JUNK: &[&[u8]] = &[
    b"",
    b"junk",
    b"0",
    b"-1",
    b"1.5",
    b"9223372036854775808",
    b"9223372036854775807",
    b"z\x00\xff\r\n",
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
    // The only value with a NUL, and no other begins as it does: `SORT ... ALPHA` of redis-server sees
    // nothing behind a NUL, and must be able to tell all values apart (`crate::rules::NOT_ASKED`).
    b"z\x00\xff\r\n",
    b"\xff\xfe",
    b"\xe2\x82\xac",
    b"forty-four bytes are the longest embedded str",
    b"forty-four bytes, the longest embedded strin",
    b"sixty-four bytes are as long as a small element may be, not more",
    b"sixty-five bytes are more than a small element may have, so it is",
];

/// What strings are made longer by. No digits come first, so that no exponent grows beyond what a
/// double has: 7.0.15 leaves the trace of that in `errno`, where SORT finds it.
const TAILS: &[&[u8]] = &[
    b"",
    b"a",
    b"-1",
    b"+1",
    b" 1",
    b".5",
    b"hello",
    b"z\x00\xff\r\n",
    b"\xff\xfe",
    b"\xe2\x82\xac",
    b"forty-four bytes are the longest embedded str",
    b"forty-four bytes, the longest embedded strin",
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

/// Without the lowest number, which LPOS refuses since 7.2 and LREM since 8.0: a removal that only one
/// of the servers makes would be a difference for all that follows.
const RANKS: &[&[u8]] = &[
    b"1",
    b"1",
    b"2",
    b"3",
    b"5",
    b"-1",
    b"-2",
    b"-3",
    b"0",
    b"100",
    b"-100",
    b"9223372036854775807",
    b"-9223372036854775807",
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

const BIT_OFFSETS: &[&[u8]] = &[
    b"0",
    b"1",
    b"7",
    b"8",
    b"9",
    b"63",
    b"100",
    b"1000",
    b"4294967296",
    b"-1",
    b"9223372036854775807",
    b"x",
];

/// Offsets at which a string of 512 MB would grow are left out.
const FIELD_OFFSETS: &[&[u8]] = &[
    b"0",
    b"1",
    b"5",
    b"8",
    b"13",
    b"100",
    b"#0",
    b"#1",
    b"#3",
    b"#10",
    b"-1",
    b"#-1",
    b"#x",
    b"#",
    b"4294967296",
    b"x",
];

const FIELD_TYPES: &[&[u8]] = &[
    b"u1", b"u2", b"u5", b"u8", b"u16", b"u32", b"u63", b"i1", b"i5", b"i8", b"i16", b"i64",
    b"u64", b"i65", b"u0", b"i0", b"x8", b"u", b"8",
];

const LIMITS: &[&[u8]] = &[b"4", b"4", b"16", b"16", b"64", b"128", b"512", b"-1", b"x"];

const LIST_LIMITS: &[&[u8]] = &[b"-1", b"-2", b"-5", b"1", b"4", b"8", b"8", b"128", b"x"];

const CHANNELS: &[&[u8]] = &[b"news", b"news.art", b"other", b"", b"\x00\xff\r\n"];

const CHANNEL_PATTERNS: &[&[u8]] = &[
    b"*",
    b"news*",
    b"news.?rt",
    b"n[a-f]ws",
    b"other",
    b"",
    b"\\*",
];

const UNKNOWN: &[&[u8]] = &[
    b"NOSUCH",
    b"",
    b"get set",
    b"\xff\xfe",
    b"a\x00b",
    b"a\r\nb",
    b"nosuch|subcommand",
    b"a name of a command that is much longer than what fits into an error text, which shows a hundred and twenty-eight bytes and not more",
];

/// Digests of scripts: of one that `scripts` may have loaded, in two cases, and of none.
const DIGESTS: &[&[u8]] = &[
    b"3c44b7a40779a5c68a6e3920550ff76660a813aa",
    b"3C44B7A40779A5C68A6E3920550FF76660A813AA",
    b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db",
    b"0000000000000000000000000000000000000000",
    b"short",
];

/// One of a pool.
pub fn pick(rng: &mut Rng, pool: &[&[u8]]) -> Vec<u8> {
    pool[rng.usize(..pool.len())].to_vec()
}

/// Draws arguments.
#[derive(Debug)]
pub struct Pools {
    /// How many expiries were drawn.
    expiries: u64,
    /// How many keys the call that is being drawn has named behind a number of keys.
    numkeys: usize,
}

impl Pools {
    /// Pools from which nothing was drawn.
    pub fn new() -> Self {
        Self {
            expiries: 0,
            numkeys: 1,
        }
    }

    /// A time from now, in seconds or thousandths (`unit`). No two of them are nearer to each other
    /// than a run can be slow: whether GT and LT hold must not hang on the clock.
    fn relative_time(&mut self, rng: &mut Rng, unit: u64) -> Vec<u8> {
        if rng.u8(..) < 32 {
            return pick(rng, ODD_TIMES);
        }
        // The multiples of a number that is prime to the modulus come in no visible order, and none
        // comes twice before all have come.
        const SLOTS: u64 = 100_003;
        const STEP: u64 = 7_919;
        const SLOT_S: u64 = 50;
        const SHORTEST_S: u64 = 10_000;
        self.expiries += 1;
        let slot = self.expiries * STEP % SLOTS;
        ((SHORTEST_S + slot * SLOT_S) * unit)
            .to_string()
            .into_bytes()
    }

    /// Appends the words for a kind of argument.
    pub fn draw(&mut self, kind: &'static str, rng: &mut Rng, out: &mut Words) {
        let word = match kind {
            "numkeys-list" | "numkeys-set" | "numkeys-zset" => {
                self.numkeys = rng.usize(1..4);
                let said = if rng.u8(..) < 12 {
                    rng.i8(-1..6).to_string()
                } else {
                    self.numkeys.to_string()
                };
                out.push(said.into_bytes());
                let of_type = &kind["numkeys-".len()..];
                out.extend((0..self.numkeys).map(|_| {
                    // Sets count as sorted sets where those are combined.
                    let is_set = of_type == "zset" && rng.u8(..) < 40;
                    typed_key(if is_set { "set" } else { of_type }, rng)
                }));
                return;
            }
            "weights" => {
                out.extend((0..self.numkeys).map(|_| pick(rng, DOUBLES)));
                return;
            }
            "seconds" => self.relative_time(rng, 1),
            "milliseconds" => self.relative_time(rng, 1000),
            other => one_word(other, rng),
        };
        out.push(word);
    }
}

fn one_word(kind: &'static str, rng: &mut Rng) -> Vec<u8> {
    if let Some(&(_, pool)) = NAMED_POOLS.iter().find(|&&(name, _)| name == kind) {
        return pick(rng, pool);
    }
    match kind {
        "key" | "string" | "list" | "hash" | "set" | "zset" | "lex" | "queue" | "text" => {
            typed_key(kind, rng)
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
        "score" => match rng.u8(..4) {
            0 => rng.i16(..).to_string().into_bytes(),
            _ => pick(rng, SCORES),
        },
        "database" => match rng.u8(..20) {
            0 => pick(rng, &[b"-1", b"16", b"x", b"9223372036854775807"]),
            _ => rng.u8(..DATABASES).to_string().into_bytes(),
        },
        other => unreachable!("{other} is no kind of argument"),
    }
}

/// The kinds that are one word of a pool.
const NAMED_POOLS: &[(&str, &[&[u8]])] = &[
    (
        "bit",
        &[b"0", b"1", b"0", b"1", b"0", b"1", b"2", b"-1", b"x"],
    ),
    ("bit-offset", BIT_OFFSETS),
    ("bound", BOUNDS),
    ("channel", CHANNELS),
    ("channel-pattern", CHANNEL_PATTERNS),
    ("count", COUNTS),
    ("cursor", &[b"0", b"0", b"0", b"0", b"x", b"1.5"]),
    ("digest", DIGESTS),
    ("double", DOUBLES),
    ("draw-count", DRAW_COUNTS),
    ("field-offset", FIELD_OFFSETS),
    ("field-type", FIELD_TYPES),
    ("index", INDEXES),
    ("integer", INTEGERS),
    ("junk", JUNK),
    (
        "large",
        &[b"10000", b"10000", b"1000", b"1", b"0", b"-1", b"x"],
    ),
    ("lex-bound", LEX_BOUNDS),
    ("limit", LIMITS),
    ("list-limit", LIST_LIMITS),
    (
        "name",
        &[b"tester", b"", b"with space", b"a\nb", b"caf\xc3\xa9"],
    ),
    ("offset", OFFSETS),
    ("pattern", PATTERNS),
    ("rank", RANKS),
    ("removals", RANKS),
    ("sort-by", SORT_BY),
    ("sort-pattern", SORT_PATTERNS),
    ("tail", TAILS),
    ("timeout", TIMEOUTS),
    (
        "type",
        &[
            b"string", b"list", b"hash", b"set", b"zset", b"none", b"SET", b"nosuch",
        ],
    ),
    ("unix-milliseconds", UNIX_MILLISECONDS),
    ("unix-seconds", UNIX_SECONDS),
    ("unknown", UNKNOWN),
    ("whole", &[b"10000", b"100000", b"0", b"-1", b"x", b"1.5"]),
];

/// A key that mostly holds what the kind says.
pub fn typed_key(kind: &str, rng: &mut Rng) -> Vec<u8> {
    // What ranges by name answer is defined for equal scores only: these keys are kept apart, so
    // that no other command brings other scores into them (`crate::rules::NOT_ASKED`).
    if kind == "lex" && rng.u8(..) < 12 {
        return b"text:0".to_vec();
    }
    if matches!(kind, "lex" | "queue" | "text") {
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
