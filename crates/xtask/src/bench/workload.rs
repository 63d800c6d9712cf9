//! The requests that are measured: for each command a preformatted request in which only digits
//! change, so that making the next one costs the client next to nothing.

use oxidis_benchmark::request::{NUMBER_DIGITS, Part, Template};

/// How long values are.
pub const VALUE: &str = "0123456789abcdef";

/// Keys of strings, as many as the run loads.
const STRING_PREFIX: &str = "key:";

/// The collections are spread over so many keys, and so many different members.
const COLLECTIONS: u64 = 1_000;
const MEMBERS: u64 = 3_000;

/// Counters are spread over so many keys.
const COUNTERS: u64 = 100_000;

/// The lists that LRANGE_100 reads, and their length.
const RANGE_LISTS: u64 = 1_000;
const RANGE_LENGTH: usize = 100;

/// A request of words separated by spaces; `{N}` in a word stands for digits of a number below N.
pub fn template(text: &str) -> Template {
    let arguments: Vec<Vec<Part<'_>>> = text.split(' ').map(parts).collect();
    Template::command(&arguments)
}

fn parts(word: &str) -> Vec<Part<'_>> {
    let slot = word
        .split_once('{')
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    match slot {
        Some((before, (below, after))) => {
            let below = below.parse().expect("a bound is a number");
            let number = Part::Number { below };
            vec![
                Part::Text(before.as_bytes()),
                number,
                Part::Text(after.as_bytes()),
            ]
        }
        None => vec![Part::Text(word.as_bytes())],
    }
}

/// A request as [`set`] makes them, as words: it sets the key of this number.
pub fn set_one(number: u64) -> [String; 3] {
    let digits = NUMBER_DIGITS;
    let key = format!("{STRING_PREFIX}{number:0digits$}");
    ["SET".to_owned(), key, VALUE.to_owned()]
}

/// Sets one of so many keys.
pub fn set(keys: u64) -> Template {
    template(&format!("SET {STRING_PREFIX}{{{keys}}} {VALUE}"))
}

/// One command that is measured.
#[derive(Debug)]
pub struct Workload {
    /// Its name in the tables.
    pub name: &'static str,
    /// Its requests.
    pub template: Template,
    /// How many requests one measurement takes, as a share of the cheapest command's.
    pub share: f64,
}

/// The commands in the order in which they are measured: RPOP empties the lists that LPUSH filled.
pub fn workloads(keys: u64) -> Vec<Workload> {
    let workload = |name, share, text: String| Workload {
        name,
        share,
        template: template(&text),
    };
    vec![
        workload("GET", 1.0, format!("GET {STRING_PREFIX}{{{keys}}}")),
        Workload {
            name: "SET",
            share: 1.0,
            template: set(keys),
        },
        workload("INCR", 1.0, format!("INCR counter:{{{COUNTERS}}}")),
        workload(
            "LPUSH",
            1.0,
            format!("LPUSH list:{{{COLLECTIONS}}} {VALUE}"),
        ),
        workload("RPOP", 1.0, format!("RPOP list:{{{COLLECTIONS}}}")),
        workload(
            "SADD",
            1.0,
            format!("SADD set:{{{COLLECTIONS}}} member:{{{MEMBERS}}}"),
        ),
        workload(
            "HSET",
            1.0,
            format!("HSET hash:{{{COLLECTIONS}}} field:{{{MEMBERS}}} {VALUE}"),
        ),
        workload(
            "ZADD",
            1.0,
            format!("ZADD zset:{{{COLLECTIONS}}} {{{MEMBERS}}} member:{{{MEMBERS}}}"),
        ),
        workload(
            "LRANGE_100",
            0.1,
            format!("LRANGE range:{{{RANGE_LISTS}}} 0 {}", RANGE_LENGTH - 1),
        ),
    ]
}

/// What is loaded before anything is measured: requests whose numbers count up, and how many.
pub fn loads(keys: u64) -> Vec<(Template, u64)> {
    let values = vec![VALUE; RANGE_LENGTH].join(" ");
    vec![
        (set(keys), keys),
        (
            template(&format!("RPUSH range:{{{RANGE_LISTS}}} {values}")),
            RANGE_LISTS,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_templates_name_the_same_keys() {
        let mut batch = set(100).batch(1);
        batch.count_from(42);
        let [command, key, value] = set_one(42);
        let expected = format!("*3\r\n$3\r\n{command}\r\n$16\r\n{key}\r\n$16\r\n{value}\r\n");
        assert_eq!(
            batch.bytes().escape_ascii().to_string(),
            expected.escape_default().to_string()
        );
    }

    #[test]
    fn a_bound_in_braces_stands_for_digits() {
        let template = template("SET key:{1000}x v");
        assert_eq!(
            template.bytes().escape_ascii().to_string(),
            r"*3\r\n$3\r\nSET\r\n$17\r\nkey:000000000000x\r\n$1\r\nv\r\n"
        );
    }
}
