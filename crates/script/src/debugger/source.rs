//! The lines of a script, where it stands, and its breakpoints.

use super::state::Debugger;

/// So many lines can be breakpoints at a time.
const BREAKPOINTS_MAX: usize = 64;

/// The source of the script that is debugged. Lines count from 1.
pub(super) struct Source {
    lines: Vec<Vec<u8>>,
    /// The line at which it stands.
    pub(super) current: i32,
    breakpoints: Vec<i32>,
}

impl Source {
    pub(super) fn new(source: &[u8]) -> Self {
        let is_end = |byte: &u8| !matches!(byte, b'\r' | b'\n');
        let end = source.iter().rposition(is_end).map_or(0, |last| last + 1);
        let lines = match end {
            0 => Vec::new(),
            end => source[..end]
                .split(|&byte| byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect(),
        };
        Source {
            lines,
            current: 0,
            breakpoints: Vec::new(),
        }
    }

    pub(super) fn is_breakpoint(&self, line: i32) -> bool {
        self.breakpoints.contains(&line)
    }

    pub(super) fn forget_breakpoints(&mut self) {
        self.breakpoints.clear();
    }

    /// A line as it is shown: with its number and what it is.
    pub(super) fn shown(&self, line: i32) -> Vec<u8> {
        let mark = match (line == self.current, self.is_breakpoint(line)) {
            (true, true) => "->#",
            (true, false) => "-> ",
            (false, true) => "  #",
            (false, false) => "   ",
        };
        let index = usize::try_from(line)
            .ok()
            .and_then(|line| line.checked_sub(1));
        let text = index.and_then(|index| self.lines.get(index));
        let text = text.map_or(&b"<out of range source code line>"[..], Vec::as_slice);
        // What is shown ends where C's strings do.
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        [format!("{mark}{line:<3} ").as_bytes(), text].concat()
    }
}

impl Debugger {
    /// Shows the lines that are no more than `context` away from `around`.
    pub(super) fn show_lines(&mut self, around: i32, context: i32) {
        let around = i64::from(around);
        let first = (around - i64::from(context)).max(1);
        let last = (around + i64::from(context)).min(self.source.lines.len() as i64);
        for line in first..=last {
            let shown = self.source.shown(line as i32);
            self.note(shown);
        }
    }

    /// Shows the lines that are breakpoints.
    pub(super) fn show_breakpoints(&mut self) {
        let lines = self.source.breakpoints.clone();
        if lines.is_empty() {
            return self.note("No breakpoints set. Use 'b <line>' to add one.");
        }
        self.note(format!("{} breakpoints set:", lines.len()));
        for line in lines {
            let shown = self.source.shown(line);
            self.note(shown);
        }
    }

    /// Makes a line a breakpoint, or if it is negative, none any more; 0 is all lines.
    pub(super) fn change_breakpoint(&mut self, line: i64) {
        let lines = &mut self.source.breakpoints;
        if line == 0 {
            lines.clear();
            return self.note("All breakpoints removed.");
        }
        if line < 0 {
            let place = lines.iter().position(|&it| i64::from(it) == -line);
            let text = match place.map(|place| lines.remove(place)) {
                Some(_) => "Breakpoint removed.",
                None => "No breakpoint in the specified line.",
            };
            return self.note(text);
        }
        if lines.len() == BREAKPOINTS_MAX {
            return self.note("Too many breakpoints set.");
        }
        match i32::try_from(line) {
            Ok(line) if line as usize <= self.source.lines.len() && !lines.contains(&line) => {
                lines.push(line);
                self.show_lines(line, 1);
            }
            _ => self.note("Wrong line number."),
        }
    }
}
