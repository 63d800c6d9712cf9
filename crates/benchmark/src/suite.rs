//! Which requests are measured: the tests that run where no command is given, in their order, and
//! how placeholders in words become changing places.

use crate::request::{Part, Template};

/// What a number stands for in a command, where numbers are asked for.
const NUMBER_PLACEHOLDER: &[u8] = b"__rand_int__";

/// What the value stands for in a command.
const DATA_PLACEHOLDER: &[u8] = b"__data__";

/// One test.
#[derive(Debug)]
pub struct Test {
    /// What it is called in the output.
    pub title: &'static str,
    /// The names that select it.
    names: &'static [&'static str],
    request: Request,
}

#[derive(Debug)]
enum Request {
    Inline(&'static str),
    /// Words separated by spaces.
    Command(String),
}

impl Test {
    /// Whether this name, in lower case, selects the test.
    pub fn is_called(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    /// The request of the test.
    pub fn template(&self, filling: &Filling<'_>) -> Template {
        match &self.request {
            Request::Inline(line) => Template::raw(format!("{line}\r\n").as_bytes()),
            Request::Command(text) => {
                let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
                filling.command(&words)
            }
        }
    }
}

/// All tests, in the order in which they run: those that take away run after those that put there
/// what they take.
pub fn tests(has_numbers: bool) -> Vec<Test> {
    let command = |names, title, words: &str| Test {
        title,
        names,
        request: Request::Command(words.to_owned()),
    };
    let score = if has_numbers { "__rand_int__" } else { "0" };
    vec![
        Test {
            title: "PING_INLINE",
            names: &["ping_inline", "ping"],
            request: Request::Inline("PING"),
        },
        command(&["ping_mbulk", "ping"], "PING_MBULK", "PING"),
        command(&["set"], "SET", "SET key:__rand_int__ __data__"),
        command(&["get"], "GET", "GET key:__rand_int__"),
        command(&["incr"], "INCR", "INCR counter:__rand_int__"),
        command(&["lpush"], "LPUSH", "LPUSH mylist __data__"),
        command(&["rpush"], "RPUSH", "RPUSH mylist __data__"),
        command(&["lpop"], "LPOP", "LPOP mylist"),
        command(&["rpop"], "RPOP", "RPOP mylist"),
        command(&["sadd"], "SADD", "SADD myset element:__rand_int__"),
        command(
            &["hset"],
            "HSET",
            "HSET myhash element:__rand_int__ __data__",
        ),
        command(&["spop"], "SPOP", "SPOP myset"),
        command(
            &["zadd"],
            "ZADD",
            &format!("ZADD myzset {score} element:__rand_int__"),
        ),
        command(&["zpopmin"], "ZPOPMIN", "ZPOPMIN myzset"),
        command(
            &[
                "lrange",
                "lrange_100",
                "lrange_300",
                "lrange_500",
                "lrange_600",
            ],
            "LPUSH (needed to benchmark LRANGE)",
            "LPUSH mylist __data__",
        ),
        command(
            &["lrange", "lrange_100"],
            "LRANGE_100 (first 100 elements)",
            "LRANGE mylist 0 99",
        ),
        command(
            &["lrange", "lrange_300"],
            "LRANGE_300 (first 300 elements)",
            "LRANGE mylist 0 299",
        ),
        command(
            &["lrange", "lrange_500"],
            "LRANGE_500 (first 500 elements)",
            "LRANGE mylist 0 499",
        ),
        command(
            &["lrange", "lrange_600"],
            "LRANGE_600 (first 600 elements)",
            "LRANGE mylist 0 599",
        ),
        command(
            &["mset"],
            "MSET (10 keys)",
            &format!("MSET{}", " key:__rand_int__ __data__".repeat(10)),
        ),
    ]
}

/// What placeholders are filled with.
#[derive(Debug, Clone, Copy)]
pub struct Filling<'a> {
    /// The value.
    pub data: &'a [u8],
    /// Below what numbers stay; without it their placeholder is sent as it stands.
    pub numbers_below: Option<u64>,
}

impl Filling<'_> {
    /// A command of these words.
    pub fn command(&self, words: &[&[u8]]) -> Template {
        let arguments: Vec<Vec<Vec<u8>>> = words
            .iter()
            .map(|word| match self.numbers_below {
                // The value itself may hold anything: it is put in after numbers were looked for.
                Some(_) => split(word, NUMBER_PLACEHOLDER)
                    .map(|text| self.put_data(text))
                    .collect(),
                None => vec![self.put_data(word)],
            })
            .collect();
        let number = self.numbers_below.map(|below| Part::Number { below });
        let arguments: Vec<Vec<Part<'_>>> = arguments
            .iter()
            .map(|texts| {
                let mut parts = Vec::new();
                for (index, text) in texts.iter().enumerate() {
                    if index > 0 {
                        parts.extend(number);
                    }
                    parts.push(Part::Text(text));
                }
                parts
            })
            .collect();
        Template::command(&arguments)
    }

    fn put_data(&self, text: &[u8]) -> Vec<u8> {
        split(text, DATA_PLACEHOLDER)
            .collect::<Vec<_>>()
            .join(self.data)
    }
}

/// What stands before, between and behind the places where `separator` stands.
fn split<'a>(text: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let at = text
            .windows(separator.len())
            .position(|window| window == separator);
        rest = at.map(|at| &text[at + separator.len()..]);
        Some(at.map_or(text, |at| &text[..at]))
    })
}

/// A value of so many bytes: letters and digits, always the same for the same generator.
pub fn make_data(len: usize, random: &mut fastrand::Rng) -> Vec<u8> {
    (0..len).map(|_| random.alphanumeric() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(template: &Template) -> String {
        let text = String::from_utf8(template.bytes().to_vec()).unwrap();
        text.replace("\r\n", " ")
    }

    fn selected(names: &[&str]) -> Vec<&'static str> {
        let tests = tests(false);
        let chosen = tests
            .iter()
            .filter(|test| names.iter().any(|name| test.is_called(name)));
        chosen.map(|test| test.title).collect()
    }

    #[test]
    fn placeholders_are_filled() {
        let filling = Filling {
            data: b"a__rand_int__",
            numbers_below: Some(10),
        };
        let template =
            filling.command(&[b"X", b"__rand_int__:__rand_int__x", b"<__data____data__>"]);
        assert_eq!(
            sent(&template),
            "*3 $1 X $26 000000000000:000000000000x $28 <a__rand_int__a__rand_int__> "
        );
        let mut batch = template.batch(1);
        batch.count_from(1);
        let text = String::from_utf8(batch.bytes().to_vec()).unwrap();
        assert!(text.contains("000000000002:000000000003x"), "{text}");
    }

    #[test]
    fn without_numbers_their_placeholder_stays() {
        let filling = Filling {
            data: b"v",
            numbers_below: None,
        };
        let template = filling.command(&[b"SET", b"k:__rand_int__", b"__data__"]);
        assert_eq!(sent(&template), "*3 $3 SET $14 k:__rand_int__ $1 v ");
    }

    #[test]
    fn names_select_tests_as_people_know_them() {
        assert_eq!(selected(&["ping"]), ["PING_INLINE", "PING_MBULK"]);
        assert_eq!(selected(&["get", "set"]), ["SET", "GET"]);
        assert_eq!(
            selected(&["lrange_300"]),
            [
                "LPUSH (needed to benchmark LRANGE)",
                "LRANGE_300 (first 300 elements)"
            ]
        );
        assert_eq!(selected(&["lrange"]).len(), 5);
        assert!(selected(&["nothing"]).is_empty());
    }

    #[test]
    fn the_requests_of_the_tests() {
        let requests = |has_numbers: bool| -> Vec<String> {
            let filling = Filling {
                data: b"xyz",
                numbers_below: has_numbers.then_some(5),
            };
            let tests = tests(has_numbers);
            tests
                .iter()
                .map(|test| sent(&test.template(&filling)))
                .collect()
        };
        let fixed = requests(false);
        assert_eq!(fixed[0], "PING ");
        assert_eq!(fixed[1], "*1 $4 PING ");
        assert_eq!(fixed[2], "*3 $3 SET $16 key:__rand_int__ $3 xyz ");
        assert_eq!(
            fixed[12],
            "*4 $4 ZADD $6 myzset $1 0 $20 element:__rand_int__ "
        );
        let drawn = requests(true);
        assert_eq!(
            drawn[12],
            "*4 $4 ZADD $6 myzset $12 000000000000 $20 element:000000000000 "
        );
        assert_eq!(drawn[19].matches("$16 key:000000000000 $3 xyz").count(), 10);
    }

    #[test]
    fn data_has_its_length() {
        let mut random = fastrand::Rng::with_seed(1);
        let data = make_data(100, &mut random);
        assert_eq!(data.len(), 100);
        assert!(data.iter().all(u8::is_ascii_alphanumeric));
        assert_ne!(data, make_data(100, &mut random));
    }
}
