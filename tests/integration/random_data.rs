//! Random data of every type and encoding, for the tests that carry data from server to server.

use fastrand::Rng;
use oxidis_testkit::Client;

/// Fills a server with `keys` keys of all types, from nothing to thousands of elements.
pub fn fill(client: &mut Client, random: &mut Rng, prefix: &str, keys: usize) {
    for index in 0..keys {
        let key = format!("{prefix}{index}").into_bytes();
        let command = command(random, key);
        let reply = client.command(&command).expect("the server answers");
        assert!(!reply.is_error(), "{reply:?}");
    }
}

fn command(random: &mut Rng, key: Vec<u8>) -> Vec<Vec<u8>> {
    let count = [1, 3, 60, 200, 600, 2500][random.usize(..6)];
    let mut words = vec![Vec::new(), key];
    let name = match random.usize(..6) {
        0 => {
            words.push(word(random));
            "SET"
        }
        1 => {
            words.extend((0..count).map(|_| word(random)));
            "RPUSH"
        }
        2 => {
            words.extend((0..count).map(|_| word(random)));
            "SADD"
        }
        3 => {
            let bits = [10, 30, 60][random.usize(..3)];
            words.extend((0..count).map(|_| integer(random, bits)));
            "SADD"
        }
        4 => {
            words.extend((0..2 * count).map(|_| word(random)));
            "HSET"
        }
        _ => {
            for _ in 0..count {
                words.extend([score(random), word(random)]);
            }
            "ZADD"
        }
    };
    words[0] = name.as_bytes().to_vec();
    words
}

fn integer(random: &mut Rng, bits: u32) -> Vec<u8> {
    let most = 1i64 << bits;
    random.i64(-most..most).to_string().into_bytes()
}

fn score(random: &mut Rng) -> Vec<u8> {
    match random.usize(..5) {
        0 => b"inf".to_vec(),
        1 => b"-inf".to_vec(),
        2 => integer(random, 5),
        3 => (random.f64() * 1e300).to_string().into_bytes(),
        _ => random.f64().to_string().into_bytes(),
    }
}

/// A string: an integer, something that compresses, or anything.
fn word(random: &mut Rng) -> Vec<u8> {
    match random.usize(..10) {
        0..3 => {
            let bits = random.u32(1..63);
            integer(random, bits)
        }
        3..9 => {
            let len = random.usize(..70);
            (0..len).map(|_| random.u8(b'a'..b'd')).collect()
        }
        _ => {
            let len = random.usize(..5000);
            (0..len).map(|_| random.u8(..)).collect()
        }
    }
}
