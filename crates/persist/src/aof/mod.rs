//! The append-only file in its parts, as Redis 7 keeps it: a base with the data of one moment, files with the
//! commands that came afterwards, and a manifest that names them in their order.
//!
//! * `manifest`: the text of a manifest.
//! * `files`: the parts in their directory: opening, appending, rotating, replacing the base.

mod files;
mod manifest;

pub use files::{AppendDirectory, AppendNames};
pub use manifest::{Kind, Manifest, ManifestError, Part};
