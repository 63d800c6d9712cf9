//! Users in files, and what happens to connections whose users change.

use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use oxidis_testkit::server::binary_under_test;
use oxidis_testkit::{Client, Reply, ServerBuilder};

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.bytes().expect("a string")).into_owned()
}

fn error(reply: &Reply) -> String {
    match reply {
        Reply::Error(text) => String::from_utf8_lossy(text).into_owned(),
        other => panic!("no error but {other:?}"),
    }
}

/// Waits until so many connections are those of user ann: they end when their owners next look.
fn await_sessions(admin: &mut Client, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while text(&admin.run("CLIENT LIST")).matches("user=ann ").count() != count {
        assert!(
            Instant::now() < deadline,
            "there are not {count} sessions of ann"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The lines of ACL LIST.
fn list(client: &mut Client) -> Vec<String> {
    let reply = client.run("ACL LIST");
    reply
        .elements()
        .expect("an array")
        .iter()
        .map(text)
        .collect()
}

/// Runs the binary on a configuration with which it cannot start.
fn fail_to_start(configuration: &str) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("redis.conf");
    fs::write(&file, configuration).expect("it can be written");
    let ended = Command::new(binary_under_test())
        .arg(&file)
        .current_dir(dir.path())
        .output()
        .expect("the binary runs");
    assert!(!ended.status.success(), "{configuration}");
    ended
}

#[test]
fn a_file_of_users_is_loaded_and_saved() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("users.acl");
    fs::write(&path, "user ann on nopass ~a* +@read\n").expect("it can be written");
    let server = ServerBuilder::oxidis()
        .argument("--aclfile")
        .argument(&path)
        .start()
        .expect("the server starts");
    let mut admin = server.client();
    let ann = "user ann on nopass sanitize-payload ~a* resetchannels -@all +@read";
    let default = "user default on nopass sanitize-payload ~* &* +@all";
    assert_eq!(list(&mut admin), [ann, default]);
    admin.run("ACL SETUSER bob on >secret (+get ~b)");
    assert_eq!(admin.run("ACL SAVE"), Reply::Simple(b"OK".to_vec()));
    let saved = fs::read_to_string(&path).expect("it is there");
    assert_eq!(saved.lines().collect::<Vec<_>>(), list(&mut admin));
    assert!(!saved.contains("secret"), "{saved}");
    // A file with a mistake changes nothing.
    fs::write(&path, "user eve on\nuser eve off\n").expect("it can be written");
    let error = error(&admin.run("ACL LOAD"));
    assert!(
        error.contains("Duplicate user 'eve' found on line 2"),
        "{error}"
    );
    assert_eq!(list(&mut admin).len(), 3);
    fs::write(&path, "user ann off\n").expect("it can be written");
    assert_eq!(admin.run("ACL LOAD"), Reply::Simple(b"OK".to_vec()));
    let off = "user ann off sanitize-payload resetchannels -@all";
    assert_eq!(list(&mut admin), [off, default]);
}

#[test]
fn users_stand_in_one_place() {
    let both = fail_to_start("port 0\naclfile users.acl\nuser ann on\n");
    let said = [both.stdout, both.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("but not both"), "{said}");
    let twice = fail_to_start("port 0\nuser ann on\nuser ann off\n");
    let said = String::from_utf8_lossy(&twice.stderr).into_owned();
    assert!(said.contains("Duplicate user found"), "{said}");
    let unknown = fail_to_start("port 0\nuser ann +nosuchcommand\n");
    let said = String::from_utf8_lossy(&unknown.stdout).into_owned();
    let wrong = "Error loading ACL rule '+nosuchcommand' for the user named 'ann': Unknown command or category name \
                 in ACL";
    let last: Vec<&str> = said.lines().rev().take(2).collect();
    assert!(last[1].ends_with(wrong), "{said}");
    assert!(
        last[0].ends_with(" # Critical error while loading ACLs. Exiting."),
        "{said}"
    );
    fail_to_start("port 0\nuser ann on %%\n");
    fail_to_start("port 0\naclfile missing.acl\n");
}

#[test]
fn sessions_end_with_their_users() {
    let server = ServerBuilder::oxidis().start().expect("the server starts");
    let mut admin = server.client();
    admin.run("ACL SETUSER ann on nopass ~* +@all &news");
    let mut reader = server.client();
    let mut other = server.client();
    reader.run("AUTH ann x");
    other.run("AUTH ann x");
    // What changes counts from the next command on.
    assert_eq!(other.run("GET k"), Reply::NullBulk);
    admin.run("ACL SETUSER ann -get");
    let refused = error(&other.run("GET k"));
    assert!(
        refused.contains("NOPERM User ann has no permissions"),
        "{refused}"
    );
    reader.run("SUBSCRIBE news");
    admin.run("ACL SETUSER ann resetchannels &weather");
    await_sessions(&mut admin, 1);
    assert_eq!(other.run("PING"), Reply::Simple(b"PONG".to_vec()));
    assert_eq!(admin.run("ACL DELUSER ann"), Reply::Integer(1));
    await_sessions(&mut admin, 0);
    assert_eq!(admin.run("ACL WHOAMI"), Reply::Bulk(b"default".to_vec()));
}

/// CONFIG SET changes no key called SET, whatever keys a user may touch; what Redis 8.0.6 answers.
#[test]
fn subcommands_have_not_the_keys_of_commands_of_the_same_name() {
    let server = ServerBuilder::oxidis().start().expect("the server starts");
    let mut admin = server.client();
    admin.run("ACL SETUSER ann on nopass +@all");
    let dry = admin.run("ACL DRYRUN ann CONFIG SET maxmemory 100mb");
    assert_eq!(dry, Reply::Simple(b"OK".to_vec()));
    let dry = text(&admin.run("ACL DRYRUN ann SET key value"));
    assert_eq!(dry, "User ann has no permissions to access the 'key' key");
    let mut ann = server.client();
    ann.run("AUTH ann x");
    let set = ann.run("CONFIG SET maxmemory 100mb");
    assert_eq!(set, Reply::Simple(b"OK".to_vec()));
    let refused = error(&ann.run("SET key value"));
    assert_eq!(refused, "NOPERM No permissions to access a key");
}
