//! Draws calls that belong together: transactions, scripts, clients that wait for one another.

use super::calls::{Call, Connection, Step, StepKind};
use super::commands::{Family, Form, Row};
use super::damage;
use super::generate::{Generator, sweep};
use super::pools::{DATABASES, JUNK, pick};
use crate::client::Words;
use crate::rules::PASSING_SCRIPTS;
use crate::versions::has_changed;

/// How long an [`StepKind::Expiry`] step's keys live, and how long is waited for their end.
pub const SHORT_TTL_MS: u64 = 3;
/// See [`SHORT_TTL_MS`].
pub const SHORT_TTL_WAIT_MS: u64 = 8;

pub(super) fn words(words: &[&[u8]]) -> Words {
    words.iter().map(|word| word.to_vec()).collect()
}

impl Generator {
    pub(super) fn transaction(&mut self) -> Step {
        let mut commands = Vec::new();
        if self.rng.u8(..) < 60 {
            let (one, other) = (self.key("string"), self.key("list"));
            commands.push(words(&[b"WATCH", &one, &other]));
        }
        if self.rng.u8(..) < 40 {
            commands.push(self.plain_call());
        }
        commands.extend(self.multi());
        Step::main(StepKind::Plain, commands)
    }

    /// From MULTI to EXEC or DISCARD.
    fn multi(&mut self) -> Vec<Words> {
        let mut commands = vec![words(&[b"MULTI"])];
        for _ in 0..self.rng.usize(0..6) {
            let command = match self.rng.u8(..) {
                0..16 => self.script_call(),
                _ => self.plain_call(),
            };
            if has_changed(&command) {
                commands.push(sweep());
            }
            commands.push(command);
        }
        match self.rng.u8(..) {
            0..10 => commands.push(words(&[b"MULTI"])),
            10..14 => commands.push(words(&[b"WATCH", b"string:0"])),
            14..16 => commands.push(words(&[b"NOSUCH"])),
            _ => {}
        }
        commands.push(match self.rng.u8(..) {
            0..30 => words(&[b"DISCARD"]),
            30..33 => words(&[b"EXEC", b"junk"]),
            33..36 => words(&[b"RESET"]),
            _ => words(&[b"EXEC"]),
        });
        commands
    }

    pub(super) fn expiry(&mut self) -> Step {
        let key = self.key("key");
        let ttl = SHORT_TTL_MS.to_string().into_bytes();
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
        Step::main(StepKind::Expiry, commands)
    }

    /// What one key holds goes to another as a payload, now and then spoilt on its way.
    pub(super) fn carry(&mut self) -> Step {
        let (from, to) = (self.key("key"), self.key("key"));
        let mut commands = vec![words(&[b"DUMP", &from])];
        for _ in 0..self.rng.usize(1..4) {
            let mut restore = words(&[b"RESTORE", &to]);
            let is_absolute = self.rng.u8(..4) == 0;
            match self.rng.u8(..8) {
                0..5 => restore.push(b"0".to_vec()),
                _ if is_absolute => self.draw_into("unix-milliseconds", &mut restore),
                _ => self.draw_into("milliseconds", &mut restore),
            }
            restore.push(damage::draw(&mut self.rng));
            if self.rng.u8(..8) > 0 {
                restore.push(b"REPLACE".to_vec());
            }
            if is_absolute {
                restore.push(b"ABSTTL".to_vec());
            }
            match self.rng.u8(..16) {
                0..2 => {
                    restore.push(b"IDLETIME".to_vec());
                    self.draw_into("seconds-idle", &mut restore);
                }
                2..4 => {
                    restore.push(b"FREQ".to_vec());
                    self.draw_into("frequency", &mut restore);
                }
                4 => self.draw_into("junk", &mut restore),
                _ => {}
            }
            commands.push(restore);
        }
        commands.push(words(&[b"OBJECT", b"ENCODING", &to]));
        commands.push(words(&[b"PTTL", &to]));
        Step::main(StepKind::Carry, commands)
    }

    /// Another limit of hashes, while there are none (`crate::rules::NOT_ASKED`).
    pub(super) fn hash_limit(&mut self) -> Step {
        let limit = pick(&mut self.rng, &[b"0", b"1", b"4", b"16", b"128"]);
        let name = b"hash-max-listpack-entries";
        let commands = vec![
            words(&[b"RESET"]),
            words(&[b"FLUSHALL"]),
            words(&[b"CONFIG", b"SET", name, &limit]),
        ];
        Step::main(StepKind::Plain, commands)
    }

    /// Calls that are not answered, and one that is.
    pub(super) fn silence(&mut self) -> Step {
        let mut commands = Vec::new();
        if self.rng.bool() {
            commands.push(words(&[b"CLIENT", b"REPLY", b"SKIP"]));
            commands.push(self.plain_call());
            commands.push(words(&[b"PING"]));
        } else {
            commands.push(words(&[b"CLIENT", b"REPLY", b"OFF"]));
            for _ in 0..self.rng.usize(0..4) {
                commands.push(self.plain_call());
            }
            if self.rng.bool() {
                commands.push(words(&[b"CLIENT", b"REPLY", b"SKIP"]));
            }
            commands.push(words(&[b"CLIENT", b"REPLY", b"ON"]));
        }
        Step::main(StepKind::Silent, commands)
    }

    pub(super) fn script(&mut self) -> Step {
        let mut commands = Vec::new();
        if self.rng.u8(..) < 30 {
            let source = PASSING_SCRIPTS[0].as_bytes();
            commands.push(words(&[b"SCRIPT", b"LOAD", source]));
        }
        commands.push(self.script_call());
        Step::main(StepKind::Plain, commands)
    }

    fn script_call(&mut self) -> Words {
        let name: &[u8] = match self.rng.u8(..10) {
            0 => b"EVAL_RO",
            _ => b"EVAL",
        };
        let mut call = vec![name.to_vec()];
        let kind = self.rng.u8(..100);
        match kind {
            0..55 => call.push(pick_text(self, PASSING_SCRIPTS)),
            55..70 => call.push(pick_text(self, REPORTING_SCRIPTS)),
            70..98 => call.push(pick_text(self, SCRIPTS)),
            _ => call.push(pick(&mut self.rng, JUNK)),
        }
        let keys = match self.rng.u8(..) {
            0..128 => 0,
            128..200 => 1,
            _ => self.rng.usize(0..4),
        };
        call.push(match self.rng.u8(..) {
            0..6 => pick(&mut self.rng, JUNK),
            _ => keys.to_string().into_bytes(),
        });
        for _ in 0..keys {
            let key = self.key("key");
            call.push(key);
        }
        if kind < 55 {
            let inner = self.plain_call();
            // The versions differ about commands that wait (see `NOT_ASKED`).
            let is_any = |word: &[u8]| {
                let mut names = WAITING.iter();
                names.any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
            };
            let waits = is_any(&inner[0]) || inner.iter().any(|word| word == b"BLOCK");
            call.extend(if waits { words(&[b"PING"]) } else { inner });
        } else if kind < 70 {
            call.extend(self.exact_call());
        } else {
            let arguments = self.rng.usize(0..3);
            call.extend((0..arguments).map(|_| pick(&mut self.rng, JUNK)));
        }
        call
    }

    /// A function of a library that passes a call on.
    pub(super) fn function_call(&mut self) -> Step {
        let name: &[u8] = match self.rng.u8(..10) {
            0 => b"FCALL_RO",
            _ => b"FCALL",
        };
        let function = pick(&mut self.rng, &[b"pass", b"pass", b"read"]);
        let mut call = words(&[name, &function, b"0"]);
        call.extend(self.exact_call());
        Step::main(StepKind::Plain, vec![call])
    }

    /// One or two clients wait, and another one does things that may serve them.
    pub(super) fn waiting(&mut self) -> Step {
        let mut calls = Vec::new();
        let mut keys = Vec::new();
        let waiters = self.rng.usize(1..3);
        for connection in Connection::OTHERS.into_iter().take(waiters) {
            if self.rng.u8(..) < 40 {
                calls.push(Call::on(connection, words(&[b"HELLO", b"3"])));
            }
            if self.rng.u8(..) < 40 {
                let database = self.rng.u8(..DATABASES).to_string();
                let select = words(&[b"SELECT", database.as_bytes()]);
                calls.push(Call::on(connection, select));
            }
            let Some(mut call) = self.call_of(|row| row.form == Form::Blocking) else {
                continue;
            };
            wait_for_ever(&mut call);
            keys.extend(call.iter().filter(|word| word.contains(&b':')).cloned());
            calls.push(Call::on(connection, call));
        }
        for _ in 0..self.rng.usize(1..6) {
            let commands = match self.rng.u8(..16) {
                0..5 => vec![self.plain_call()],
                5 => self.multi(),
                6 => vec![self.script_call()],
                _ => {
                    let fed = self.feed(&keys);
                    calls.extend(fed.into_iter().map(Call::main));
                    continue;
                }
            };
            if commands
                .iter()
                .flatten()
                .any(|word| is_unsure_to_wake(word))
            {
                continue;
            }
            calls.extend(commands.into_iter().map(Call::main));
        }
        several(calls)
    }

    /// Something that may make one of these keys ready.
    fn feed(&mut self, keys: &[Vec<u8>]) -> Vec<Words> {
        if keys.is_empty() {
            return vec![self.plain_call()];
        }
        let key = keys[self.rng.usize(..keys.len())].clone();
        let other = self.key("key");
        let delete = words(&[b"DEL", &key]);
        if key.starts_with(b"stream") && self.rng.bool() {
            let id = self.pools.new_stream_id(&mut self.rng);
            return vec![words(&[b"XADD", &key, &id, b"f", b"v"])];
        }
        let database = self.rng.u8(..DATABASES).to_string();
        match self.rng.u8(..16) {
            0..3 => vec![words(&[b"RPUSH", &key, b"a"])],
            3 => vec![words(&[b"LPUSH", &key, b"a", b"b", b"c"])],
            4..7 => vec![words(&[b"ZADD", &key, b"1", b"a"])],
            7 => vec![words(&[b"ZADD", &key, b"1", b"a", b"2", b"b", b"3", b"c"])],
            8 => vec![words(&[b"RENAME", &other, &key])],
            9 => vec![words(&[b"COPY", &other, &key, b"REPLACE"])],
            10 => vec![delete],
            11 => vec![
                delete,
                words(&[b"SORT", b"queue:1", b"BY", b"nosort", b"STORE", &key]),
            ],
            12 => vec![words(&[b"LMOVE", &other, &key, b"LEFT", b"RIGHT"])],
            13 => vec![delete, words(&[b"ZUNIONSTORE", &key, b"1", &other])],
            14 => vec![words(&[b"SET", &key, b"text"])],
            _ if keys.len() == 1 => vec![words(&[b"SWAPDB", b"0", database.as_bytes()])],
            _ => vec![words(&[b"MOVE", &key, database.as_bytes()])],
        }
    }

    /// One client subscribes, and another one publishes.
    pub(super) fn messages(&mut self) -> Step {
        let mut calls = Vec::new();
        let listeners = self.rng.usize(1..3);
        let listeners = &Connection::OTHERS[..listeners];
        let mut in_resp3 = Vec::new();
        for &connection in listeners {
            if self.rng.bool() {
                in_resp3.push(connection);
                calls.push(Call::on(connection, words(&[b"HELLO", b"3"])));
            }
        }
        for _ in 0..self.rng.usize(2..10) {
            let listener = listeners[self.rng.usize(..listeners.len())];
            let call = match self.rng.u8(..16) {
                0..6 => self
                    .call_of(|row| row.form == Form::Subscribing)
                    .map(|call| Call::on(listener, call)),
                // Not what tells the listener itself of its own keys (`crate::rules::NOT_ASKED`).
                6 if !in_resp3.contains(&listener) => Some(Call::on(listener, self.exact_call())),
                6 | 7 => Some(Call::on(listener, words(&[b"PING"]))),
                8 => Some(Call::on(listener, words(&[b"PSUBSCRIBE", b"__key*__:*"]))),
                9..11 => Some(Call::main(self.plain_call())),
                _ => self
                    .call_of(|row| row.family == Family::PubSub && row.form != Form::Subscribing)
                    .map(Call::main),
            };
            calls.extend(call);
        }
        several(calls)
    }

    /// Which keys a call names. What is done to them is compared with the command table.
    pub(super) fn keys_of_a_call(&mut self) -> Step {
        let mut call = words(&[b"COMMAND", b"GETKEYS"]);
        call.extend(self.plain_call());
        Step::main(StepKind::Plain, vec![call])
    }

    /// One client tracks what it reads, or prefixes; another one changes keys.
    pub(super) fn tracking(&mut self) -> Step {
        const MODES: &[&[&[u8]]] = &[
            &[],
            &[b"NOLOOP"],
            &[b"OPTIN"],
            &[b"OPTOUT"],
            &[b"BCAST"],
            &[b"BCAST", b"NOLOOP"],
            &[b"BCAST", b"PREFIX", b"s"],
            &[b"BCAST", b"PREFIX", b"l", b"PREFIX", b"h"],
            &[b"BCAST", b"OPTIN"],
            &[b"PREFIX", b"s"],
        ];
        const READS: &[&str] = &[
            "GET string",
            "STRLEN string",
            "LRANGE list",
            "HGET hash",
            "SISMEMBER set",
            "ZSCORE zset",
            "EXISTS key",
            "TYPE key",
            "XLEN stream",
        ];
        let mut turn_on = words(&[b"CLIENT", b"TRACKING", b"ON"]);
        turn_on.extend(words(MODES[self.rng.usize(..MODES.len())]));
        let mut calls = vec![
            Call::on(Connection::Second, words(&[b"HELLO", b"3"])),
            Call::on(Connection::Second, turn_on),
        ];
        for _ in 0..self.rng.usize(4..16) {
            let by_tracker = |words| Some(Call::on(Connection::Second, words));
            let call = match self.rng.u8(..16) {
                0..6 => self
                    .call_of(|row| READS.iter().any(|read| row.template.starts_with(read)))
                    .and_then(by_tracker),
                6 => by_tracker(words(&[b"CLIENT", b"CACHING", b"YES"])),
                7 => by_tracker(words(&[b"CLIENT", b"CACHING", b"NO"])),
                8 => by_tracker(words(&[b"CLIENT", b"TRACKINGINFO"])),
                _ => Some(Call::main(self.plain_call())),
            };
            calls.extend(call);
        }
        several(calls)
    }

    /// One client watches keys, another one may change them.
    pub(super) fn watching(&mut self) -> Step {
        let mut calls = Vec::new();
        let plain = |row: &Row| {
            let is_apart = matches!(row.family, Family::Transaction | Family::Connection);
            !is_apart && matches!(row.form, Form::Plain | Form::Careful)
        };
        if let Some(watch) = self.call_of(|row| row.template.starts_with("WATCH")) {
            calls.push(Call::main(watch));
        }
        for _ in 0..self.rng.usize(0..3) {
            if let Some(call) = self.call_of(plain) {
                calls.push(Call::on(Connection::Second, call));
            }
        }
        calls.extend(self.multi().into_iter().map(Call::main));
        let at = self.rng.usize(..=calls.len());
        if let Some(call) = self.call_of(plain) {
            calls.insert(at, Call::on(Connection::Second, call));
        }
        several(calls)
    }
}

/// Whether a command with this word may make a key ready in a way of which versions and servers
/// think differently (`crate::rules::NOT_ASKED`).
fn is_unsure_to_wake(word: &[u8]) -> bool {
    let word = word.to_ascii_uppercase();
    word.ends_with(b"STORE") || word == b"SWAPDB"
}

pub(super) fn several(calls: Vec<Call>) -> Step {
    Step {
        calls,
        kind: StepKind::Several,
    }
}

fn pick_text(generator: &mut Generator, pool: &[&str]) -> Vec<u8> {
    pool[generator.rng.usize(..pool.len())].as_bytes().to_vec()
}

/// Puts zero where a blocking call has its timeout.
fn wait_for_ever(call: &mut Words) {
    if let Some(at) = call.iter().position(|word| word == b"BLOCK") {
        call[at + 1] = b"0".to_vec();
        return;
    }
    let is_first = matches!(call[0].as_slice(), b"BLMPOP" | b"BZMPOP");
    let at = if is_first { 1 } else { call.len() - 1 };
    // What is refused may stay.
    if call[at].starts_with(b"0.0") {
        call[at] = b"0".to_vec();
    }
}

/// Commands that wait, which 7.0.15 refuses to scripts.
const WAITING: &[&str] = &[
    "BLPOP",
    "BRPOP",
    "BLMOVE",
    "BRPOPLPUSH",
    "BZPOPMIN",
    "BZPOPMAX",
    "WAIT",
];

/// Scripts that say something of what the call that they are given answers.
const REPORTING_SCRIPTS: &[&str] = &[
    "local r = redis.pcall(unpack(ARGV)) return type(r)",
    "local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' then return {r.ok or false, r.err or false, #r} end return {type(r)}",
    "local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' and r.err then return redis.error_reply(r.err) end return 'fine'",
    "redis.setresp(3) local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' then return {r.map and 'map', r.set and 'set', tostring(r.double)} end return type(r)",
    "local fine, r = pcall(redis.call, unpack(ARGV)) return {tostring(fine), type(r)}",
    "redis.set_repl(redis.REPL_NONE) redis.pcall(unpack(ARGV)) redis.set_repl(redis.REPL_ALL) return redis.call('dbsize')",
];

/// Scripts that need nothing, or the keys and arguments as such.
const SCRIPTS: &[&str] = &[
    "return 1",
    "return 1.9",
    "return -1.9",
    "return -0.0",
    "return 2^40",
    "return 'text'",
    "return 'a\\0b\\r\\n'",
    "return true",
    "return false",
    "return nil",
    "return",
    "",
    "return {}",
    "return {1, 2, {3, 'a', {true, false}}, nil, 4}",
    "return {1, 'a', ['b'] = 2}",
    "return {ok = 'fine'}",
    "return {ok = 1}",
    "return {ok = 'a\\r\\nb'}",
    "return {err = 'ERR bad'}",
    "return {err = 'bad'}",
    "return {err = ''}",
    "return {err = 'MY bad\\r\\nthing'}",
    "return redis.status_reply('a\\r\\nb')",
    "return redis.error_reply('MY bad')",
    "return redis.error_reply('-MY bad')",
    "return redis.error_reply('bad')",
    "return redis.error_reply()",
    "return redis.error_reply(1)",
    "return redis.status_reply({})",
    "return {double = 3.25}",
    "return {double = 0.1}",
    "return {map = {a = 1}}",
    "return {map = {[1] = {map = {a = 'b'}}}}",
    "return {set = {a = true}}",
    "return {big_number = '1234567890123456789012345678901234567890'}",
    "return {big_number = '12\\r\\n3'}",
    "return {verbatim_string = {format = 'txt', string = 'some text'}}",
    "return {verbatim_string = {format = 'markdown', string = 'x'}}",
    "redis.setresp(3) return true",
    "redis.setresp(3) return {true, false, nil}",
    "redis.setresp(3) return nil",
    "redis.setresp(4)",
    "redis.setresp()",
    "redis.setresp(3) return redis.call('get', 'nosuch')",
    "redis.setresp(3) return {type(redis.call('get', 'nosuch')), type(redis.call('zscore', 'nosuch', 'a'))}",
    "return {type(redis.call('get', 'nosuch')), type(redis.call('lrange', 'nosuch', 0, -1)), type(redis.call('ping'))}",
    "return KEYS",
    "return ARGV",
    "return {KEYS[1], ARGV[1], #KEYS, #ARGV}",
    "return {KEYS, ARGV}",
    "error('boom')",
    "error({err = 'MY boom'})",
    "error({err = 'boom', ignore_error_stats_update = true})",
    "error()",
    "error(nil)",
    "error('two\\nlines')",
    "return redis.call('nosuch')",
    "return redis.pcall('nosuch')",
    "return redis.call()",
    "return redis.call('get')",
    "return redis.call('get', 'a', 'b')",
    "return redis.call('get', {})",
    "return redis.call({})",
    "return redis.call(nil)",
    "return redis.call('set', 'string:1', 1)",
    "return redis.call('set', 'string:1', 1.5)",
    "return redis.call('set', 'text:3', 1e20)",
    "return redis.call('set', 'string:1', true)",
    "return redis.call('client')",
    "return redis.call('client', 'nosuch')",
    "return redis.call('multi')",
    "return redis.call('subscribe', 'a')",
    "return redis.call('eval', 'return 1', 0)",
    "return redis.call('multi')",
    "return redis.call('ping', 'hi')",
    "return redis.pcall('incr', 'list:0')",
    "redis.call('set', 'string:0', 'x') return redis.call('incr', 'string:0')",
    "redis.call('set', 'string:0', '1') error('after a write')",
    "redis.call('select', 2) redis.call('set', 'string:0', 'two') return redis.call('dbsize')",
    "for i = 1, 40 do redis.call('rpush', 'list:0', i) end return redis.call('llen', 'list:0')",
    "x = 1",
    "return x",
    "local function f() return f() end return 1",
    "syntax error here",
    "return (",
    "return \\",
    "return 'open",
    "return \u{fffd}",
    "return cjson.encode({1, 'a', true})",
    "return cjson.encode({a = 1.5})",
    "return cjson.decode('[1, 2, {\"a\": null}]')[2]",
    "return cjson.decode('{')",
    "return cjson.encode(KEYS)",
    "return cmsgpack.pack({1, 2, 'x'})",
    "return cmsgpack.unpack(cmsgpack.pack({1, 'a'}))",
    "return redis.sha1hex('a')",
    "return redis.sha1hex()",
    "return string.format('%.17g', 0.1)",
    "return tostring(3.0)",
    "return tostring(1e100)",
    "return tonumber('0x10')",
    "return bit.tohex(255)",
    "return bit.band(0xff, 0x0f)",
    "return struct.pack('>I2', 258)",
    "return struct.unpack('>I2', 'ab')",
    "return redis.replicate_commands()",
    "return redis.LOG_WARNING",
    "return redis.log(5, 'x')",
    "return redis.log()",
    "return redis.REDIS_VERSION_NUM and 1",
    "return redis.breakpoint()",
    "return redis.acl_check_cmd('set', 'a', 'b')",
    "return redis.nosuch",
    "return redis.nosuch()",
    "redis.call = nil",
    "redis.x = 1",
    "print = 1",
    "return type(print)",
    "return type(require)",
    "return type(io)",
    "return type(loadstring)",
    "return loadstring('return 7')()",
    "return loadstring('\\27Lua')",
    "return table.concat({1, 2, 3}, ',')",
    "return table.getn({1, 2})",
    "return string.rep('a', 5)",
    "return string.find('hello', 'l+')",
    "return {string.find('hello', 'l+')}",
    "return string.gsub('hello', 'l', 'L')",
    "math.randomseed(7) return math.random(1, 1000)",
    "math.randomseed(-1) return {math.random(1, 1000), math.random(5), math.random()}",
    "return math.floor(3.7)",
    "return math.huge > 1",
    "return unpack({1, 2})",
    "return select('#', 1, 2)",
    "return _VERSION",
    "return #_G and 1",
    "return rawget(_G, 'nosuch')",
    "setmetatable(_G, nil)",
    "return tostring(nil)",
    "return nil .. 'x'",
    "return {} + 1",
    "return #nil",
    "return nosuch.field",
    "return ('x'):nosuch()",
    "return 1 < 'x'",
    "return redis.call('set', KEYS[1], ARGV[1])",
    "return redis.call('get', KEYS[1])",
    "#!lua\nreturn 1",
    "#!lua",
    "#!lua flags=no-writes\nreturn redis.call('set', 'string:0', '1')",
    "#!lua flags=no-writes\nreturn redis.call('get', 'string:0')",
    "#!lua flags=nosuch\nreturn 1",
    "#!lua flags=allow-oom,no-cluster\nreturn 1",
    "#!lua name=mine\nreturn 1",
    "#!js\nreturn 1",
    "#!lua flags=no-writes flags=allow-oom\nreturn 1",
];
