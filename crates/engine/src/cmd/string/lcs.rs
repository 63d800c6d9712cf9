//! LCS: the longest common subsequence of two strings.

use super::{is_word, two_strings};
use crate::command::{CommandError, CommandResult, Context, Reply};

/// One stretch that both strings share: the ranges, both ends counted, in either.
struct Match {
    first: (usize, usize),
    second: (usize, usize),
}

pub(super) fn lcs(cx: &mut Context<'_>, out: &mut Reply<'_>) -> CommandResult {
    let [first, second] = two_strings(cx)?;
    let args = cx.args();
    let (mut wants_length, mut wants_ranges, mut with_length) = (false, false, false);
    let mut min_length = 0;
    let mut index = 3;
    while index < args.len() {
        if is_word(args, index, "IDX") {
            wants_ranges = true;
        } else if is_word(args, index, "LEN") {
            wants_length = true;
        } else if is_word(args, index, "WITHMATCHLEN") {
            with_length = true;
        } else if is_word(args, index, "MINMATCHLEN") && index + 1 < args.len() {
            index += 1;
            min_length = usize::try_from(cx.integer(index)?).unwrap_or(0);
        } else {
            return Err(CommandError::Syntax);
        }
        index += 1;
    }
    if wants_length && wants_ranges {
        return Err(CommandError::text(
            "ERR If you want both the length and indexes, please just use IDX.",
        ));
    }
    let table = Lengths::of(&first, &second)?;
    let total = table.at(first.len(), second.len());
    if wants_length {
        out.integer(i64::from(total));
        return Ok(());
    }
    let (subsequence, matches) = table.walk_back(&first, &second);
    if !wants_ranges {
        out.bulk(&subsequence);
        return Ok(());
    }
    out.map(2);
    out.bulk(b"matches");
    let length = |found: &Match| found.first.1 - found.first.0 + 1;
    let shown: Vec<&Match> = matches
        .iter()
        .filter(|found| min_length == 0 || length(found) >= min_length)
        .collect();
    out.array(shown.len());
    for found in shown {
        out.array(2 + usize::from(with_length));
        for (start, end) in [found.first, found.second] {
            out.array(2);
            out.integer(start as i64);
            out.integer(end as i64);
        }
        if with_length {
            out.integer(length(found) as i64);
        }
    }
    out.bulk(b"len");
    out.integer(i64::from(total));
    Ok(())
}

/// The textbook table: the length of the longest common subsequence of every two prefixes.
struct Lengths {
    cells: Vec<u32>,
    width: usize,
}

impl Lengths {
    fn of(first: &[u8], second: &[u8]) -> Result<Self, CommandError> {
        // Redis refuses at 4 GiB of prefixes and when the allocation fails; so do we, before it does.
        let too_long = CommandError::text("ERR String too long for LCS");
        let width = second.len() + 1;
        let count = width.checked_mul(first.len() + 1).ok_or(too_long.clone())?;
        let mut cells: Vec<u32> = Vec::new();
        if count
            .checked_mul(4)
            .is_none_or(|bytes| bytes as u64 >= u64::from(u32::MAX))
            || cells.try_reserve_exact(count).is_err()
        {
            return Err(CommandError::text(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ));
        }
        cells.resize(count, 0);
        for (row, a) in first.iter().enumerate() {
            for (column, b) in second.iter().enumerate() {
                let here = (row + 1) * width + column + 1;
                cells[here] = if a == b {
                    cells[here - width - 1] + 1
                } else {
                    cells[here - width].max(cells[here - 1])
                };
            }
        }
        Ok(Lengths { cells, width })
    }

    fn at(&self, row: usize, column: usize) -> u32 {
        self.cells[row * self.width + column]
    }

    /// The subsequence, and its stretches from the last to the first. Of several longest
    /// subsequences it is the one that Redis finds: going back, the first string is shortened only
    /// when that keeps strictly more.
    fn walk_back(&self, first: &[u8], second: &[u8]) -> (Vec<u8>, Vec<Match>) {
        let (mut row, mut column) = (first.len(), second.len());
        let mut subsequence = Vec::new();
        let mut matches: Vec<Match> = Vec::new();
        let mut is_running = false;
        while row > 0 && column > 0 {
            if first[row - 1] == second[column - 1] {
                subsequence.push(first[row - 1]);
                row -= 1;
                column -= 1;
                match matches.last_mut() {
                    Some(last) if is_running => {
                        last.first.0 = row;
                        last.second.0 = column;
                    }
                    _ => matches.push(Match {
                        first: (row, row),
                        second: (column, column),
                    }),
                }
                is_running = true;
            } else {
                is_running = false;
                if self.at(row - 1, column) > self.at(row, column - 1) {
                    row -= 1;
                } else {
                    column -= 1;
                }
            }
        }
        subsequence.reverse();
        (subsequence, matches)
    }
}
