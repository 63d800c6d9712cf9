//! Scripts that ask for too much in one call: the process lives, others are answered, the script can
//! be killed, and the next script finds everything in order.

use std::time::Duration;

use oxidis_testkit::{Client, RawClient, ServerBuilder, TestServer};

fn server() -> TestServer {
    ServerBuilder::oxidis()
        .arguments(["--io-threads", "1", "--busy-reply-threshold", "50"])
        .start()
        .expect("the server starts")
}

/// Runs a script to its end, which comes by SCRIPT KILL if it does not come by itself within `patience` tenths of a second; answers the
/// beginning of its reply. The only worker answers all the while.
fn outcome(server: &TestServer, killer: &mut Client, script: &str, patience: usize) -> String {
    let mut runner: RawClient = server.raw_client();
    runner
        .set_read_limit(Duration::from_millis(100))
        .expect("a limit");
    let request = format!(
        "*3\r\n$4\r\nEVAL\r\n${}\r\n{script}\r\n$1\r\n0\r\n",
        script.len()
    );
    runner.send(request).expect("sent");
    for attempt in 0..300 {
        if let Ok(first) = runner.read_exactly(1) {
            let rest = if first == b"-" {
                runner
                    .set_read_limit(Duration::from_secs(20))
                    .expect("a limit");
                runner.read_line().expect("the rest of the error")
            } else {
                Vec::new()
            };
            return String::from_utf8_lossy(&[first, rest].concat()).into_owned();
        }
        let is_busy = killer.run("PING").text().starts_with("BUSY");
        if is_busy && attempt >= patience {
            killer.run("SCRIPT KILL");
        }
    }
    panic!("it does not end: {script}");
}

fn check(scripts: &[(&str, &str)]) {
    let server = server();
    let mut killer = server.client();
    killer
        .set_reply_limit(Duration::from_secs(30))
        .expect("a limit");
    for (script, expected) in scripts {
        // What ends by itself may take its time on a machine that has much else to do.
        let patience = if *expected == KILLED { 0 } else { 50 };
        let outcome = outcome(&server, &mut killer, script, patience);
        assert!(outcome.contains(expected), "{script}: {outcome}");
        let next = killer.run("EVAL \"return #string.rep('x', 100)\" 0");
        assert_eq!(next.text(), "100", "after {script}");
    }
}

const KILLED: &str = "killed by user";

#[test]
fn patterns_that_multiply_are_killed() {
    check(&[
        ("return ('a'):rep(1e5):find(('a*'):rep(50)..'b')", KILLED),
        ("return ('a'):rep(1e5):find(('a?'):rep(1e5)..'b')", KILLED),
        (
            "return ('a'):rep(30):find(('a?'):rep(30)..('a'):rep(30)..'b')",
            KILLED,
        ),
        ("return ('('):rep(1e6):find('%b()')", KILLED),
        ("return ('x'):rep(2e6):find(('.-'):rep(20)..'y')", KILLED),
        (
            "for w in ('x'):rep(1e6):gmatch(('.-'):rep(10)..'y') do end",
            KILLED,
        ),
        (
            "return ('x'):rep(1e5):gsub(('.-'):rep(10)..'y', '')",
            KILLED,
        ),
        (
            "local f = function() return ('a'):rep(1e5):find(('a*'):rep(50)..'b') end \
             while true do pcall(f) end",
            KILLED,
        ),
        (
            "return ('x'):rep(1e6):gsub('.', function() return \
             (('x'):rep(1e6):gsub('.', function() return 'y' end)) end)",
            KILLED,
        ),
        (
            "local s = ('x'):rep(1e6) return s:find(('x'):rep(5e5)..'y', 1, true)",
            "$",
        ),
    ]);
}

#[test]
fn what_has_no_end_is_killed() {
    check(&[
        ("while true do end", KILLED),
        (
            "local function f() while true do end end while true do xpcall(f, f) end",
            KILLED,
        ),
        ("local function f() return f() end return f()", KILLED),
        ("table.insert({1}, -2147483648, 1)", KILLED),
        (
            "local c = coroutine.wrap(function() while true do end end) c()",
            KILLED,
        ),
        (
            "error(setmetatable({}, {__tostring = function() while true do end end}))",
            "-",
        ),
        (
            "table.sort({3, 1, 2}, function() while true do end end)",
            KILLED,
        ),
        (
            "local t = {1} for i = 1, 40 do t = {t, t} end return t",
            KILLED,
        ),
        (
            "local t = {1} for i = 1, 40 do t = {t, t} end return #cjson.encode(t)",
            KILLED,
        ),
        (
            "local t = {} for i = 1, 100 do t[i] = 1 end \
             for j = 1, 14 do local u = {} for i = 1, 100 do u[i] = t end t = u end \
             return #cmsgpack.pack(t)",
            KILLED,
        ),
        (
            "cjson.encode_sparse_array(true, 0, 0) return #cjson.encode({[2^30] = 1})",
            KILLED,
        ),
    ]);
}

#[test]
fn what_goes_too_deep_is_an_error() {
    check(&[
        (
            "local function f() return 1 + f() end return f()",
            "stack overflow",
        ),
        ("local function f() return pcall(f) end return f()", ":"),
        (
            "local function f() return coroutine.wrap(f)() end return f()",
            "-",
        ),
        (
            "local function f(s) return (s:gsub('.', f)) end return f('x')",
            "C stack overflow",
        ),
        (
            "local function f() table.sort({1, 2, 3}, f) end f()",
            "C stack overflow",
        ),
        (
            "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) return t[1]",
            "C stack overflow",
        ),
        (
            "local t = {} for i = 1, 1e5 do t = {t} end return cjson.encode(t)",
            "excessive nesting",
        ),
        (
            "cjson.encode_max_depth(2^30) local t = {} t[1] = t return cjson.encode(t)",
            "excessive nesting",
        ),
        (
            "cjson.decode_max_depth(2^30) return cjson.decode(('['):rep(1e6))",
            "too many nested data structures",
        ),
        ("local t = {} t[1] = t return t", "*"),
        ("return cmsgpack.unpack(('\\145'):rep(1e6))", "-"),
        (
            "return loadstring('return '..('('):rep(1e6)..(')'):rep(1e6))",
            "$",
        ),
        ("return type(loadstring('return '..('{'):rep(1e6)))", "$"),
        ("return unpack({}, 1, 1e8)", "too many results"),
        (
            "return string.byte(('x'):rep(1e6), 1, -1)",
            "stack overflow",
        ),
    ]);
}

#[test]
fn what_needs_too_much_memory_is_an_error() {
    check(&[
        ("return #string.rep('x', 2e9)", "not enough memory"),
        ("return #string.rep('', 2^31 - 1)", ":"),
        ("return #string.format('%99.99f', 1e308)", ":"),
        ("return #string.format('%999999999d', 1)", "invalid format"),
        (
            "local t = {} for i = 1, 1000 do t[i] = 'x' end return #table.concat(t, ('y'):rep(1e7))",
            "-",
        ),
        (
            "local s = ('x'):rep(1e7) local t = {} for i = 1, 1e4 do t[i] = s end return t",
            "-",
        ),
        ("local s = 'x' while true do s = s .. s end", "-"),
        (
            "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
            "Missing bytes",
        ),
        ("return #struct.pack('i99999999', 1)", "larger than limit"),
    ]);
}

#[test]
fn scripts_that_may_run_anything_do_not_wait_for_themselves() {
    let server = ServerBuilder::oxidis()
        .arguments(["--enable-debug-command", "yes"])
        .start()
        .expect("the server starts");
    let mut client = server.client();
    client.run("DEBUG SET-DISABLE-DENY-SCRIPTS 1");
    client.run(
        "FUNCTION LOAD \"#!lua name=lib\nredis.register_function('call', function(_, command) \
         return redis.pcall(unpack(command)) end)\"",
    );
    let nested = "ERR scripts cannot be nested";
    let evaluate = "EVAL \"return redis.pcall(unpack(ARGV))\" 0";
    let load = "\"#!lua name=other\nredis.register_function('two', function() return 2 end)\"";
    for (command, expected) in [
        (format!("{evaluate} EVAL \"return 1\" 0"), nested),
        (format!("{evaluate} SCRIPT LOAD \"return 1\""), nested),
        (format!("{evaluate} FCALL call 0 PING"), nested),
        (format!("{evaluate} SCRIPT FLUSH"), "OK"),
        (format!("{evaluate} FUNCTION LOAD {load}"), "other"),
        ("FCALL two 0".to_owned(), "2"),
        ("FCALL call 0 FCALL two 0".to_owned(), nested),
        ("FCALL call 0 EVAL \"return 1\" 0".to_owned(), nested),
        (format!("FCALL call 0 FUNCTION LOAD REPLACE {load}"), nested),
        ("FCALL call 0 FUNCTION DELETE other".to_owned(), "OK"),
        ("FCALL two 0".to_owned(), "ERR Function not found"),
        ("FCALL call 0 FUNCTION FLUSH".to_owned(), "OK"),
        ("FCALL call 0 PING".to_owned(), "ERR Function not found"),
        ("EVAL \"return 1\" 0".to_owned(), "1"),
        (format!("FUNCTION LOAD {load}"), "other"),
        ("FCALL two 0".to_owned(), "2"),
    ] {
        let reply = client.run(&command);
        assert!(reply.text().contains(expected), "{command}: {reply:?}");
    }
}
