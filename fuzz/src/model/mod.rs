//! A naive model of the five basic types: what each command answers, computed in the simplest way
//! there is. It has one database, no encodings, no statistics, and knows the time only to expire.

mod hash;
mod keyspace;
mod list;
mod reply;
mod set;
mod sorted_set;
mod string;

pub use keyspace::Model;
pub use reply::Expected;
