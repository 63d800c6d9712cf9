//! How people and clients write things: integers, floats, long doubles, memory sizes and
//! glob patterns, read and written as Redis does, down to its oddities.

mod big_integer;
mod float;
mod glob;
mod integer;
mod long_double;
mod memory_size;
mod strtod;

pub use float::{DoubleText, parse_double, parse_double_loosely};
pub use glob::{Case, glob_matches};
pub use integer::{IntegerText, parse_integer, parse_unsigned};
pub use long_double::LongDouble;
pub use memory_size::parse_memory_size;
