//! What stands behind each kind of argument of the templates. The pools are small, so that calls
//! meet what earlier calls left; each holds values at the edges, and some that are refused.

use fastrand::Rng;

use crate::client::Words;

/// How many databases are written to.
pub const DATABASES: u8 = 4;

/// Keys in use a type. Few, so that calls meet what earlier calls left.
const KEYS_PER_TYPE: u8 = 4;

const TYPES: &[&str] = &["string", "list", "hash", "set", "zset", "stream", "hll"];

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

/// Not a time between, after which entries would be idle at one server and not yet at the other.
const IDLE_TIMES: &[&[u8]] = &[b"0", b"0", b"0", b"1000000000", b"-1", b"x"];

/// From the middle of the steps in which times are compared (`crate::streams`).
const CLAIMED_IDLE_TIMES: &[&[u8]] = &[b"5000", b"105000", b"x"];

const POSITIONS: &[&[&[u8]]] = &[
    &[b"0", b"0"],
    &[b"180", b"85.05112878"],
    &[b"-180", b"-85.05112878"],
    &[b"180.0001", b"0"],
    &[b"0", b"86"],
    &[b"x", b"1"],
    &[b"nan", b"1"],
    &[b"1", b"inf"],
];

const RADII: &[&[u8]] = &[
    b"0", b"1", b"100", b"500.5", b"1000", b"100000", b"5000000", b"1e7", b"-1", b"x", b"nan",
];

/// What redis-server 7.0.15 answers to DUMP: a number, a text, a list, a hash, two sets, a sorted set, a HyperLogLog,
/// and a stream with a group; and one of these spoilt.
const PAYLOADS: &[&[u8]] = &[
    b"\x00\xc190\x0a\x00\x9d\x94\xea'\x93\xfc\x08\xb9",
    b"\x00\x05hello\x0a\x00cr\xdfve4 \x0a",
    b"\x12\x01\x02\x0f\x0f\x00\x00\x00\x03\x00\x81a\x02\x81b\x02\x03\x01\xff\x0a\x00\xdc\xa1\xe6}P\x05PH",
    b"\x10\x14\x14\x00\x00\x00\x04\x00\x82f1\x03\x81a\x02\x82f2\x03\x02\x01\xff\x0a\x00\xc6\x18\xce[*\x03e\x08",
    b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00\x03\x00\x0a\x00\xa5\x02\x5c\xe2mnM\x1b",
    b"\x02\x03\x01c\x01a\x01b\x0a\x00\xd5\x1b\xc2\xf0\x96\x8ei\xc3",
    b"\x11\x14\x14\x00\x00\x00\x04\x00\x81a\x02\x01\x01\x81b\x02\x832.5\x04\xff\x0a\x00\xd4Ln\xa4\xf6D\xd9\xd7",
    b"\x00\x1bHYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80`\xf3\x80P\xb1\x84K\xfb\x80BZ\x0a\x00\x9fY\x0c\x06\xb6IpI",
    b"\x13\x01\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01((\x00\x00\x00\x0f\x00\x02\x01\x00\x01\x01\x01\x81a\x02\x00\x01\x02\x01\x00\x01\x00\x01\x81b\x02\x04\x01\x02\x01\x01\x01\x00\x01\x81c\x02\x04\x01\xff\x02\x02\x01\x01\x01\x00\x00\x02\x01\x02g1\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\xf4\x11\x04\xff\xa1\x01\x00\x00\x01\x01\x05alice\xf4\x11\x04\xff\xa1\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x0a\x00\x95!\xb2<r\x83\xb0\xfc",
    b"\x00\x05jello\x0a\x00cr\xdfve4 \x0a",
];

/// Not `default`, whose rules hold for the fuzzer's own connections.
pub const USERS: &[&[u8]] = &[b"alice", b"alice", b"bob", b"carol"];

/// Rules of users, good and odd. Selectors are words of several, or begin in one word and end in another.
const ACL_RULES: &[&[u8]] = &[
    b"on",
    b"on",
    b"off",
    b"nopass",
    b"resetpass",
    b">secret",
    b">secret",
    b">other",
    b"<other",
    b"#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
    b"!2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
    b"#2bb8",
    b"!x",
    b"reset",
    b"resetkeys",
    b"resetchannels",
    b"allkeys",
    b"allchannels",
    b"allcommands",
    b"nocommands",
    b"+@all",
    b"-@all",
    b"+@read",
    b"+@read",
    b"+@write",
    b"-@write",
    b"+@string",
    b"-@string",
    b"+@hash",
    b"-@dangerous",
    b"+@ALL",
    b"+@nosuch",
    b"-@",
    b"+get",
    b"-get",
    b"+GET",
    b"+set",
    b"+del",
    b"-lrange",
    b"+config|get",
    b"-config|set",
    b"+config",
    b"-config",
    b"+object|encoding",
    b"+xinfo",
    b"-xinfo|stream",
    b"+select|0",
    b"+select|1",
    b"-select|0",
    b"+get|x",
    b"+config|get|x",
    b"+config|nosuch",
    b"+nosuch",
    b"-nosuch",
    b"+",
    b"-",
    b"~*",
    b"~string:*",
    b"~string:*",
    b"~list:*",
    b"~hash:1",
    b"%R~*",
    b"%R~list:*",
    b"%W~hash:*",
    b"%RW~set:*",
    b"%rw~zset:*",
    b"%X~a",
    b"%~a",
    b"%R",
    b"%",
    b"~",
    b"~a b",
    b"~x\xff",
    b"&*",
    b"&news*",
    b"&other",
    b"&",
    b"(~zset:* +@sortedset)",
    b"(%R~string:* +get +set)",
    b"(+@all ~hash:*)",
    b"(&news +publish)",
    b"(~zset:*",
    b"+@sortedset)",
    b"()",
    b"(",
    b")",
    b"(on)",
    b"(+@all) x",
    b"(~a",
    b"clearselectors",
    b"sanitize-payload",
    b"skip-sanitize-payload",
    b"junk",
    b"",
];

/// Each has one function at most: the order of several is the hash table's.
const LIBRARIES: &[&[u8]] = &[
    b"#!lua name=one\nredis.register_function('pass', function(keys, args) return redis.call(unpack(args)) end)",
    b"#!lua name=one\nredis.register_function('pass', function(keys, args) return {keys, args} end)",
    b"#!lua name=two\nredis.register_function{function_name='read', flags={'no-writes'}, description='reads', callback=function(keys, args) return redis.pcall(unpack(args)) end}",
    b"#!lua name=three\nredis.register_function('PASS', function() return 3 end)",
    b"#!lua name=four\nredis.register_function('count', function(keys) n = (n or 0) + 1 return n end)",
    b"#!lua name=five\nlocal n = 0 redis.register_function('count', function(keys) n = n + 1 return n end)",
    b"#!lua name=two\nbad (",
    b"#!lua name=two\nreturn 1",
    b"#!lua name=a-b\nreturn 1",
    b"#!lua\nreturn 1",
    b"return 1",
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
    /// How many IDs of streams were drawn that are greater than those before.
    stream_ids: u64,
}

impl Pools {
    /// Pools from which nothing was drawn.
    pub fn new() -> Self {
        Self {
            expiries: 0,
            numkeys: 1,
            stream_ids: 0,
        }
    }

    /// An ID for XADD, greater than all that were drawn before.
    pub fn new_stream_id(&mut self, rng: &mut Rng) -> Vec<u8> {
        self.stream_ids += rng.u64(0..2);
        let (ms, sequence) = (self.stream_ids / 3 + 1, self.stream_ids % 3);
        match rng.u8(..) {
            0..40 => format!("{ms}-*"),
            40..50 => ms.to_string(),
            _ => format!("{ms}-{sequence}"),
        }
        .into_bytes()
    }

    /// An ID that may be one of a stream.
    fn stream_id(&self, rng: &mut Rng) -> Vec<u8> {
        let back = rng.u64(0..100).min(rng.u64(0..100));
        let near = self.stream_ids.saturating_sub(back);
        let (ms, sequence) = (near / 3 + 1, near % 3);
        match rng.u8(..) {
            0..10 => pick(rng, &[b"0", b"0-1", b"x", b"1-x", b"", b"-1", b"1-*"]),
            10..50 => b"0".to_vec(),
            50..80 => ms.to_string().into_bytes(),
            _ => format!("{ms}-{sequence}").into_bytes(),
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
            "position" => {
                out.extend(position(rng));
                return;
            }
            "new-id" => self.new_stream_id(rng),
            "far-id" => {
                // Beyond all IDs that may have been deleted: since 7.2 nearer ones are refused.
                self.stream_ids += 9;
                self.new_stream_id(rng)
            }
            "stream-id" => self.stream_id(rng),
            "range-id" => match rng.u8(..) {
                0..80 => b"-".to_vec(),
                80..160 => b"+".to_vec(),
                160..190 => [b"(", self.stream_id(rng).as_slice()].concat(),
                _ => self.stream_id(rng),
            },
            "threshold" => match rng.bool() {
                true => rng.u8(..30).to_string().into_bytes(),
                false => self.stream_id(rng),
            },
            "seconds" => self.relative_time(rng, 1),
            "milliseconds" => self.relative_time(rng, 1000),
            other => one_word(other, rng),
        };
        out.push(word);
    }
}

/// A longitude and a latitude. No two members are equally far from anywhere: in which order they would come is
/// nobody's promise.
fn position(rng: &mut Rng) -> Words {
    let mut near = |middle: f64, span: f64| {
        let value = middle + (rng.f64() - 0.5) * span;
        format!("{value:.6}").into_bytes()
    };
    let near_palermo = [near(13.36, 3.0), near(38.11, 3.0)];
    let anywhere = [near(0.0, 360.0), near(0.0, 170.0)];
    match rng.u8(..) {
        0..8 => {
            let position = POSITIONS[rng.usize(..POSITIONS.len())];
            position.iter().map(|word| word.to_vec()).collect()
        }
        8..180 => near_palermo.into(),
        _ => anywhere.into(),
    }
}

fn one_word(kind: &'static str, rng: &mut Rng) -> Vec<u8> {
    if let Some(&(_, pool)) = NAMED_POOLS.iter().find(|&&(name, _)| name == kind) {
        return pick(rng, pool);
    }
    match kind {
        "key" | "string" | "list" | "hash" | "set" | "zset" | "lex" | "queue" | "text"
        | "stream" | "geo" | "hll" => typed_key(kind, rng),
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
        "acl-bits",
        &[b"5", b"256", b"1", b"4096", b"4097", b"0", b"-1", b"x"],
    ),
    (
        "acl-category",
        &[
            b"read",
            b"string",
            b"pubsub",
            b"admin",
            b"dangerous",
            b"ALL",
            b"nosuch",
            b"",
        ],
    ),
    ("acl-rule", ACL_RULES),
    (
        "bit",
        &[b"0", b"1", b"0", b"1", b"0", b"1", b"2", b"-1", b"x"],
    ),
    ("bit-offset", BIT_OFFSETS),
    ("bound", BOUNDS),
    ("channel", CHANNELS),
    ("channel-pattern", CHANNEL_PATTERNS),
    ("count", COUNTS),
    ("claim-time", &[b"0", b"4102444800000", b"x"]),
    ("consumer", &[b"alice", b"bob", b"carol", b""]),
    ("frequency", &[b"0", b"5", b"255", b"256", b"-1", b"x"]),
    (
        "function",
        &[b"pass", b"Pass", b"read", b"count", b"nosuch", b""],
    ),
    ("group", &[b"workers", b"workers", b"others", b""]),
    ("idle", CLAIMED_IDLE_TIMES),
    ("library", LIBRARIES),
    (
        "library-name",
        &[
            b"one", b"two", b"three", b"four", b"five", b"ONE", b"nosuch", b"",
        ],
    ),
    ("min-idle", IDLE_TIMES),
    ("payload", PAYLOADS),
    ("radius", RADII),
    ("seconds-idle", &[b"0", b"100", b"-1", b"x"]),
    ("unit", &[b"m", b"km", b"ft", b"mi", b"KM", b"x"]),
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
            b"string", b"list", b"hash", b"set", b"zset", b"stream", b"none", b"SET", b"nosuch",
        ],
    ),
    ("unix-milliseconds", UNIX_MILLISECONDS),
    ("unix-seconds", UNIX_SECONDS),
    ("user", USERS),
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
    // Sorted sets of places have no scores that are not places.
    if matches!(kind, "lex" | "queue" | "text" | "geo") {
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
