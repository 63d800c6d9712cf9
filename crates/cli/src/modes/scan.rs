//! Walking the key space with SCAN: `--scan`, and the walk that the other sampling
//! modes share.

use std::thread;

use oxidis_resp::Value;
use oxidis_resp::inline::quote_into;

use crate::arguments::Output;
use crate::client::{Client, Exit, print};
use crate::interrupt;

/// A walk over all keys that match what the command line asked for.
#[derive(Default)]
pub struct Walk {
    cursor: Vec<u8>,
}

impl Walk {
    /// Answers the next keys, `None` at the end of the walk or after Ctrl-C.
    pub fn next(&mut self, client: &mut Client) -> Result<Option<Vec<Vec<u8>>>, Exit> {
        match self.cursor.as_slice() {
            b"" => self.cursor = b"0".to_vec(),
            b"0" => return Ok(None),
            _ if interrupt::requested() => return Ok(None),
            _ => {}
        }
        let (pattern, key_type) = (
            client.options.pattern.clone(),
            client.options.key_type.clone(),
        );
        let mut request: Vec<&[u8]> = vec![b"SCAN", &self.cursor];
        if let Some(pattern) = &pattern {
            request.extend([&b"MATCH"[..], pattern]);
        }
        if let Some(key_type) = &key_type {
            request.extend([&b"TYPE"[..], key_type]);
        }
        let problem = match client.call(&request) {
            Ok(Value::Array(mut parts)) if parts.len() == 2 => match (parts.pop(), parts.pop()) {
                (Some(Value::Array(keys)), Some(Value::Bulk(cursor))) => {
                    self.cursor = cursor;
                    return Ok(Some(keys.into_iter().filter_map(bytes).collect()));
                }
                _ => "Invalid element types from SCAN!".into(),
            },
            Ok(Value::Array(_)) => "Invalid element count from SCAN!".into(),
            Ok(Value::Error(text)) => format!("SCAN error: {}", String::from_utf8_lossy(&text)),
            Ok(_) => "Non ARRAY response from SCAN!".into(),
            Err(_) => "\nI/O error".into(),
        };
        eprintln!("{problem}");
        Err(Exit(1))
    }
}

fn bytes(key: Value) -> Option<Vec<u8>> {
    match key {
        Value::Bulk(bytes) => Some(bytes),
        _ => None,
    }
}

/// Prints every key on a line of its own.
pub fn list_keys(client: &mut Client) -> Result<(), Exit> {
    interrupt::watch_loop();
    let quoted = client.options.output == Output::Standard;
    let mut walk = Walk::default();
    while let Some(keys) = walk.next(client)? {
        let mut lines = Vec::new();
        for key in keys {
            if quoted {
                quote_into(&mut lines, &key);
            } else {
                lines.extend_from_slice(&key);
            }
            lines.push(b'\n');
        }
        print(&lines)?;
        thread::sleep(client.options.interval);
    }
    Ok(())
}
