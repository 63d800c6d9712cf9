//! How far something is, as a bar on the standard error where that is a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for so many bytes, or one that nobody sees.
pub(super) fn bar(bytes: u64, is_wanted: bool) -> ProgressBar {
    if !is_wanted || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {binary_bytes}/{binary_total_bytes} {msg}");
    ProgressBar::new(bytes).with_style(style.expect("the template is a right one"))
}
