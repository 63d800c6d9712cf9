//! Draws steps for the fuzzer: single calls, and how they are spoilt. Calls that belong together are
//! drawn in `scenarios`.

use std::collections::HashSet;

use fastrand::Rng;

use super::calls::{Step, StepKind};
use super::commands::{Family, Form, Row};
use super::grammar::{self, Node};
use super::pools::{JUNK, Pools, pick, typed_key};
use super::rows::ROWS;
use super::users::keep_one_parenthesis;
use crate::client::Words;
use crate::rules::{Rule, rule_for};
use crate::versions::has_changed;

/// Draws steps from a seed: the same seed gives the same steps.
#[derive(Debug)]
pub struct Generator {
    pub(super) rng: Rng,
    pub(super) pools: Pools,
    rows: Vec<Drawable>,
    total_weight: u32,
    /// Which families calls come from; all when empty.
    families: Vec<Family>,
}

/// A row, ready to be drawn from.
#[derive(Debug)]
struct Drawable {
    row: &'static Row,
    node: Node,
    /// The words that stand for themselves in it, but for the first.
    literals: Vec<&'static str>,
}

impl Drawable {
    fn new(row: &'static Row) -> Self {
        let node = grammar::parse(row.template);
        let mut literals = Vec::new();
        grammar::literals(&node, &mut literals);
        if literals.first() == row.template.split(' ').next().as_ref() {
            literals.remove(0);
        }
        Self {
            row,
            node,
            literals,
        }
    }
}

impl Generator {
    /// A generator of calls from the given families; of all when none is given.
    pub fn new(seed: u64, families: &[Family]) -> Self {
        let wanted = |row: &&Row| families.is_empty() || families.contains(&row.family);
        let rows: Vec<_> = ROWS.iter().filter(wanted).map(Drawable::new).collect();
        let total_weight = rows.iter().map(|drawable| drawable.row.weight).sum();
        Self {
            rng: Rng::with_seed(seed),
            pools: Pools::new(),
            rows,
            total_weight,
            families: families.to_vec(),
        }
    }

    /// Leaves a command (in capitals) out from now on.
    pub fn exclude(&mut self, command: &str) {
        self.rows
            .retain(|drawable| drawable.row.template.split(' ').next() != Some(command));
        self.total_weight = self.rows.iter().map(|drawable| drawable.row.weight).sum();
    }

    /// Whether nothing is left to draw from.
    pub fn is_exhausted(&self) -> bool {
        self.rows.is_empty()
    }

    /// The next step.
    pub fn step(&mut self) -> Step {
        match self.rng.u16(..1000) {
            0..25 => self.transaction(),
            25..28 => self.expiry(),
            28..32 => self.silence(),
            32..52 => self.script(),
            52..62 if self.has(Family::List) || self.has(Family::SortedSet) => self.waiting(),
            62..66 if self.has(Family::PubSub) => self.messages(),
            66..70 if self.has(Family::Transaction) => self.watching(),
            70 if self.has(Family::Server) => self.hash_limit(),
            71..76 if self.has(Family::Function) => self.function_call(),
            76..81 if self.has(Family::Dump) => self.carry(),
            81..85 if self.has(Family::Connection) => self.tracking(),
            85..88 if self.has(Family::Server) => self.keys_of_a_call(),
            88..93 if self.has(Family::Acl) => self.user_at_work(),
            93..96 if self.has(Family::Acl) => self.dry_run(),
            _ => self.single(),
        }
    }

    pub(super) fn has(&self, family: Family) -> bool {
        self.families.is_empty() || self.families.contains(&family)
    }

    fn single(&mut self) -> Step {
        let row = self.draw_row(|row| row.form != Form::Subscribing);
        let Some(row) = row else {
            return Step::main(StepKind::Plain, vec![vec![b"PING".to_vec()]]);
        };
        let words = self.call(row);
        match self.rows[row].row.form {
            Form::Draw { read, removes } => draw_step(words, read, removes),
            Form::Sweeping => Step::main(StepKind::Plain, vec![sweep(), words]),
            Form::Consuming => Step::main(StepKind::Plain, vec![make_consumer(&words), words]),
            // Whether a refused call meets an expired key may have changed, too.
            _ if has_changed(&words) => Step::main(StepKind::Plain, vec![sweep(), words]),
            _ => Step::main(StepKind::Plain, vec![words]),
        }
    }

    /// A call that leaves nothing to chance and does not end the transaction around it.
    pub(super) fn plain_call(&mut self) -> Words {
        let in_place = |row: &Row| {
            let is_apart = matches!(row.family, Family::Transaction | Family::Connection);
            let is_apart_form = matches!(
                row.form,
                Form::Draw { .. } | Form::Subscribing | Form::Sweeping | Form::Consuming
            );
            !is_apart && !is_apart_form
        };
        self.call_of(in_place)
            .unwrap_or_else(|| vec![b"PING".to_vec()])
    }

    /// A plain call whose reply has one right form, wherever it is shown.
    pub(super) fn exact_call(&mut self) -> Words {
        loop {
            let call = self.plain_call();
            if rule_for(&call) == Rule::Exact && !has_changed(&call) {
                return call;
            }
        }
    }

    /// A call of one of the rows that are wanted, if there are any.
    pub(super) fn call_of(&mut self, wanted: impl Fn(&Row) -> bool) -> Option<Words> {
        let row = self.draw_row(wanted)?;
        Some(self.call(row))
    }

    fn draw_row(&mut self, wanted: impl Fn(&Row) -> bool) -> Option<usize> {
        if !self.rows.iter().any(|drawable| wanted(drawable.row)) {
            return None;
        }
        loop {
            let row = self.pick();
            if wanted(self.rows[row].row) {
                return Some(row);
            }
        }
    }

    fn pick(&mut self) -> usize {
        let mut left = self.rng.u32(..self.total_weight);
        for (index, drawable) in self.rows.iter().enumerate() {
            if left < drawable.row.weight {
                return index;
            }
            left -= drawable.row.weight;
        }
        unreachable!("the draw is below the sum of the weights")
    }

    fn call(&mut self, row: usize) -> Words {
        let Drawable {
            row,
            node,
            literals,
        } = &self.rows[row];
        let mut words = Vec::new();
        let pools = &mut self.pools;
        grammar::draw(node, &mut self.rng, &mut words, &mut |kind, rng, out| {
            pools.draw(kind, rng, out);
        });
        if row.form == Form::Plain {
            // Keys of ranges by name are never replaced by others.
            let is_apart = row.template.contains("lex ") || row.family == Family::Geo;
            let fixed = if is_apart { 2 } else { 1 };
            mangle(&mut words, fixed, literals, &mut self.rng);
            lengthen_lives(&mut words);
        }
        match words[0].to_ascii_uppercase().as_slice() {
            b"HSET" | b"HMSET" => drop_doubles(&mut words, 2, 0),
            b"ZADD" => {
                drop_doubles(&mut words, 2, 1);
                keep_few_with_xx(&mut words);
            }
            b"GEOADD" => {
                drop_doubles(&mut words, 3, 2);
                keep_few_with_xx(&mut words);
            }
            b"SADD" => drop_doubles(&mut words, 1, 0),
            b"ACL" => keep_one_parenthesis(&mut words),
            _ => {}
        }
        words
    }

    /// Appends an argument of a kind.
    pub(super) fn draw_into(&mut self, kind: &'static str, words: &mut Words) {
        self.pools.draw(kind, &mut self.rng, words);
    }

    pub(super) fn key(&mut self, kind: &'static str) -> Vec<u8> {
        typed_key(kind, &mut self.rng)
    }
}

/// Meets every key of the database, so that no expired one is left.
pub(super) fn sweep() -> Words {
    [&b"SCAN"[..], b"0", b"COUNT", b"10000"]
        .map(<[u8]>::to_vec)
        .to_vec()
}

/// Makes the consumer that a call of XREADGROUP, XCLAIM or XAUTOCLAIM names.
fn make_consumer(call: &Words) -> Words {
    let streams = call.iter().position(|word| word == b"STREAMS");
    let (key, group) = match streams {
        Some(at) => (at + 1, 2),
        None => (1, 2),
    };
    let consumer = group + 1;
    let mut command = [&b"XGROUP"[..], b"CREATECONSUMER"]
        .map(<[u8]>::to_vec)
        .to_vec();
    command.extend([key, group, consumer].map(|at| call[at].clone()));
    command
}

fn draw_step(words: Words, read: &'static str, removes: bool) -> Step {
    let read = match (read, words.get(1)) {
        // Sweeps away what is expired, which might be drawn.
        ("SCAN", _) => sweep(),
        ("ZRANGE", Some(key)) => {
            vec![
                b"ZRANGE".to_vec(),
                key.clone(),
                b"0".to_vec(),
                b"-1".to_vec(),
                b"WITHSCORES".to_vec(),
            ]
        }
        (read, Some(key)) => vec![read.as_bytes().to_vec(), key.clone()],
        (_, None) => unreachable!("every drawing call but RANDOMKEY has a key"),
    };
    let delete = removes.then(|| vec![b"DEL".to_vec(), words[1].clone()]);
    let commands = [read, words].into_iter().chain(delete).collect();
    Step::main(StepKind::Draw, commands)
}

/// Since 7.2 a collection becomes big when one call names too many elements, though it be the same
/// again and again; 7.0.15 counts what came of it. Calls name each once. It stands at the index
/// `name` of each group of words.
fn drop_doubles(words: &mut Words, group: usize, name: usize) {
    const FEW_WORDS: usize = 3;
    if words.len() > FEW_WORDS {
        let mut seen = HashSet::new();
        // Options of ZADD and GEOADD make some words more, or as many as a group: neither does harm.
        let start = 2 + (words.len() - 2) % group;
        let groups: Vec<Vec<u8>> = words.split_off(start);
        let fresh = groups
            .chunks(group)
            .filter(|group| seen.insert(group[name].clone()));
        words.extend(fresh.flatten().cloned());
    }
}

/// Also when ZADD or GEOADD is told to add none of them.
fn keep_few_with_xx(words: &mut Words) {
    const FEW_WORDS: usize = 10;
    if words.len() > FEW_WORDS && words.iter().any(|word| word.eq_ignore_ascii_case(b"xx")) {
        words.truncate(FEW_WORDS);
    }
}

/// Now and then a call is spoilt: a word dropped, doubled, moved, replaced or in another case, an
/// option given twice. The first `fixed` words stay.
fn mangle(words: &mut Words, fixed: usize, literals: &[&str], rng: &mut Rng) {
    let spoilable = words.len() > fixed;
    match rng.u16(..1000) {
        0..12 if spoilable => {
            let at = rng.usize(fixed..words.len());
            words.remove(at);
        }
        12..22 if spoilable => {
            let at = rng.usize(fixed..words.len());
            words.insert(at, words[at].clone());
        }
        22..40 if spoilable => {
            let at = rng.usize(fixed..words.len());
            words[at] = pick(rng, JUNK);
        }
        40..50 => words.push(pick(rng, JUNK)),
        50..120 => words[0].make_ascii_lowercase(),
        120..150 => words
            .iter_mut()
            .filter(|word| word.is_ascii())
            .for_each(|word| {
                // Keys are in small letters: only keywords change.
                if word.iter().all(u8::is_ascii_uppercase) {
                    word.make_ascii_lowercase();
                }
            }),
        150..162 if !literals.is_empty() => {
            let option = literals[rng.usize(..literals.len())];
            let at = rng.usize(fixed.min(words.len())..=words.len());
            words.insert(at, option.as_bytes().to_vec());
        }
        162..170 if words.len() > fixed + 1 => {
            let at = rng.usize(fixed..words.len() - 1);
            words.swap(at, at + 1);
        }
        170..178 if words.len() > fixed + 1 => {
            let at = rng.usize(fixed..words.len() - 1);
            words.extend_from_within(at..at + 2);
        }
        _ => {}
    }
}

/// A time to live that is spoilt may be so short that it passes between two commands, on one server before the next
/// command and on the other behind it: such a one is made long.
fn lengthen_lives(words: &mut Words) {
    const SHORT: i64 = 1_000_000;
    let is_time = |words: &Words, at: usize| match words[0].to_ascii_uppercase().as_slice() {
        b"EXPIRE" | b"PEXPIRE" | b"SETEX" | b"PSETEX" | b"RESTORE" => at == 2,
        b"SET" | b"GETEX" => {
            at > 2 && matches!(words[at - 1].to_ascii_uppercase().as_slice(), b"EX" | b"PX")
        }
        _ => false,
    };
    for at in 1..words.len() {
        let time = std::str::from_utf8(&words[at]).map(str::parse);
        if matches!(time, Ok(Ok(1..SHORT))) && is_time(words, at) {
            words[at] = (SHORT * 100).to_string().into_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_lives_for_a_moment() {
        for (short, long) in [
            ("PSETEX key 2 value", "PSETEX key 100000000 value"),
            ("psetex key 9000000 2", "psetex key 9000000 2"),
            ("SET key 5 px 7", "SET key 5 px 100000000"),
            ("GETEX key EX 3 PX 4", "GETEX key EX 100000000 PX 100000000"),
            ("EXPIRE key -1", "EXPIRE key -1"),
            ("EXPIREAT key 1", "EXPIREAT key 1"),
            ("RESTORE key 0 payload", "RESTORE key 0 payload"),
        ] {
            let mut words: Words = short.split(' ').map(|word| word.into()).collect();
            lengthen_lives(&mut words);
            assert_eq!(words.join(&b' '), long.as_bytes());
        }
    }

    #[test]
    fn every_row_can_be_drawn_and_the_seed_decides() {
        let mut one = Generator::new(5, &[]);
        let mut other = Generator::new(5, &[]);
        let mut names = HashSet::new();
        for _ in 0..50_000 {
            let step = one.step();
            assert_eq!(step, other.step());
            names.extend(
                step.calls
                    .iter()
                    .map(|call| call.words[0].to_ascii_uppercase()),
            );
        }
        for row in ROWS {
            let name = row.template.split(' ').next().unwrap_or_default();
            let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase());
            assert!(
                !is_name || names.contains(name.as_bytes()),
                "{name} never came"
            );
        }
    }

    #[test]
    fn an_excluded_command_does_not_come() {
        let mut generator = Generator::new(5, &[Family::Hash]);
        generator.exclude("HSET");
        let steps = (0..5_000).map(|_| generator.step());
        assert!(
            steps
                .flat_map(|step| step.calls)
                .all(|call| !call.is("HSET"))
        );
    }
}
