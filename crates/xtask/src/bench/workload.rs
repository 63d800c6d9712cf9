//! The requests that are measured: for each command a preformatted request in which only digits
//! change, so that making the next one costs the client next to nothing.

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

/// How many digits stand in a changing place.
const DIGITS: usize = 12;

/// A changing place of a request: where its digits start, and below what the number stays.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    offset: usize,
    below: u64,
}

/// One request, preformatted.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

impl Template {
    /// Words separated by spaces; `{N}` in a word stands for digits of a number below N.
    fn new(text: &str) -> Self {
        let words: Vec<&str> = text.split(' ').collect();
        let mut template = Self {
            bytes: format!("*{}\r\n", words.len()).into_bytes(),
            slots: Vec::new(),
        };
        for word in words {
            template.push_word(word);
        }
        template
    }

    fn push_word(&mut self, word: &str) {
        let (before, slot, after) = match word
            .split_once('{')
            .and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        {
            Some((before, (below, after))) => (before, below.parse::<u64>().ok(), after),
            None => (word, None, ""),
        };
        let len = before.len() + after.len() + if slot.is_some() { DIGITS } else { 0 };
        self.bytes
            .extend_from_slice(format!("${len}\r\n{before}").as_bytes());
        if let Some(below) = slot {
            self.slots.push(Slot {
                offset: self.bytes.len(),
                below,
            });
            self.bytes.extend_from_slice(&[b'0'; DIGITS]);
        }
        self.bytes.extend_from_slice(after.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// So many requests one after the other.
    pub fn batch(&self, depth: usize) -> Batch {
        let mut slots = Vec::new();
        for index in 0..depth {
            let start = index * self.bytes.len();
            slots.extend(self.slots.iter().map(|slot| Slot {
                offset: start + slot.offset,
                ..*slot
            }));
        }
        Batch {
            bytes: self.bytes.repeat(depth),
            slots,
        }
    }
}

/// Preformatted requests that travel together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What is sent.
    pub bytes: Vec<u8>,
    slots: Vec<Slot>,
}

impl Batch {
    /// Draws all numbers anew.
    pub fn draw(&mut self, random: &mut fastrand::Rng) {
        for slot in &self.slots {
            write_digits(
                &mut self.bytes[slot.offset..slot.offset + DIGITS],
                random.u64(..slot.below),
            );
        }
    }

    /// Sets the numbers to `first`, `first + 1` and so on; returns the one after the last.
    pub fn count_from(&mut self, first: u64) -> u64 {
        let mut number = first;
        for slot in &self.slots {
            write_digits(&mut self.bytes[slot.offset..slot.offset + DIGITS], number);
            number += 1;
        }
        number
    }
}

fn write_digits(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
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
        template: Template::new(&text),
    };
    vec![
        workload("GET", 1.0, format!("GET {STRING_PREFIX}{{{keys}}}")),
        workload("SET", 1.0, format!("SET {STRING_PREFIX}{{{keys}}} {VALUE}")),
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
        (
            Template::new(&format!("SET {STRING_PREFIX}{{{keys}}} {VALUE}")),
            keys,
        ),
        (
            Template::new(&format!("RPUSH range:{{{RANGE_LISTS}}} {values}")),
            RANGE_LISTS,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_digits_of_a_request_change() {
        let mut batch = Template::new("SET key:{1000} v").batch(2);
        let next = batch.count_from(998);
        assert_eq!(next, 1000);
        let text = String::from_utf8(batch.bytes.clone()).unwrap();
        assert_eq!(
            text,
            "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000998\r\n$1\r\nv\r\n*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000999\r\n$1\r\nv\r\n"
        );
        batch.count_from(5);
        assert!(
            String::from_utf8(batch.bytes)
                .unwrap()
                .contains("key:000000000005")
        );
    }
}
