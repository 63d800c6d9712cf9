//! Commands made from bytes: few keys, few members, so that commands meet each other's work, and
//! numbers near the limits. Nearly every sequence of bytes makes sound commands; some of them name
//! a key of the wrong type, and that must be refused.

use oxidis_engine::random::Random;

/// One command, name first.
pub type Command = Vec<Vec<u8>>;

/// Deadlines are absolute and around this time, in the year 2100: a real server never reaches
/// them, and the engine's clock starts just before it.
pub const EPOCH_MS: i64 = 4_102_444_800_000;

/// Reads choices from the front of the bytes.
pub struct Choices<'a> {
    bytes: &'a [u8],
    /// How many choices there are after the bytes, and where they come from.
    more: usize,
    random: Random,
    /// Whose keys the command that is made prefers.
    family: usize,
}

impl<'a> Choices<'a> {
    /// Choices from these bytes, and then from so many more that follow from them as chance
    /// would have it: a fuzzer likes its inputs short, but it takes many commands to get
    /// anywhere.
    pub fn new(bytes: &'a [u8], more: usize) -> Self {
        let seed = bytes.iter().fold(1, |seed: u64, byte| {
            (seed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Choices {
            bytes,
            more,
            random: Random::new(seed),
            family: 0,
        }
    }

    /// Whether any choices are left.
    fn is_over(&self) -> bool {
        self.bytes.is_empty() && self.more == 0
    }

    /// A number below `limit`; zero when nothing is left.
    pub fn below(&mut self, limit: usize) -> usize {
        match self.bytes {
            [byte, rest @ ..] => {
                self.bytes = rest;
                usize::from(*byte) % limit
            }
            [] if self.more > 0 => {
                self.more -= 1;
                self.random.below(limit as u64) as usize
            }
            [] => 0,
        }
    }

    /// The next command; `None` when nothing is left.
    pub fn command(&mut self) -> Option<Command> {
        if self.is_over() {
            return None;
        }
        let (family, name, shape) = COMMANDS[self.below(COMMANDS.len())];
        self.family = family;
        let mut command: Command = vec![name.into()];
        for part in shape.split_ascii_whitespace() {
            self.part(part, &mut command);
        }
        Some(command)
    }

    /// Appends what one word of a shape stands for.
    fn part(&mut self, part: &str, command: &mut Command) {
        match part {
            "key" => command.push(self.key()),
            "keys" => {
                for _ in 0..=self.below(3) {
                    command.push(self.key());
                }
            }
            "numkeys" => {
                let count = 1 + self.below(3);
                command.push(count.to_string().into());
                for _ in 0..count {
                    command.push(self.key());
                }
            }
            "member" => command.push(self.member()),
            "members" => {
                for _ in 0..=self.below(4) {
                    command.push(self.member());
                }
            }
            "pairs" => {
                for _ in 0..=self.below(3) {
                    command.push(self.member());
                    command.push(self.member());
                }
            }
            "keypairs" => {
                for _ in 0..=self.below(3) {
                    command.push(self.key());
                    command.push(self.member());
                }
            }
            "scored" => {
                for _ in 0..=self.below(4) {
                    command.push(self.pick(SCORES));
                    command.push(self.member());
                }
            }
            "score" => command.push(self.pick(SCORES)),
            "bound" => command.push(self.pick(BOUNDS)),
            "index" => command.push(self.index().to_string().into()),
            "count" => command.push(self.below(5).to_string().into()),
            "many" => self.many(command, |number| vec![format!("m{number}")]),
            "manypairs" => {
                self.many(command, |number| {
                    vec![format!("m{number}"), number.to_string()]
                });
            }
            "manyscored" => {
                self.many(command, |number| {
                    vec![(number % 7).to_string(), format!("m{number}")]
                });
            }
            "integer" => command.push(self.pick(INTEGERS)),
            "time" => command.push((EPOCH_MS + self.below(8) as i64 * 1000).to_string().into()),
            // Alternatives, among them nothing; a comma stands for a blank.
            _ => {
                let alternatives: Vec<&str> = part.split('|').collect();
                let chosen = alternatives[self.below(alternatives.len())];
                for word in chosen.split(',').filter(|word| !word.is_empty()) {
                    if word.chars().all(|letter| letter.is_ascii_lowercase()) {
                        self.part(word, command);
                    } else {
                        command.push(word.into());
                    }
                }
            }
        }
    }

    /// A key that mostly has the type that the command is for: each family prefers two.
    fn key(&mut self) -> Vec<u8> {
        let choice = self.below(8 * KEYS.len());
        let index = if self.family > 0 && choice >= KEYS.len() {
            (self.family - 1) * 2 + choice % 2
        } else {
            choice % KEYS.len()
        };
        KEYS[index].into()
    }

    /// Many members at once, each with something before or after it.
    fn many(&mut self, command: &mut Command, parts: fn(usize) -> Vec<String>) {
        let (start, count) = (self.below(200), 1 + self.below(100));
        for number in start..start + count {
            command.extend(parts(number).into_iter().map(String::into_bytes));
        }
    }

    /// A place in a list, from either end, and mostly near it; or how many of something.
    fn index(&mut self) -> i64 {
        match self.below(48) as i64 {
            near @ 0..24 => near % 5 - 2,
            far => far - 34,
        }
    }

    fn member(&mut self) -> Vec<u8> {
        let choice = self.below(24);
        match MEMBERS.get(choice) {
            Some(member) => member.to_vec(),
            None => format!("m{choice}").into(),
        }
    }

    fn pick<T: AsRef<[u8]>>(&mut self, from: &[T]) -> Vec<u8> {
        from[self.below(from.len())].as_ref().to_vec()
    }
}

/// Two for each family but that of all types.
pub const KEYS: &[&str] = &[
    "string", "text", "list", "queue", "hash", "map", "set", "bag", "scores", "ranks",
];

const MEMBERS: &[&[u8]] = &[
    b"a",
    b"b",
    b"10",
    b"-1",
    b"007",
    b"",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"70000",
    b"3.5",
    b"\xff\x00\r\n",
    // Longer than the strings of packed forms may be.
    &[b'x'; 70],
    &[b'y'; 300],
];

/// Sums of these are exact, so that the order of adding does not show.
const SCORES: &[&str] = &[
    "0", "1", "-1", "2", "2.5", "-0.5", "1024", "3", "inf", "-inf", "100000",
];

const BOUNDS: &[&str] = &[
    "-inf", "+inf", "0", "(0", "1", "(1", "2.5", "(2.5", "-1", "(-1", "3", "1024", "(1024",
];

const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "5",
    "100",
    "9223372036854775807",
    "-9223372036854775807",
    "-100",
];

const ANY: usize = 0;
const STRING: usize = 1;
const LIST: usize = 2;
const HASH: usize = 3;
const SET: usize = 4;
const SORTED_SET: usize = 5;

/// Every command that the model knows, with the shape of its arguments. A lower-case word is a kind
/// of argument, a word in capitals itself, and `|` stands between alternatives.
const COMMANDS: &[(usize, &str, &str)] = &[
    (STRING, "SET", "key member |NX|XX |GET |PXAT,time|KEEPTTL"),
    (STRING, "GET", "key"),
    (STRING, "GETSET", "key member"),
    (STRING, "GETDEL", "key"),
    (STRING, "GETEX", "key |PXAT,time|PERSIST"),
    (STRING, "SETNX", "key member"),
    (STRING, "MSET", "keypairs"),
    (STRING, "MSETNX", "keypairs"),
    (STRING, "MGET", "keys"),
    (STRING, "APPEND", "key member"),
    (STRING, "STRLEN", "key"),
    (STRING, "SETRANGE", "key count member"),
    (STRING, "GETRANGE", "key index index"),
    (STRING, "INCR", "key"),
    (STRING, "DECR", "key"),
    (STRING, "INCRBY", "key integer"),
    (STRING, "DECRBY", "key integer"),
    (ANY, "DEL", "keys"),
    (ANY, "UNLINK", "keys"),
    (ANY, "EXISTS", "keys"),
    (ANY, "TYPE", "key"),
    (ANY, "RENAME", "key key"),
    (ANY, "RENAMENX", "key key"),
    (ANY, "COPY", "key key |REPLACE"),
    (ANY, "PERSIST", "key"),
    (ANY, "PEXPIREAT", "key time |NX|XX|GT|LT"),
    (ANY, "PEXPIRETIME", "key"),
    (ANY, "DBSIZE", ""),
    (LIST, "LPUSH", "key members"),
    (LIST, "RPUSH", "key members"),
    (LIST, "RPUSH", "key many"),
    (LIST, "LPUSHX", "key members"),
    (LIST, "RPUSHX", "key members"),
    (LIST, "LPOP", "key |count"),
    (LIST, "RPOP", "key |count"),
    (LIST, "LLEN", "key"),
    (LIST, "LRANGE", "key index index"),
    (LIST, "LINDEX", "key index"),
    (LIST, "LSET", "key index member"),
    (LIST, "LINSERT", "key BEFORE|AFTER member member"),
    (LIST, "LREM", "key index member"),
    (LIST, "LTRIM", "key index index"),
    (LIST, "LMOVE", "key key LEFT|RIGHT LEFT|RIGHT"),
    (
        LIST,
        "LPOS",
        "key member |RANK,1|RANK,-1|RANK,2|RANK,-2 |COUNT,count",
    ),
    (HASH, "HSET", "key pairs"),
    (HASH, "HSET", "key manypairs"),
    (HASH, "HDEL", "key many"),
    (HASH, "HSETNX", "key member member"),
    (HASH, "HGET", "key member"),
    (HASH, "HMGET", "key members"),
    (HASH, "HDEL", "key members"),
    (HASH, "HLEN", "key"),
    (HASH, "HEXISTS", "key member"),
    (HASH, "HSTRLEN", "key member"),
    (HASH, "HINCRBY", "key member integer"),
    (HASH, "HGETALL", "key"),
    (HASH, "HKEYS", "key"),
    (HASH, "HVALS", "key"),
    (SET, "SADD", "key members"),
    (SET, "SREM", "key members"),
    (SET, "SADD", "key many"),
    (SET, "SREM", "key many"),
    (SET, "SISMEMBER", "key member"),
    (SET, "SMISMEMBER", "key members"),
    (SET, "SCARD", "key"),
    (SET, "SMEMBERS", "key"),
    (SET, "SMOVE", "key key member"),
    (SET, "SINTER", "keys"),
    (SET, "SUNION", "keys"),
    (SET, "SDIFF", "keys"),
    (SET, "SINTERSTORE", "key keys"),
    (SET, "SUNIONSTORE", "key keys"),
    (SET, "SDIFFSTORE", "key keys"),
    (SET, "SINTERCARD", "numkeys |LIMIT,count"),
    (SORTED_SET, "ZADD", "key |NX|XX |CH scored"),
    (SORTED_SET, "ZADD", "key |XX GT|LT |CH scored"),
    (SORTED_SET, "ZADD", "key |NX|XX|GT|LT INCR score member"),
    (SORTED_SET, "ZADD", "key manyscored"),
    (SORTED_SET, "ZREM", "key members"),
    (SORTED_SET, "ZREM", "key many"),
    (SORTED_SET, "ZSCORE", "key member"),
    (SORTED_SET, "ZMSCORE", "key members"),
    (SORTED_SET, "ZCARD", "key"),
    (SORTED_SET, "ZRANK", "key member"),
    (SORTED_SET, "ZREVRANK", "key member"),
    (SORTED_SET, "ZCOUNT", "key bound bound"),
    (SORTED_SET, "ZINCRBY", "key score member"),
    (SORTED_SET, "ZRANGE", "key index index |REV |WITHSCORES"),
    (
        SORTED_SET,
        "ZRANGE",
        "key bound bound BYSCORE |REV |LIMIT,count,index |WITHSCORES",
    ),
    (SORTED_SET, "ZPOPMIN", "key |count"),
    (SORTED_SET, "ZPOPMAX", "key |count"),
    (SORTED_SET, "ZREMRANGEBYRANK", "key index index"),
    (SORTED_SET, "ZREMRANGEBYSCORE", "key bound bound"),
    (
        SORTED_SET,
        "ZUNIONSTORE",
        "key numkeys |AGGREGATE,MIN|AGGREGATE,MAX",
    ),
    (
        SORTED_SET,
        "ZINTERSTORE",
        "key numkeys |AGGREGATE,MIN|AGGREGATE,MAX",
    ),
    (SORTED_SET, "ZDIFFSTORE", "key numkeys"),
    (SORTED_SET, "ZRANGESTORE", "key key index index |REV"),
];
