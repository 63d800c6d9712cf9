//! How the data is written down: pure encoders and decoders, free of I/O.
//!
//! * `rdb`: Redis's RDB format: whole data sets, and the payloads of DUMP and RESTORE.

mod rdb;

pub use rdb::{Rdb, RdbError};
