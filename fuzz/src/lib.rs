//! What the `engine` target and its test share: a naive model of the five basic types, and the
//! making of commands from the bytes that the fuzzer gives; and the making of scripts.

pub mod commands;
pub mod model;
pub mod scripts;
