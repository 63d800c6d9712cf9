//! Compares whole key spaces. It asks both servers the same questions about every key and judges
//! the answers by the common rules: it knows no more about types than which command reads one.

use std::io;

use crate::client::{Client, Words};
use crate::rules::Comparison;

/// How many databases are compared: as many as the generator writes to.
const DATABASES: u8 = 4;

/// Says how the two key spaces differ; `None` when they do not. Both connections must be outside of
/// transactions; their selected database changes.
///
/// # Errors
/// When a connection fails.
pub fn difference(expected: &mut Client, actual: &mut Client) -> io::Result<Option<String>> {
    for database in 0..DATABASES {
        let select = words(&["SELECT", &database.to_string()]);
        if let Some(text) = ask(expected, actual, &[select, words(&["KEYS", "*"])])? {
            return Ok(Some(format!("database {database}: {text}")));
        }
        if let Some(text) = keys_difference(expected, actual)? {
            return Ok(Some(format!("database {database}: {text}")));
        }
    }
    Ok(None)
}

/// Has a server delete the keys whose time is over: SCAN does so with those that it meets.
///
/// # Errors
/// When the connection fails.
pub fn delete_expired(client: &mut Client) -> io::Result<()> {
    for database in 0..DATABASES {
        client.command(&["SELECT", &database.to_string()])?;
        client.command(&["SCAN", "0", "COUNT", "1000000"])?;
    }
    Ok(())
}

fn keys_difference(expected: &mut Client, actual: &mut Client) -> io::Result<Option<String>> {
    let listing = expected.command(&["KEYS", "*"])?;
    let mut keys: Vec<Vec<u8>> = listing
        .elements()
        .unwrap_or_default()
        .iter()
        .filter_map(|key| key.bytes().map(<[u8]>::to_vec))
        .collect();
    keys.sort();
    let types: Vec<Words> = keys
        .iter()
        .map(|key| vec![b"TYPE".to_vec(), key.clone()])
        .collect();
    let types = expected.pipeline(&types)?;
    let mut questions = Vec::new();
    for (key, kind) in keys.iter().zip(&types) {
        let about = |front: &[&str], back: &[&str]| {
            let mut question = words(front);
            question.push(key.clone());
            question.extend(words(back));
            question
        };
        questions.push(about(&["TYPE"], &[]));
        questions.push(about(&["OBJECT", "ENCODING"], &[]));
        questions.push(about(&["PTTL"], &[]));
        questions.push(match kind.text().as_str() {
            "list" => about(&["LRANGE"], &["0", "-1"]),
            "hash" => about(&["HGETALL"], &[]),
            "set" => about(&["SMEMBERS"], &[]),
            "zset" => about(&["ZRANGE"], &["0", "-1", "WITHSCORES"]),
            "stream" => about(&["XINFO", "STREAM"], &["FULL", "COUNT", "0"]),
            _ => about(&["GET"], &[]),
        });
    }
    ask(expected, actual, &questions)
}

fn ask(
    expected: &mut Client,
    actual: &mut Client,
    questions: &[Words],
) -> io::Result<Option<String>> {
    let one = expected.pipeline(questions)?;
    let other = actual.pipeline(questions)?;
    let mut comparison = Comparison::default();
    let mut rows = questions.iter().zip(one.iter().zip(&other));
    Ok(rows.find_map(|(question, (one, other))| {
        let text = comparison.difference(question, one, other)?;
        Some(format!("{}: {text}", crate::reply::join_words(question)))
    }))
}

fn words(texts: &[&str]) -> Words {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
