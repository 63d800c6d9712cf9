//! The requests that are sent: preformatted bytes in which only digits change, so that making the
//! next request costs next to nothing.

/// How many digits stand in a changing place.
pub const NUMBER_DIGITS: usize = 12;

/// More than what can be written with so many digits.
const SCATTERING_PRIME: u64 = 1_000_000_000_039;

/// A piece of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Bytes that stay.
    Text(&'a [u8]),
    /// [`NUMBER_DIGITS`] digits, of a number that changes from request to request.
    Number {
        /// Numbers are smaller than this, but for 0, which is always allowed.
        below: u64,
    },
}

/// A changing place: where its digits start, and below what the number stays.
#[derive(Debug, Clone, Copy)]
struct Slot {
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
    /// A command, as an array of bulk strings; each argument is given by its parts.
    pub fn command<'a>(arguments: &[Vec<Part<'a>>]) -> Self {
        let mut template = Self::raw(format!("*{}\r\n", arguments.len()).as_bytes());
        for parts in arguments {
            template.push_argument(parts);
        }
        template
    }

    /// Bytes to send as they are.
    pub fn raw(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            slots: Vec::new(),
        }
    }

    fn push_argument(&mut self, parts: &[Part<'_>]) {
        let len_of = |part: &Part<'_>| match part {
            Part::Text(text) => text.len(),
            Part::Number { .. } => NUMBER_DIGITS,
        };
        let len: usize = parts.iter().map(len_of).sum();
        self.bytes.extend(format!("${len}\r\n").bytes());
        for part in parts {
            match *part {
                Part::Text(text) => self.bytes.extend_from_slice(text),
                Part::Number { below } => {
                    let offset = self.bytes.len();
                    self.slots.push(Slot { offset, below });
                    self.bytes.extend([b'0'; NUMBER_DIGITS]);
                }
            }
        }
        self.bytes.extend(b"\r\n");
    }

    /// The request as it is sent, all numbers 0.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// So many requests one after the other.
    pub fn batch(&self, depth: usize) -> Batch {
        let mut slots = Vec::with_capacity(depth * self.slots.len());
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
            slots_per_request: self.slots.len(),
        }
    }
}

/// Preformatted requests that travel together.
#[derive(Debug, Clone)]
pub struct Batch {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    slots_per_request: usize,
}

impl Batch {
    /// What is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Draws all numbers anew.
    pub fn draw(&mut self, random: &mut fastrand::Rng) {
        for slot in &self.slots {
            let number = random.u64(..slot.below.max(1));
            write_digits(&mut self.bytes[slot.offset..][..NUMBER_DIGITS], number);
        }
    }

    /// Numbers the changing places one after the other, as if all requests before the one of this
    /// index had been numbered from 0.
    pub fn count_from(&mut self, request_index: u64) {
        self.number_from(request_index, |_, number| number);
    }

    /// As [`Self::count_from`], but puts in each number's place another one below the bound, in no order: no two
    /// numbers below the bound are put in one place.
    pub fn scatter_from(&mut self, request_index: u64) {
        // No bound is a multiple of this prime.
        self.number_from(request_index, |below, number| {
            let product = u128::from(number) * u128::from(SCATTERING_PRIME);
            (product % u128::from(below.max(1))) as u64
        });
    }

    fn number_from(&mut self, request_index: u64, placed: impl Fn(u64, u64) -> u64) {
        let first = request_index * self.slots_per_request as u64;
        for (slot, number) in self.slots.iter().zip(first..) {
            let number = placed(slot.below, number);
            write_digits(&mut self.bytes[slot.offset..][..NUMBER_DIGITS], number);
        }
    }
}

fn write_digits(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered_set() -> Template {
        Template::command(&[
            vec![Part::Text(b"SET")],
            vec![Part::Text(b"key:"), Part::Number { below: 1000 }],
            vec![Part::Text(b"v")],
        ])
    }

    #[test]
    fn only_the_digits_of_a_request_change() {
        let mut batch = numbered_set().batch(2);
        batch.count_from(998);
        assert_eq!(
            batch.bytes().escape_ascii().to_string(),
            r"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000998\r\n$1\r\nv\r\n*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000999\r\n$1\r\nv\r\n"
        );
        batch.count_from(5);
        let text = String::from_utf8(batch.bytes().to_vec()).unwrap();
        assert!(text.contains("key:000000000005") && text.contains("key:000000000006"));
    }

    #[test]
    fn scattered_numbers_are_all_that_there_are() {
        let mut batch = numbered_set().batch(1);
        let mut seen = Vec::new();
        for index in 0..1000 {
            batch.scatter_from(index);
            let text = std::str::from_utf8(batch.bytes()).unwrap();
            let digits = text.split("key:").nth(1).unwrap();
            seen.push(digits[..12].parse::<u64>().unwrap());
        }
        assert!(!seen.is_sorted());
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..1000));
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let template = Template::command(&[vec![
            Part::Number { below: 3 },
            Part::Number { below: 0 },
            Part::Number { below: 1_000_000 },
        ]]);
        let start = b"*1\r\n$36\r\n".len();
        assert_eq!(template.bytes().len(), start + 36 + 2);
        let mut batch = template.batch(1);
        let mut random = fastrand::Rng::with_seed(1);
        let mut seen = [0; 3];
        let mut largest = 0;
        for _ in 0..1000 {
            batch.draw(&mut random);
            let text = std::str::from_utf8(&batch.bytes()[start..start + 36]).unwrap();
            let number = |at: usize| text[at..at + 12].parse::<u64>().unwrap();
            seen[number(0) as usize] += 1;
            assert_eq!(number(12), 0);
            largest = largest.max(number(24));
        }
        assert!(seen.iter().all(|&count| count > 200), "{seen:?}");
        assert!((900_000..1_000_000).contains(&largest));
    }
}
