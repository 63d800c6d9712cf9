//! A save that fails or is cut off at any call: what is found afterwards is the old data set or the new one, and
//! never anything else.

mod harness;

use harness::{START_MS, Server, digest_in};
use oxidis_testkit::storage::{FaultyStorage, Survives};

/// A server with a file of some data, and other data in memory; the digests of both.
fn server() -> (Server, String, String) {
    // Not compressed, few keys make a file that is appended to several times.
    let mut server = Server::new(&[("rdbcompression", "no")], START_MS);
    server.run("DEBUG POPULATE 1200 old 700");
    server.run("RPUSH list a b c");
    assert_eq!(server.run("SAVE"), "+OK");
    let old = server.run("DEBUG DIGEST");
    server.run("SWAPDB 0 1");
    server.run("DEBUG POPULATE 800 new 700");
    server.run("HSET hash f v");
    let new = server.run("DEBUG DIGEST");
    (server, old, new)
}

/// How many calls a save makes.
fn calls_of_a_save(command: &str) -> usize {
    let (mut server, _, _) = server();
    let before = server.host.storage.calls();
    server.run(command);
    server.finish_save();
    server.host.storage.calls() - before
}

#[test]
fn a_save_that_is_cut_off_leaves_the_old_or_the_new() {
    for command in ["SAVE", "BGSAVE"] {
        let calls = calls_of_a_save(command);
        assert!(calls > 8, "{calls}");
        for call in 0..=calls {
            let (mut server, old, new) = server();
            server.host.storage.crash_at(call);
            server.run(command);
            server.finish_save();
            for survives in [
                Survives::Nothing,
                Survives::Everything,
                Survives::Percent(0),
                Survives::Percent(37),
                Survives::Percent(99),
            ] {
                let storage = server.host.storage.after_crash(survives);
                let found = digest_in(storage, START_MS).expect("one or the other is whole");
                assert!(
                    found == old || found == new,
                    "{command} {call} {survives:?}"
                );
                // Once it was said to be saved, it is.
                if server.information("rdb_changes_since_last_save") == "0" {
                    assert_eq!(found, new, "{command} {call} {survives:?}");
                }
            }
        }
    }
}

#[test]
fn a_save_that_fails_says_so_and_leaves_no_rest() {
    for command in ["SAVE", "BGSAVE"] {
        for call in 0..calls_of_a_save(command) {
            let (mut server, old, new) = server();
            server.host.storage.fail_at(Some(call));
            let reply = server.run(command);
            server.finish_save();
            match command {
                "SAVE" => assert_eq!(reply, "-ERR", "{call}"),
                _ => assert_eq!(
                    server.information("rdb_last_bgsave_status"),
                    "err",
                    "{call}"
                ),
            }
            assert_ne!(server.information("rdb_changes_since_last_save"), "0");
            assert_eq!(server.host.storage.files().len(), 1, "{command} {call}");
            let storage = server.host.storage.after_crash(Survives::Everything);
            let found = digest_in(storage, START_MS).expect("one or the other is whole");
            assert!(found == old || found == new, "{command} {call}");
            server.host.storage.fail_at(None);
            assert_eq!(server.run("SAVE"), "+OK");
            let storage = server.host.storage.after_crash(Survives::Nothing);
            assert_eq!(digest_in(storage, START_MS).expect("it is durable"), new);
        }
    }
}

/// A file that is damaged or cut anywhere is not loaded, and nothing of it is.
#[test]
fn nothing_is_half_loaded() {
    let (mut server, _, new) = server();
    let file = server.take_file().expect("it was saved");
    for damage in [file.len() / 7, file.len() / 2, file.len() - 20] {
        for is_cut in [false, true] {
            let mut bytes = file.clone();
            match is_cut {
                true => bytes.truncate(damage),
                false => bytes[damage] ^= 0x10,
            }
            let storage = FaultyStorage::new();
            store(&storage, &bytes);
            let error = digest_in(storage, START_MS).expect_err("it is damaged");
            assert!(error.contains("byte") || error.contains("CRC"), "{error}");
            store(&server.host.storage, &bytes);
            let reply = server.run("DEBUG RELOAD NOSAVE");
            assert!(reply.starts_with("-ERR Error trying to load the RDB dump"));
            assert_eq!(server.run("DEBUG DIGEST"), new);
        }
    }
}

fn store(storage: &FaultyStorage, bytes: &[u8]) {
    use oxidis_persist::storage::Storage;
    let path = std::path::Path::new(harness::FILE);
    let mut file = storage.create(path).expect("it may");
    file.append(bytes).expect("it may");
}

/// A key that comes twice is found, however far the second is from the first, and the error says where it is.
#[test]
fn a_key_that_comes_twice_is_refused() {
    for between in [0_u16, 1, 40, 9000] {
        for threads in ["1", "3"] {
            let mut bytes = b"REDIS0011\xfe\x00\x00\x01k\x01v".to_vec();
            for n in 0..between {
                bytes.extend_from_slice(b"\x00\x05");
                bytes.extend_from_slice(format!("{n:05}").as_bytes());
                bytes.extend_from_slice(b"\x01v");
            }
            let second = bytes.len();
            // The checksum 0 is none.
            bytes.extend_from_slice(b"\x00\x01k\x01w\xff\0\0\0\0\0\0\0\0");
            let storage = FaultyStorage::new();
            store(&storage, &bytes);
            let mut server = Server::with_storage(&[("io-threads", threads)], START_MS, storage);
            let error = server.worker.load_at_start().expect_err("it comes twice");
            let offset = error.strip_prefix("duplicated key 'k' in DB 0, before byte ");
            let offset: usize = offset
                .and_then(|text| text.parse().ok())
                .expect("an offset");
            assert!((second..=bytes.len()).contains(&offset), "{error} {second}");
        }
    }
}
