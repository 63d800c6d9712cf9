//! The debugger of scripts where single bytes, the end of a connection or of the server matter. What it says otherwise is
//! in the transcripts.

use std::time::Duration;

use oxidis_testkit::{RawClient, Reply, ServerBuilder, TestServer};

/// How long a server is given to end.
const END_LIMIT: Duration = Duration::from_secs(20);

const END: &[u8] = b"*1\r\n+<endsession>\r\n";

fn request(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// Begins to debug a script, which stands at its first line then.
fn begin(server: &TestServer, mode: &str, script: &str) -> RawClient {
    let mut client = server.raw_client();
    client
        .send(request(&["script", "debug", mode]))
        .expect("sent");
    expect(&mut client, b"+OK\r\n");
    client.send(request(&["eval", script, "0"])).expect("sent");
    expect(
        &mut client,
        b"*2\r\n+* Stopped at 1, stop reason = step over\r\n",
    );
    client.read_line().expect("the line");
    client
}

#[track_caller]
fn expect(client: &mut RawClient, bytes: &[u8]) {
    let came = client.read_exactly(bytes.len()).expect("a reply");
    assert_eq!(
        String::from_utf8_lossy(&came),
        String::from_utf8_lossy(bytes)
    );
}

#[track_caller]
fn expect_end(client: &mut RawClient, reply: &[u8]) {
    let came = client.read_to_close().expect("an end");
    let expected = [END, reply].concat();
    assert_eq!(
        String::from_utf8_lossy(&came),
        String::from_utf8_lossy(&expected)
    );
}

#[test]
fn requests_may_come_in_pieces_and_behind_other_things() {
    let server = ServerBuilder::oxidis().start().expect("a server");
    let mut client = begin(&server, "sync", "local a=1\nreturn 1");
    let line: &[u8] = b"*1\r\n+-> 1   local a=1\r\n";
    client
        .send_byte_by_byte(request(&["l", "0", "0"]))
        .expect("sent");
    expect(&mut client, line);
    client.send(b"garbage*3\r\n$1\r\nl\r\n").expect("sent");
    client.send(b"$1\r\n0\r\n$1\r\n0\r\n").expect("sent");
    expect(&mut client, line);
    // Of what comes at once only the first request is looked at.
    let both = [request(&["l", "0", "0"]), request(&["abort"])].concat();
    client.send(both).expect("sent");
    expect(&mut client, line);
    client.send(request(&["c"])).expect("sent");
    expect_end(&mut client, b":1\r\n");
}

#[test]
fn what_is_no_request_ends_the_script() {
    let server = ServerBuilder::oxidis().start().expect("a server");
    for wrong in [
        "hello\r\n",
        "*1\r\n$0\r\n\r\n",
        "*2\r\n$1\r\nl\r\n+x\r\n",
        "*1025\r\n",
        "*1\r\n$2000\r\n",
    ] {
        let mut client = begin(&server, "yes", "return 1");
        client.send(wrong).expect("sent");
        expect_end(
            &mut client,
            b"-ERR protocol error script: e0e1f9fabfc9d4800c877a703b823ac0578ff8db, on @user_script:1.\r\n",
        );
    }
}

#[test]
fn commands_may_have_many_arguments() {
    let server = ServerBuilder::oxidis().start().expect("a server");
    let mut client = begin(&server, "sync", "return 'hello'");
    let mut words = vec!["redis"];
    words.resize(1024, "test");
    client.send(request(&words)).expect("sent");
    let names = " test".repeat(10);
    let reply = format!(
        "*2\r\n+<redis>{names} ... (1012 more)\r\n+<error> Unknown Redis command called from script\r\n"
    );
    expect(&mut client, reply.as_bytes());
    client.send(request(&["c"])).expect("sent");
    expect_end(&mut client, b"$5\r\nhello\r\n");
}

#[test]
fn a_script_whose_client_is_gone_runs_to_its_end() {
    const SCRIPT: &str = "redis.call('set','first','1')\nlocal a=1\nredis.call('set','last','1')";
    let server = ServerBuilder::oxidis().start().expect("a server");
    let mut other = server.client();
    for (mode, kept) in [("yes", 0), ("sync", 2)] {
        let mut client = begin(&server, mode, SCRIPT);
        client.send(request(&["s"])).expect("sent");
        client.read_until("local a=1\r\n").expect("the line");
        drop(client);
        while other.run("CLIENT LIST").text().lines().count() > 1 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(other.run("EXISTS first last"), Reply::Integer(kept));
    }
}

#[test]
fn a_script_that_does_not_end_is_stopped() {
    let server = ServerBuilder::oxidis()
        .arguments(["--busy-reply-threshold", "100"])
        .start()
        .expect("a server");
    for mode in ["yes", "sync"] {
        let mut client = begin(&server, mode, "while true do end");
        client.send(request(&["c"])).expect("sent");
        expect(
            &mut client,
            b"*2\r\n+* Stopped at 1, stop reason = timeout reached, infinite loop?\r\n+-> 1   while true do end\r\n",
        );
        // It goes on for as long again, with nobody who could stop it.
        client.send(request(&["c"])).expect("sent");
        drop(client);
        assert_eq!(server.client().run("SET k v").text(), "OK");
    }
}

#[test]
fn the_data_are_free_as_soon_as_the_conversation_is_over() {
    for workers in ["1", "3"] {
        let server = ServerBuilder::oxidis()
            .arguments(["--io-threads", workers, "--busy-reply-threshold", "1"])
            .start()
            .expect("a server");
        let mut others: Vec<_> = (0..6).map(|_| server.client()).collect();
        let mut client = begin(&server, "sync", "redis.call('set','k','v')\nreturn 1");
        for other in &mut others {
            other.send(&["GET", "k"]).expect("sent");
        }
        client.send(request(&["s"])).expect("sent");
        client.read_until("return 1\r\n").expect("the line");
        client.send(request(&["s"])).expect("sent");
        expect_end(&mut client, b":1\r\n");
        for other in &mut others {
            assert_eq!(other.receive().expect("a reply").text(), "v");
        }
    }
}

#[test]
fn conversations_end_with_their_sessions_and_with_the_server() {
    for mode in ["yes", "sync"] {
        let mut server = ServerBuilder::oxidis()
            .arguments(["--io-threads", "2", "--save", ""])
            .start()
            .expect("a server");
        let mut killed = server.raw_client();
        killed.send(request(&["client", "id"])).expect("sent");
        let id = String::from_utf8(killed.read_line().expect("a number")).expect("digits");
        killed
            .send(request(&["script", "debug", mode]))
            .expect("sent");
        expect(&mut killed, b"+OK\r\n");
        killed
            .send(request(&["eval", "local a=1\nreturn 1", "0"]))
            .expect("sent");
        killed.read_until("local a=1\r\n").expect("the line");
        // Also in the middle of what the debugger itself runs.
        killed
            .send(request(&["eval", "while true do end"]))
            .expect("sent");
        let kill = format!("CLIENT KILL ID {}", &id[1..id.len() - 2]);
        assert_eq!(server.client().run(&kill), Reply::Integer(1));
        killed.read_to_close().expect("an end");

        let mut standing = begin(&server, mode, "local a=1\nreturn 1");
        // Its reply is that the server is gone.
        let _ = server.client().send(&["SHUTDOWN", "NOSAVE"]);
        assert_eq!(server.wait_for_end(END_LIMIT), Some(true));
        // It has ended before or with the server.
        let _ = standing.read_to_close();
    }
}

#[cfg(unix)]
#[test]
fn scripts_are_debugged_by_a_unix_socket() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let name = path.to_str().expect("a plain path");
    let server = ServerBuilder::oxidis()
        .arguments(["--unixsocket", name])
        .start()
        .expect("a server");
    for mode in ["yes", "sync"] {
        let mut socket = UnixStream::connect(&path).expect("it listens");
        socket.set_read_timeout(Some(END_LIMIT)).expect("a limit");
        let eval = request(&["eval", "local a = 1\nreturn a", "0"]);
        let requests = [request(&["script", "debug", mode]), eval].concat();
        socket.write_all(&requests).expect("sent");
        let first =
            b"+OK\r\n*2\r\n+* Stopped at 1, stop reason = step over\r\n+-> 1   local a = 1\r\n";
        let mut came = vec![0; first.len()];
        socket.read_exact(&mut came).expect("a reply");
        assert_eq!(
            String::from_utf8_lossy(&came),
            String::from_utf8_lossy(first)
        );
        socket.write_all(&request(&["c"])).expect("sent");
        came.clear();
        socket.read_to_end(&mut came).expect("an end");
        assert_eq!(came, [END, b":1\r\n"].concat());
    }
    assert_eq!(server.client().run("PING").text(), "PONG");
}
