//! The list: a sequence of strings with two ends.
//!
//! A small list is one block of bytes (`packed`), a big one a row of such blocks (`quicklist`,
//! `node`). What a block's bytes mean is the same in both: `run` reads them, `block` writes them,
//! `listpack` codes the elements of blocks that hold elements of several kinds. `sequence` joins the
//! two forms into [`List`] and decides which one is used and which one OBJECT ENCODING is told.

mod block;
mod element;
mod iter;
mod limit;
mod listpack;
mod node;
mod packed;
mod quicklist;
mod run;
mod sequence;
#[cfg(test)]
mod tests;

pub use element::ListItem;
pub use iter::Iter;
pub(super) use listpack::{
    FRAME_LEN as LISTPACK_FRAME_LEN, integer_len as listpack_integer_len,
    string_len as listpack_string_len,
};
pub use quicklist::Quicklist;
pub use sequence::{End, List, ListRef};
