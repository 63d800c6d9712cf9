//! The pages of `docs/` whose examples are Rust: they are run as tests with those of this crate.

#[doc = include_str!("../../../docs/testing.md")]
struct Testing;
