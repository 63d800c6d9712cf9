//! The `oxidis` binary.
fn main() {}
