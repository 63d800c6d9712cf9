//! What the `engine` target and its test share: a naive model of the five basic types, and the
//! making of commands from the bytes that the fuzzer gives; the making of scripts; and engines that
//! load files.

pub mod commands;
pub mod data_sets;
pub mod model;
pub mod scripts;
