//! Makes a failing sequence of steps small: first the steps, then the commands of each transaction,
//! then the words of each long command. It knows nothing of servers, only whether a candidate still
//! fails.

use std::time::{Duration, Instant};

use super::{Step, StepKind};

/// Delta debugging. `fails` must hold for `steps`; what is returned fails as well, and when the time
/// sufficed no step can be left out of it.
pub fn shrink(
    steps: Vec<Step>,
    limit: Duration,
    mut fails: impl FnMut(&[Step]) -> bool,
) -> Vec<Step> {
    let deadline = Instant::now() + limit;
    let mut fails = |candidate: &[Step]| Instant::now() < deadline && fails(candidate);
    let steps = shortest_failing_tail(steps, &mut fails);
    let mut steps = minimize(steps, 1, &mut fails);
    for index in 0..steps.len() {
        shrink_step(&mut steps, index, &mut fails);
    }
    minimize(steps, 1, &mut fails)
}

/// Most failures need only what happened shortly before.
fn shortest_failing_tail(steps: Vec<Step>, fails: &mut impl FnMut(&[Step]) -> bool) -> Vec<Step> {
    let mut len = 8;
    while len < steps.len() {
        let tail = &steps[steps.len() - len..];
        if fails(tail) {
            return tail.to_vec();
        }
        len *= 4;
    }
    steps
}

/// Leaves out ever smaller chunks, of at least `smallest` elements, as long as the rest fails.
fn minimize<T: Clone>(
    mut items: Vec<T>,
    smallest: usize,
    fails: &mut impl FnMut(&[T]) -> bool,
) -> Vec<T> {
    let mut chunk = (items.len() / 2).max(smallest);
    loop {
        let mut start = 0;
        let mut removed_any = false;
        while start < items.len() {
            let end = (start + chunk).min(items.len());
            let candidate: Vec<T> = items[..start]
                .iter()
                .chain(&items[end..])
                .cloned()
                .collect();
            if fails(&candidate) {
                items = candidate;
                removed_any = true;
            } else {
                start = end;
            }
        }
        if chunk > smallest {
            chunk = (chunk / 2).max(smallest);
        } else if !removed_any {
            return items;
        }
    }
}

fn shrink_step(steps: &mut [Step], index: usize, fails: &mut impl FnMut(&[Step]) -> bool) {
    // The parts of a draw or an expiry hang together.
    if steps[index].kind != StepKind::Plain {
        return;
    }
    let mut scratch = steps.to_vec();
    if steps[index].commands.len() > 1 {
        steps[index].commands = minimize(steps[index].commands.clone(), 1, &mut |commands| {
            // A transaction that is cut open would reach into the steps after it.
            let count = |name: &[u8]| {
                commands
                    .iter()
                    .filter(|words| words[0].eq_ignore_ascii_case(name))
                    .count()
            };
            let closed = (count(b"MULTI") > 0) == (count(b"EXEC") + count(b"DISCARD") > 0);
            scratch[index].commands = commands.to_vec();
            closed && !commands.is_empty() && fails(&scratch)
        });
        scratch[index].commands.clone_from(&steps[index].commands);
    }
    for command in 0..steps[index].commands.len() {
        let words = steps[index].commands[command].clone();
        if words.len() < 6
            || words[0].eq_ignore_ascii_case(b"BLPOP")
            || words[0].eq_ignore_ascii_case(b"BRPOP")
        {
            continue;
        }
        let head = words[..2].to_vec();
        let tail = minimize(words[2..].to_vec(), 2, &mut |tail| {
            scratch[index].commands[command] = head.iter().chain(tail).cloned().collect();
            fails(&scratch)
        });
        steps[index].commands[command] = head.into_iter().chain(tail).collect();
        scratch[index].commands[command].clone_from(&steps[index].commands[command]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(line: &str) -> Step {
        Step {
            commands: vec![crate::reply::split_words(line).unwrap()],
            kind: StepKind::Plain,
        }
    }

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let mut steps: Vec<Step> = (0..300)
            .map(|number| step(&format!("SET key:{number} x")))
            .collect();
        steps[17] = step("RPUSH cause a b c d e f g h");
        steps[222] = step("LLEN cause");
        let fails = |candidate: &[Step]| {
            let has = |word: &[u8]| {
                candidate
                    .iter()
                    .any(|step| step.commands[0].iter().any(|have| have == word))
            };
            has(b"LLEN") && has(b"e")
        };
        let small = shrink(steps, Duration::from_secs(60), fails);
        assert_eq!(small, vec![step("RPUSH cause e f"), step("LLEN cause")]);
    }
}
