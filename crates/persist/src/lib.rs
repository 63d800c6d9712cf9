//! How the data is written down: pure encoders and decoders, and the writers over a storage that somebody
//! else provides.
//!
//! * `rdb`: Redis's RDB format: whole data sets, and the payloads of DUMP and RESTORE.
//! * [`aof`]: the append-only file: its manifest and its files.
//! * `batches`: decoding with several threads.
//! * [`check`]: whether files are whole, and what is wrong with them.
//! * `json`: data sets as JSON.
//! * [`storage`]: what a storage is, and files that take the place of others at once.

pub mod aof;
mod batches;
pub mod check;
mod json;
mod rdb;
pub mod storage;

pub use json::Json;
pub use rdb::{Rdb, RdbError};
