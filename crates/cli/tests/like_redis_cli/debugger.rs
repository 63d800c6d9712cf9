//! Scripts that are debugged, by both programs.

use std::fs;

use crate::programs::Run;
use crate::sessions::Pair;

const SCRIPT: &str = "\
local function double(number)
    return number * 2
end
local count = redis.call('incr', KEYS[1])
local text = ARGV[1]
redis.debug('seen', count)
redis.breakpoint()
local list = {1, 'two', {three = 3}}
local answer = double(count)
redis.call('set', KEYS[1], answer)
return {answer, text, list}
";

/// What is typed, a line each; the last one that ends the script is followed by commands as ever.
const CONVERSATIONS: [&str; 17] = [
    "",
    "quit\n",
    "EXIT\nPING\n",
    "help\n?\nh\n",
    "s\nn\nstep\nNEXT\np count\np KEYS\np nothing\nt\nc\nc\nPING\nGET k\n",
    "c\ncontinue\nGET k\nhelp get\nHGETALL none\n",
    "list\nl 8\nl 8 1\nw\nb 9\nb\nb -9\nb 0\nb x\nb 2 10\nc\nc\nt\nprint\np number\nc\nc\n",
    "e return 1 + 1\neval  'two  words' .. \"x\"\ne 1 +\nE return 1\neval\nabort\nGET k\n",
    "r set k 5\nredis get k\nr nothing\nm 70\nr lrange k 0 1\nmaxlen\nm 0\na\n",
    "c\nc\nrestart\nc\nc\nRESTART\nquit\n",
    "s\nrestart\nlist\nc\nc\nGET k\n",
    "nonsense\n\"open\n\n   \n:set hints\nconnect 1\n3 s\nc\nc\n",
    "0 s\n2\nc\nc\nquit\n",
    "c\nc\nSELECT 3\nGET k\nSCRIPT DEBUG YES\nEVAL 'return 1' 0\nc\nGET k\n",
    "c\nc\nSCRIPT DEBUG yes\nSCRIPT DEBUG no\nEVAL 'return {1, 2}' 0\n",
    "c\nc\nSCRIPT DEBUG yes\nEVAL 'nonsense here' 0\nPING\n",
    // Nothing that raises an error: redis-server 7.0.15 falls by it.
    "e return redis.call('get', KEYS[1])\nc\nb 11\nc\ne return list\np list\nc\n",
];

#[test]
fn scripts_are_debugged_alike() {
    let Some(pair) = Pair::start(&[]) else { return };
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let file = directory.path().join("script.lua");
    let path = file.to_str().expect("a plain path");
    fs::write(&file, SCRIPT).expect("it can be written");
    for conversation in CONVERSATIONS {
        for flags in [
            &["--ldb"][..],
            &["--ldb-sync-mode"],
            &["--csv", "--ldb", "-n", "2"],
            &["--ldb", "-3", "-d", "|", "-D", "#"],
        ] {
            // redis-cli says of a later script what its flag says of the first one.
            if flags[0] == "--ldb-sync-mode" && conversation.contains("SCRIPT DEBUG") {
                continue;
            }
            let words = &["--eval", path, "k", ",", "an argument"];
            pair.compare(&Run::new(&[flags, words].concat()).input(conversation));
        }
        pair.compare(&Run::new(&["FLUSHALL"]));
    }
}

#[test]
fn scripts_that_cannot_be_debugged_are_refused_alike() {
    let Some(pair) = Pair::start(&["--user", "joe", "on", "nopass", "~*", "+@all", "-eval"]) else {
        return;
    };
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let file = directory.path().join("script.lua");
    let path = file.to_str().expect("a plain path");
    for flag in ["--ldb", "--ldb-sync-mode"] {
        for script in [
            "return (",
            "error('at once')",
            "return redis.call('nothing')",
            "",
        ] {
            fs::write(&file, script).expect("it can be written");
            for input in ["", "c\nPING\n", "s\ns\ns\nPING\n"] {
                pair.compare(&Run::new(&[flag, "--eval", path]).input(input));
            }
        }
        let joe = ["--user", "joe", "--pass", "x", "--no-auth-warning"];
        let run = Run::new(&[&joe[..], &[flag, "--eval", path]].concat());
        pair.compare(&run.input("PING\nquit\n"));
        pair.compare(&Run::new(&[flag, "--eval", "/nothing/at/all"]));
    }
}
