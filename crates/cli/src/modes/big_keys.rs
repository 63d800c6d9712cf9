//! `--bigkeys` and `--memkeys`: which key of each type is the biggest, and how big keys
//! are on the whole.

use std::thread;

use oxidis_resp::Value;

use super::scan::Walk;
use crate::client::{Client, Exit, print};
use crate::interrupt;
use crate::text::quoted;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// How many elements a key has, or how long a string is.
    Elements,
    /// How many bytes of memory it takes, sampling so many elements where given.
    Memory { samples: Option<u64> },
}

/// What was found of one type.
struct TypeSummary {
    name: String,
    /// The command that answers a key's size, none for types that we do not know.
    size_command: Option<&'static str>,
    unit: &'static str,
    count: u64,
    total_size: u64,
    biggest_size: u64,
    biggest_key: Option<String>,
}

/// The types that every server has, with their size commands and units.
const TYPES: [(&str, &str, &str); 6] = [
    ("string", "STRLEN", "bytes"),
    ("list", "LLEN", "items"),
    ("set", "SCARD", "members"),
    ("hash", "HLEN", "fields"),
    ("zset", "ZCARD", "members"),
    ("stream", "XLEN", "entries"),
];

/// Walks over all keys and prints each that is the biggest of its type so far, then a
/// summary.
pub fn find_big_keys(client: &mut Client, measure: Measure) -> Result<(), Exit> {
    interrupt::watch_loop();
    let total_keys = key_count(client)?;
    print(introduction("biggest").as_bytes())?;
    let mut types: Vec<TypeSummary> = TYPES
        .iter()
        .map(|&(name, command, unit)| TypeSummary::new(name, Some(command), unit, measure))
        .collect();
    let (mut sampled, mut total_length, mut percent) = (0u64, 0u64, 0.0);
    let mut walk = Walk::default();
    for round in 1u64.. {
        percent = 100.0 * sampled as f64 / total_keys as f64;
        let Some(keys) = walk.next(client)? else {
            break;
        };
        let key_types = ask_types(client, &keys, &mut types, measure)?;
        let sizes = ask_sizes(client, &keys, &key_types, &types, measure)?;
        for ((key, key_type), size) in keys.iter().zip(key_types).zip(sizes) {
            let Some(key_type) = key_type else { continue };
            let summary = &mut types[key_type];
            summary.count += 1;
            summary.total_size += size;
            total_length += key.len() as u64;
            sampled += 1;
            if summary.biggest_size < size {
                let (name, unit, key) = (&summary.name, summary.unit, quoted(key));
                let line = format!(
                    "[{percent:05.2}%] Biggest {name:<6} found so far '{key}' with {size} {unit}\n"
                );
                print(line.as_bytes())?;
                summary.biggest_size = size;
                summary.biggest_key = Some(key);
            }
            if sampled % 1_000_000 == 0 {
                print(format!("[{percent:05.2}%] Sampled {sampled} keys so far\n").as_bytes())?;
            }
        }
        pause(client, round);
    }
    let mut out = String::from("\n-------- summary -------\n\n");
    if interrupt::requested() {
        out.push_str(&format!("[{percent:05.2}%] "));
    }
    let average = total_length as f64 / sampled.max(1) as f64;
    out.push_str(&format!(
        "Sampled {sampled} keys in the keyspace!\n\
         Total key length in bytes is {total_length} (avg len {average:.2})\n\n"
    ));
    for TypeSummary {
        name,
        biggest_key,
        biggest_size,
        unit,
        ..
    } in &types
    {
        if let Some(key) = biggest_key {
            out.push_str(&format!(
                "Biggest {name:>6} found '{key}' has {biggest_size} {unit}\n"
            ));
        }
    }
    out.push('\n');
    for TypeSummary {
        name,
        count,
        total_size,
        unit,
        ..
    } in &types
    {
        let share = 100.0 * *count as f64 / sampled.max(1) as f64;
        let average = *total_size as f64 / (*count).max(1) as f64;
        out.push_str(&format!(
            "{count} {name}s with {total_size} {unit} ({share:05.2}% of keys, avg size {average:.2})\n"
        ));
    }
    print(out.as_bytes())
}

impl TypeSummary {
    fn new(
        name: &str,
        size_command: Option<&'static str>,
        unit: &'static str,
        measure: Measure,
    ) -> TypeSummary {
        TypeSummary {
            name: name.into(),
            size_command,
            unit: if measure == Measure::Elements {
                unit
            } else {
                "bytes"
            },
            count: 0,
            total_size: 0,
            biggest_size: 0,
            biggest_key: None,
        }
    }
}

/// The first lines of the modes that walk over all keys, as `redis-cli` has them.
pub fn introduction(goal: &str) -> String {
    let blank_lines = "\n\n";
    format!(
        "\n# Scanning the entire keyspace to find {goal} keys as well as\n\
         # average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec\n\
         # per 100 SCAN commands (not usually needed).{blank_lines}"
    )
}

/// Sleeps as long as `-i` says after every hundredth round.
pub fn pause(client: &Client, round: u64) {
    if round.is_multiple_of(100) {
        thread::sleep(client.options.interval);
    }
}

/// How many keys the database has.
pub fn key_count(client: &mut Client) -> Result<u64, Exit> {
    let problem = match client.call(&[b"DBSIZE"]) {
        Ok(Value::Integer(count)) => return Ok(count.max(0) as u64),
        Ok(Value::Error(text)) => {
            format!(
                "Couldn't determine DBSIZE: {}",
                String::from_utf8_lossy(&text)
            )
        }
        Ok(_) => "Non INTEGER response from DBSIZE!".into(),
        Err(_) => "\nI/O error".into(),
    };
    eprintln!("{problem}");
    Err(Exit(1))
}

/// Answers for each key the place of its type in `types`, which grows by types that are
/// not known yet, and `None` for keys that are gone by now.
fn ask_types(
    client: &mut Client,
    keys: &[Vec<u8>],
    types: &mut Vec<TypeSummary>,
    measure: Measure,
) -> Result<Vec<Option<usize>>, Exit> {
    for key in keys {
        client.send(&[b"TYPE", key])?;
    }
    let mut key_types = Vec::with_capacity(keys.len());
    for key in keys {
        let name = match client.receive_reply() {
            Ok(Value::Simple(name)) => String::from_utf8_lossy(&name).into_owned(),
            Ok(Value::Error(text)) => {
                eprintln!("TYPE returned an error: {}", String::from_utf8_lossy(&text));
                return Err(Exit(1));
            }
            Ok(_) => {
                let key = String::from_utf8_lossy(key);
                eprintln!("Invalid reply type for TYPE on key '{key}'!");
                return Err(Exit(1));
            }
            Err(error) => {
                let key = String::from_utf8_lossy(key);
                eprintln!("Error getting type for key '{key}' ({error})");
                return Err(Exit(1));
            }
        };
        let known = types.iter().position(|summary| summary.name == name);
        key_types.push(known.or_else(|| {
            (name != "none").then(|| {
                types.push(TypeSummary::new(&name, None, "?", measure));
                types.len() - 1
            })
        }));
    }
    Ok(key_types)
}

fn ask_sizes(
    client: &mut Client,
    keys: &[Vec<u8>],
    key_types: &[Option<usize>],
    types: &[TypeSummary],
    measure: Measure,
) -> Result<Vec<u64>, Exit> {
    let command = |key_type: Option<usize>| match measure {
        Measure::Elements => types[key_type?].size_command,
        Measure::Memory { .. } => key_type.and(Some("MEMORY USAGE")),
    };
    for (key, &key_type) in keys.iter().zip(key_types) {
        let Some(command) = command(key_type) else {
            continue;
        };
        let mut request: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        request.push(key);
        let samples = match measure {
            Measure::Memory {
                samples: Some(samples),
            } if samples > 0 => samples.to_string(),
            _ => String::new(),
        };
        if !samples.is_empty() {
            request.extend([&b"SAMPLES"[..], samples.as_bytes()]);
        }
        client.send(&request)?;
    }
    let mut sizes = Vec::with_capacity(keys.len());
    for (key, &key_type) in keys.iter().zip(key_types) {
        let Some(command) = command(key_type) else {
            sizes.push(0);
            continue;
        };
        match client.receive_reply() {
            Ok(Value::Integer(size)) => sizes.push(size.max(0) as u64),
            Ok(_) => {
                let key = String::from_utf8_lossy(key);
                eprintln!("Warning:  {command} on '{key}' failed (may have changed type)");
                sizes.push(0);
            }
            Err(error) => {
                let key = String::from_utf8_lossy(key);
                eprintln!("Error getting size for key '{key}' ({error})");
                return Err(Exit(1));
            }
        }
    }
    Ok(sizes)
}
