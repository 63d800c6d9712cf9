//! Makes a failing sequence of steps small: first the steps, then the commands of each transaction,
//! then the words of each long command. It knows nothing of servers, only whether a candidate still
//! fails.

use std::time::{Duration, Instant};

use super::calls::{Call, Step, StepKind};

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
    // The parts of a draw, an expiry or a silence hang together.
    if !matches!(steps[index].kind, StepKind::Plain | StepKind::Several) {
        return;
    }
    let mut scratch = steps.to_vec();
    // What stands in a transaction may fail without it, too.
    let frames = ["MULTI", "EXEC", "DISCARD"];
    scratch[index]
        .calls
        .retain(|call| !frames.iter().any(|frame| call.is(frame)));
    let is_smaller = scratch[index].calls.len() < steps[index].calls.len();
    if is_smaller && !scratch[index].calls.is_empty() && fails(&scratch) {
        steps[index].calls.clone_from(&scratch[index].calls);
    }
    scratch[index].calls.clone_from(&steps[index].calls);
    if steps[index].calls.len() > 1 {
        steps[index].calls = minimize(steps[index].calls.clone(), 1, &mut |calls| {
            // A transaction that is cut open would reach into the steps after it.
            let count = |name: &str| calls.iter().filter(|call| call.is(name)).count();
            let ends = count("EXEC") + count("DISCARD") + count("RESET");
            let closed = (count("MULTI") > 0) == (ends > 0);
            scratch[index].calls = calls.to_vec();
            closed && !calls.is_empty() && fails(&scratch)
        });
        scratch[index].calls.clone_from(&steps[index].calls);
    }
    for at in 0..steps[index].calls.len() {
        let Call { connection, words } = steps[index].calls[at].clone();
        // A blocking call without its timeout would wait for ever.
        let is_careful = words[0]
            .first()
            .is_some_and(|first| first.eq_ignore_ascii_case(&b'b'))
            || words[0].to_ascii_uppercase().starts_with(b"EVAL");
        if words.len() < 6 || is_careful {
            continue;
        }
        let head = words[..2].to_vec();
        let tail = minimize(words[2..].to_vec(), 2, &mut |tail| {
            let words = head.iter().chain(tail).cloned().collect();
            scratch[index].calls[at] = Call::on(connection, words);
            fails(&scratch)
        });
        let words = head.into_iter().chain(tail).collect();
        steps[index].calls[at] = Call::on(connection, words);
        scratch[index].calls[at].clone_from(&steps[index].calls[at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(line: &str) -> Step {
        Step::main(
            StepKind::Plain,
            vec![crate::reply::split_words(line).unwrap()],
        )
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
                    .any(|step| step.calls[0].words.iter().any(|have| have == word))
            };
            has(b"LLEN") && has(b"e")
        };
        let small = shrink(steps, Duration::from_secs(60), fails);
        assert_eq!(small, vec![step("RPUSH cause e f"), step("LLEN cause")]);
    }
}
