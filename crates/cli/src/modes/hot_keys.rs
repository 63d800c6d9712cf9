//! `--hotkeys`: the keys with the highest access counters, which a server keeps when its
//! eviction policy is an LFU one.

use oxidis_resp::Value;

use super::big_keys::{introduction, key_count, pause};
use super::scan::Walk;
use crate::client::{Client, Exit, print};
use crate::interrupt;
use crate::text::quoted;

/// How many keys are reported.
const REPORTED_MAX: usize = 16;

/// Walks over all keys and reports the hottest.
pub fn find_hot_keys(client: &mut Client) -> Result<(), Exit> {
    interrupt::watch_loop();
    let total_keys = key_count(client)?;
    print(introduction("hot").as_bytes())?;
    // The hottest so far, the coldest of them first.
    let mut hottest: Vec<(i64, String)> = Vec::new();
    let (mut sampled, mut percent) = (0u64, 0.0);
    let mut walk = Walk::default();
    for round in 1u64.. {
        percent = 100.0 * sampled as f64 / total_keys as f64;
        let Some(keys) = walk.next(client)? else {
            break;
        };
        let counters = ask_counters(client, &keys)?;
        for (key, counter) in keys.iter().zip(counters) {
            sampled += 1;
            if sampled % 1_000_000 == 0 {
                print(format!("[{percent:05.2}%] Sampled {sampled} keys so far\n").as_bytes())?;
            }
            let place = hottest.partition_point(|(other, _)| *other < counter);
            if counter == 0 || (place == 0 && hottest.len() == REPORTED_MAX) {
                continue;
            }
            let key = quoted(key);
            let line =
                format!("[{percent:05.2}%] Hot key '{key}' found so far with counter {counter}\n");
            print(line.as_bytes())?;
            hottest.insert(place, (counter, key));
            if hottest.len() > REPORTED_MAX {
                hottest.remove(0);
            }
        }
        pause(client, round);
    }
    let mut out = String::from("\n-------- summary -------\n\n");
    if interrupt::requested() {
        out.push_str(&format!("[{percent:05.2}%] "));
    }
    out.push_str(&format!("Sampled {sampled} keys in the keyspace!\n"));
    for (counter, key) in hottest.iter().rev() {
        out.push_str(&format!(
            "hot key found with counter: {counter}\tkeyname: {key}\n"
        ));
    }
    print(out.as_bytes())
}

fn ask_counters(client: &mut Client, keys: &[Vec<u8>]) -> Result<Vec<i64>, Exit> {
    for key in keys {
        client.send(&[b"OBJECT", b"FREQ", key])?;
    }
    let mut counters = Vec::with_capacity(keys.len());
    for key in keys {
        match client.receive_reply() {
            Ok(Value::Integer(counter)) => counters.push(counter),
            Ok(Value::Error(text)) => {
                eprintln!("Error: {}", String::from_utf8_lossy(&text));
                return Err(Exit(1));
            }
            Ok(_) => {
                let key = quoted(key);
                eprintln!("Warning: OBJECT freq on '{key}' failed (may have been deleted)");
                counters.push(0);
            }
            Err(error) => {
                eprintln!("Error getting freq for key '{}' ({error})", quoted(key));
                return Err(Exit(1));
            }
        }
    }
    Ok(counters)
}
