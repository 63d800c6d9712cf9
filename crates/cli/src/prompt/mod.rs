//! The prompt: reading a line, and doing what it says.

mod editor;
mod highlight;
mod lines;
mod session;

pub use session::{Conversation, converse, open};
