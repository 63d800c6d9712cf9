//! Prints what a compat run found: a table by unit, then every test that failed.

use super::run::{UnitVerdict, percent};

/// How many lines of a failing test's output are shown.
const SHOWN_LINES: usize = 6;

/// Prints the table.
pub fn print(verdicts: &[UnitVerdict]) {
    println!(
        "\n{:<28} {:>13} {:>8} {:>8} {:>8} {:>9}",
        "unit", "redis passes", "passed", "skipped", "failed", "percent"
    );
    let mut sums = [0; 4];
    for verdict in verdicts {
        let row = [
            verdict.expected,
            verdict.passing,
            verdict.skipped.len(),
            verdict.failing.len(),
        ];
        print_row(&verdict.unit, row);
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, count)| *sum += count);
    }
    print_row("all", sums);
    for verdict in verdicts {
        for (test, why) in &verdict.failing {
            println!("\nFAIL {}: {test}", verdict.unit);
            print_lines(why);
        }
        for test in &verdict.passing_though_listed {
            println!(
                "\nPASS though listed in skips.toml, take it out: {}: {test}",
                verdict.unit
            );
        }
        for test in &verdict.listed_in_vain {
            println!(
                "\nlisted in skips.toml but redis-server passes no such test: {}: {test}",
                verdict.unit
            );
        }
        for trouble in &verdict.troubles {
            println!("\n{}: outside of any test:", verdict.unit);
            print_lines(trouble);
        }
    }
}

fn print_row(name: &str, row: [usize; 4]) {
    let [expected, passing, skipped, failing] = row;
    println!(
        "{name:<28} {expected:>13} {passing:>8} {skipped:>8} {failing:>8} {:>9.1}",
        percent(passing, expected)
    );
}

fn print_lines(text: &str) {
    text.lines()
        .take(SHOWN_LINES)
        .for_each(|line| println!("    {line}"));
}
