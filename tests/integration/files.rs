//! Data files where no server runs: checking, repairing and converting them; and data sets as JSON.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use oxidis_testkit::server::{binary_under_test, redis_server};
use oxidis_testkit::{Reply, ServerBuilder};
use tempfile::TempDir;

use crate::persistence::{digest, fill, functions, start};

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room")
}

/// Runs the binary in `folder`.
fn oxidis(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary_under_test())
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = oxidis(folder, arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{arguments:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// A program beside redis-server, if there is one.
fn redis_program(name: &str) -> Option<PathBuf> {
    Some(redis_server()?.with_file_name(name)).filter(|path| path.exists())
}

#[test]
fn a_data_set_is_kept_as_json() {
    let folder = folder();
    let ours = || ServerBuilder::oxidis().arguments(["--dbfilename", "Data.JSON"]);
    let server = start(ours(), folder.path());
    let mut client = server.client();
    fill(&mut client, 21);
    client.run("HSET timed field value other 1");
    client.run("HPEXPIREAT timed 4102444800123 FIELDS 1 field");
    let expected = digest(&mut client);
    assert_eq!(client.run("DEBUG RELOAD"), Reply::Simple(b"OK".to_vec()));
    assert_eq!(digest(&mut client), expected);
    client.run("SET last one");
    client.run("SELECT 3");
    let expected = (digest(&mut client), functions(&mut client));
    assert_eq!(client.run("SAVE"), Reply::Simple(b"OK".to_vec()));
    client.run("SET last none");
    // Dropping a server kills it: nothing is saved then.
    drop(server);
    let text = fs::read_to_string(folder.path().join("Data.JSON")).expect("it was saved");
    assert!(text.starts_with("[\n{\"format\": \"oxidis\", \"version\": 1, "));
    assert!(text.contains("\n{\"database\": 15, \"key\": \"ranged\", \"string\": \"\\u0000"));
    let server = start(ours(), folder.path());
    let mut client = server.client();
    client.run("SELECT 3");
    assert_eq!((digest(&mut client), functions(&mut client)), expected);
    client.run("SELECT 0");
    assert_eq!(
        client.run("HPEXPIRETIME timed FIELDS 2 field other").text(),
        Reply::Array(vec![Reply::Integer(4_102_444_800_123), Reply::Integer(-1)]).text()
    );
    client.run("BGSAVE");
    while client
        .run("INFO persistence")
        .text()
        .contains("bgsave_in_progress:1")
    {}
    let again = fs::read_to_string(folder.path().join("Data.JSON")).expect("it was saved");
    assert_eq!(again.lines().count(), text.lines().count());
    drop(server);
    assert!(succeed(folder.path(), &["check", "Data.JSON"]).contains("whole (JSON"));
    // Damage is refused with its place, by the check and by the server.
    let damaged = text.replacen("\"key\": \"number\"", "\"kez\": \"number\"", 1);
    fs::write(folder.path().join("Data.JSON"), damaged).expect("there is room");
    let output = oxidis(folder.path(), &["check", "Data.JSON"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("unknown field `kez`") && said.contains("line "),
        "{said}"
    );
    let output = oxidis(folder.path(), &["--dbfilename", "Data.JSON", "--port", "0"]);
    assert_eq!(output.status.code(), Some(1));
}

/// Runs the binary in `folder` on a terminal of its own, and shows what appears there; nothing where there is no `script`
/// to make terminals.
fn on_a_terminal(folder: &Path, arguments: &str) -> Option<String> {
    let command = format!("{} {arguments}", binary_under_test().display());
    let output = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments}: {shown}");
    Some(shown)
}

#[test]
fn bars_are_drawn_on_terminals_alone() {
    /// What bars consist of.
    const BLOCK: char = '█';
    let folder = folder();
    let server = start(ServerBuilder::oxidis(), folder.path());
    let mut client = server.client();
    client.run("DEBUG POPULATE 200000 key 16");
    client.run("SAVE");
    drop(server);
    for (from, to) in [("dump.rdb", "data.json"), ("data.json", "again.rdb")] {
        let Some(shown) = on_a_terminal(folder.path(), &format!("dump {from} {to}")) else {
            eprintln!("script is not installed: nothing was shown on a terminal");
            return;
        };
        assert!(shown.contains(BLOCK) && shown.contains(" keys "), "{shown}");
        let arguments = format!("dump --quiet --force {from} {to}");
        let quiet = on_a_terminal(folder.path(), &arguments).unwrap_or_default();
        assert_eq!(quiet, "");
        let output = oxidis(folder.path(), &["dump", "--force", from, to]);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(!said.contains(BLOCK) && !said.contains('\r'), "{said}");
    }
}

/// RDB, JSON and AOF of data that redis-server has written, from each to the next, and back to it.
#[test]
fn conversions_keep_every_byte() {
    let folder = folder();
    let theirs = || redis_server().map_or_else(ServerBuilder::oxidis, ServerBuilder::new);
    let server = start(theirs(), folder.path());
    let mut client = server.client();
    fill(&mut client, 22);
    let expected = digest(&mut client);
    client.run("SAVE");
    drop(server);
    let at = folder.path();
    succeed(at, &["dump", "dump.rdb", "one.json"]);
    succeed(at, &["load", "one.json", "two.rdb"]);
    succeed(at, &["load", "two.rdb", "appendonly.aof"]);
    succeed(at, &["dump", "appendonly.aof", "three.json"]);
    succeed(at, &["load", "three.json", "appendonlydir/"]);
    succeed(at, &["load", "appendonlydir", "four.rdb"]);
    // What is there stays, unless one says otherwise.
    let output = oxidis(at, &["load", "one.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is there already"));
    assert_eq!(
        succeed(at, &["dump", "one.json"]).lines().count(),
        fs::read_to_string(at.join("one.json"))
            .expect("it is there")
            .lines()
            .count()
    );
    for file in [
        "one.json",
        "two.rdb",
        "three.json",
        "four.rdb",
        "appendonlydir",
        "appendonly.aof",
    ] {
        succeed(at, &["check", file]);
    }
    let digest_with = |builder: ServerBuilder, folder: &Path| {
        let server = start(builder, folder);
        digest(&mut server.client())
    };
    for name in ["two.rdb", "four.rdb"] {
        let builder = theirs().arguments(["--dbfilename", name]);
        assert_eq!(digest_with(builder, at), expected, "{name}");
    }
    for name in ["one.json", "three.json"] {
        let builder = ServerBuilder::oxidis().arguments(["--dbfilename", name]);
        assert_eq!(digest_with(builder, at), expected, "{name}");
    }
    let logging = || theirs().arguments(["--appendonly", "yes"]);
    assert_eq!(digest_with(logging(), at), expected, "the directory");
    // Without the directory, the one file of commands is taken over.
    fs::remove_dir_all(at.join("appendonlydir")).expect("it is there");
    assert_eq!(digest_with(logging(), at), expected, "the file of commands");
}

/// The incremental file of a log that redis-server has written; transactions and times are in it.
fn log_of_redis(folder: &Path) -> Option<PathBuf> {
    let builder = ServerBuilder::new(redis_server()?).arguments([
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--aof-timestamp-enabled",
        "yes",
    ]);
    let server = start(builder, folder);
    let mut client = server.client();
    for n in 0..20 {
        client.run(&format!("SET key:{n} value:{n}"));
        client.run("MULTI");
        client.run(&format!("RPUSH list {n}"));
        client.run("INCR count");
        client.run("EXEC");
    }
    drop(server);
    Some(folder.join("appendonlydir/appendonly.aof.1.incr.aof"))
}

/// Every torn end is found, judged and cut as redis-check-aof does it.
#[test]
fn torn_ends_are_repaired_as_redis_does() {
    let folder = folder();
    let (Some(log), Some(program)) = (
        log_of_redis(folder.path()),
        redis_program("redis-check-aof"),
    ) else {
        eprintln!("redis-server is not installed: nothing was compared");
        return;
    };
    let whole = fs::read(&log).expect("it is there");
    let [ours, theirs] = ["ours.aof", "theirs.aof"].map(|name| folder.path().join(name));
    let theirs_of = |arguments: &[&str]| {
        let mut child = Command::new(&program)
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("it runs");
        use std::io::Write;
        // It may end before it asks.
        let _ = child.stdin.take().expect("it is piped").write_all(b"y\n");
        child.wait().expect("it ends").code()
    };
    // The last transaction and what stands before it, byte by byte.
    for len in (whole.len() - 190..=whole.len())
        .step_by(3)
        .chain([whole.len()])
    {
        for file in [&ours, &theirs] {
            fs::write(file, &whole[..len]).expect("there is room");
        }
        let judged = oxidis(folder.path(), &["check", "ours.aof"]).status.code();
        assert_eq!(judged, theirs_of(&["theirs.aof"]), "{len}");
        assert_eq!(
            fs::read(&ours).expect("it is there").len(),
            len,
            "nothing is cut unasked"
        );
        succeed(folder.path(), &["check", "--fix", "--yes", "ours.aof"]);
        assert_eq!(theirs_of(&["--fix", "theirs.aof"]), Some(0));
        let both = [&ours, &theirs].map(|file| fs::read(file).expect("it is there"));
        assert!(both[0] == both[1], "{len}");
        succeed(folder.path(), &["check", "ours.aof"]);
    }
    // Rubbish and zeros at the end are cut; in the middle nothing is.
    for rubbish in [&b"!!!"[..], &[0; 5000], b"*3\r\n$3\r\nSET\r\n$0x\r\n"] {
        fs::write(&ours, [&whole, rubbish].concat()).expect("there is room");
        succeed(folder.path(), &["check", "--fix", "--yes", "ours.aof"]);
        assert!(fs::read(&ours).expect("it is there") == whole);
    }
    let middle = whole.len() / 2;
    for bits in [1, 4, 0x40] {
        let at = middle
            + whole[middle..]
                .iter()
                .position(|&byte| byte == b'$')
                .expect("it has lengths");
        // A length that is another, and one that is none.
        let mut damaged = whole.clone();
        damaged[at + 1] ^= bits;
        fs::write(&ours, &damaged).expect("there is room");
        let output = oxidis(folder.path(), &["check", "--fix", "--yes", "ours.aof"]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            said.contains("DAMAGED") && said.contains("nothing is cut"),
            "{said}"
        );
        assert!(fs::read(&ours).expect("it is there") == damaged);
    }
}

/// Logs are cut to a time as redis-check-aof does it, whole or torn, and with remarks that are no times.
#[cfg(unix)]
#[test]
fn logs_are_cut_to_a_time_as_redis_does() {
    let folder = folder();
    let (Some(log), Some(theirs)) = (
        log_of_redis(folder.path()),
        redis_program("redis-check-aof"),
    ) else {
        eprintln!("redis-server is not installed: nothing was compared");
        return;
    };
    let ours = folder.path().join("our-check-aof");
    std::os::unix::fs::symlink(binary_under_test(), &ours).expect("it may");
    let written = fs::read_to_string(log).expect("it is text");
    let second: i64 = written["#TS:".len()..]
        .lines()
        .next()
        .and_then(|second| second.parse().ok())
        .expect("it begins with a time");
    let command = "*1\r\n$8\r\nFLUSHALL\r\n";
    let later = format!("{written}#TS:{}\r\n{command}", second + 1000);
    let logs = [
        format!("{later}{command}"),
        later[..later.len() - 3].to_owned(),
        format!("{later}# a remark\r\n{command}"),
        format!("{later}#TS:never\r\n{command}"),
        format!(
            "{later}*1\r\n$5\r\nMULTI\r\n#TS:{}\r\n{command}*1\r\n$4\r\nEXEC\r\n",
            second + 2000
        ),
        format!("#TS:{second}\r\n"),
        String::new(),
    ];
    let outcome = |program: &Path, log: &str, until: i64| {
        let file = folder.path().join("cut.aof");
        fs::write(&file, log).expect("there is room");
        let output = Command::new(program)
            .args(["--truncate-to-timestamp", &until.to_string(), "cut.aof"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        let left = fs::read_to_string(&file).expect("it is text");
        (output.status.code(), left)
    };
    for (number, log) in logs.iter().enumerate() {
        for until in [-1, 0, 999, 1000, 1999, 2000].map(|after| second + after) {
            let expected = outcome(&theirs, log, until);
            assert_eq!(outcome(&ours, log, until), expected, "{number} {until}");
        }
    }
}

/// Links are the programs of Redis, for whole logs and for what is wrong with them.
#[cfg(unix)]
#[test]
fn links_behave_like_the_programs_of_redis() {
    let folder = folder();
    let Some(log) = log_of_redis(folder.path()) else {
        eprintln!("redis-server is not installed: nothing was compared");
        return;
    };
    let [check_aof, check_rdb] = ["my-check-aof", "my-check-rdb"].map(|name| {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(binary_under_test(), &link).expect("it may");
        link
    });
    let run = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null());
        let output = command.output().expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let manifest = "appendonlydir/appendonly.aof.manifest";
    let base = "appendonlydir/appendonly.aof.1.base.rdb";
    let (code, said) = run(&check_aof, &[manifest]);
    assert_eq!(code, Some(0), "{said}");
    for words in [
        "Start checking Multi Part AOF",
        "Start to check BASE AOF (RDB format)",
        "RDB preamble is OK, proceeding with AOF tail",
        "BASE AOF appendonly.aof.1.base.rdb is valid",
        "INCR AOF appendonly.aof.1.incr.aof is valid",
        "All AOF files and manifest are valid",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(run(&check_rdb, &[base]).0, Some(0));
    // What was written before a time, and not after it.
    let whole = fs::read(&log).expect("it is there");
    let text = String::from_utf8_lossy(&whole).into_owned();
    let second: i64 = text["#TS:".len()..]
        .lines()
        .next()
        .expect("it has times")
        .parse()
        .expect("a second");
    let later = format!("{text}#TS:{}\r\n*1\r\n$8\r\nFLUSHALL\r\n", second + 1000);
    fs::write(&log, &later).expect("there is room");
    let until = (second + 999).to_string();
    let (code, said) = run(&check_aof, &["--truncate-to-timestamp", &until, manifest]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Successfully truncated AOF"), "{said}");
    assert!(fs::read(&log).expect("it is there") == whole);
    let (code, said) = run(&check_aof, &["--truncate-to-timestamp", "1", manifest]);
    assert_eq!(code, Some(1));
    assert!(said.contains("aborting"), "{said}");
    // Nobody says yes.
    fs::write(&log, &whole[..whole.len() - 1]).expect("there is room");
    let (code, said) = run(&check_aof, &["--fix", manifest]);
    assert_eq!(code, Some(1));
    assert!(said.contains("Continue? [y/N]: Aborting"), "{said}");
    assert_eq!(fs::read(&log).expect("it is there").len(), whole.len() - 1);
    // A base is never cut, and a file that is missing is named.
    let data = fs::read(folder.path().join(base)).expect("it is there");
    fs::write(folder.path().join(base), &data[..data.len() - 1]).expect("there is room");
    let (code, said) = run(&check_aof, &["--fix", manifest]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("RDB preamble of AOF file is not sane"),
        "{said}"
    );
    assert!(said.contains("is left as it is"), "{said}");
    assert_eq!(run(&check_rdb, &[base]).0, Some(1));
    fs::remove_file(folder.path().join(base)).expect("it is there");
    let (code, said) = run(&check_aof, &[manifest]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("appendonly.aof.1.base.rdb: No such file"),
        "{said}"
    );
}
