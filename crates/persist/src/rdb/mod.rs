//! Redis's RDB format: whole data sets, and single values as DUMP and RESTORE have them.
//!
//! Written is version 10 (that of Redis 7.0) in the forms which redis-server 7.0 writes itself; read is
//! everything that any version up to 12 (that of Redis 8) has written. Read in this order:
//!
//! * `codes`: the numbers of the format. `reader`, `writer`: bytes, lengths, strings.
//! * `listpack`, `ziplist`, `intset`: many strings in one. `checksum`: what it says.
//! * `decode`, `encode`: values; `stream`: the most intricate of them. `skip`: passing over them.
//! * `payload`: DUMP and RESTORE. `input`, `load`, `save`: whole data sets.
//! * `codec`: all of it as the engine asks for it.
//!
//! The facts of the format are from Redis's `rdb.h`, `rdb.c` and the sources that the rooms name.

mod checksum;
mod codec;
mod codes;
mod decode;
mod encode;
mod error;
mod input;
mod intset;
mod listpack;
mod load;
mod payload;
mod reader;
mod save;
mod skip;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod writer;
mod ziplist;

pub use codec::Rdb;
pub use error::RdbError;
