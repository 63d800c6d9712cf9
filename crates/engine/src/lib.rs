//! The deterministic heart of Oxidis: the key space, the data types and the commands. It is given
//! `now`, a seed and bytes, and returns bytes and effects; it does no I/O and reads no clock.

pub mod config;
pub mod random;
pub mod table;
pub mod text;
pub mod value;
pub mod version;
