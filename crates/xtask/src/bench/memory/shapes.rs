//! The data sets that are loaded: keys and values of 16 bytes, unless a shape says otherwise.

use oxidis_benchmark::load::Numbers;
use oxidis_benchmark::request::Template;

use super::super::workload::{self, VALUE};

/// How many fields the hashes have that are many.
const FIELDS: u64 = 10;

/// A data set.
#[derive(Debug)]
pub(super) struct Shape {
    /// Its name in the table.
    pub(super) name: &'static str,
    /// What is counted.
    pub(super) unit: &'static str,
    /// The requests that make it.
    pub(super) template: Template,
    /// How the numbers in them follow each other.
    pub(super) numbers: Numbers,
    /// How many units a request makes.
    pub(super) units_per_request: u64,
    /// Resident bytes a unit that Oxidis is to take at most.
    pub(super) goal_bytes: f64,
}

/// All shapes with so many units each.
///
/// Members of sorted sets come in no order: in order, each would lie behind the last, and what is sorted would be
/// filled as it never is. Numbers are 16 digits long. Stream entries have one field of one byte and a value of one
/// byte, as their figures for other servers in the goals' table have them.
pub(super) fn shapes(units: u64) -> Vec<Shape> {
    let shape = |name, unit, goal_bytes, request: String| Shape {
        name,
        unit,
        template: workload::template(&request),
        numbers: Numbers::Counting,
        units_per_request: 1,
        goal_bytes,
    };
    let fields: String = (0..FIELDS).map(|n| format!(" f{n} {VALUE}")).collect();
    vec![
        shape(
            "string",
            "key",
            52.0,
            format!("SET key:{{{units}}} {VALUE}"),
        ),
        shape(
            "string with TTL",
            "key",
            60.0,
            format!("SET key:{{{units}}} {VALUE} EX 1000000"),
        ),
        shape(
            "int value",
            "key",
            40.0,
            // Each request takes two numbers.
            format!("SET key:{{{0}}} 1000{{{0}}}", units * 2),
        ),
        Shape {
            units_per_request: FIELDS,
            ..shape(
                "hashes of 10",
                "field",
                25.0,
                format!("HSET hsh:{{{units}}}{fields}"),
            )
        },
        shape(
            "big hash",
            "field",
            48.0,
            format!("HSET hash fld:{{{units}}} {VALUE}"),
        ),
        Shape {
            numbers: Numbers::Scattered,
            ..shape(
                "big sorted set",
                "member",
                52.0,
                format!("ZADD zset {{{0}}} mem:{{{0}}}", units * 2),
            )
        },
        shape(
            "big set",
            "member",
            34.0,
            format!("SADD set mem:{{{units}}}"),
        ),
        shape(
            "big list",
            "element",
            18.0,
            format!("RPUSH list val:{{{units}}}"),
        ),
        shape("stream", "entry", 12.0, "XADD stream * f v".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of the first request of a shape.
    fn words(name: &str) -> Vec<String> {
        let shape = shapes(1_000_000)
            .into_iter()
            .find(|it| it.name == name)
            .unwrap();
        let text = String::from_utf8(shape.template.bytes().to_vec()).unwrap();
        let lines = text.split("\r\n").skip(2).step_by(2);
        lines
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn keys_members_and_values_are_of_16_bytes() {
        for (name, places) in [
            ("string", &[1, 2][..]),
            ("string with TTL", &[1, 2]),
            ("int value", &[1, 2]),
            ("hashes of 10", &[1, 3, 21]),
            ("big hash", &[2, 3]),
            ("big sorted set", &[3]),
            ("big set", &[2]),
            ("big list", &[2]),
        ] {
            let words = words(name);
            for &place in places {
                assert_eq!(words[place].len(), 16, "{name}: {words:?}");
            }
        }
    }

    #[test]
    fn a_hash_of_ten_counts_as_ten() {
        let words = words("hashes of 10");
        assert_eq!(words.len(), 2 + 2 * FIELDS as usize);
    }
}
