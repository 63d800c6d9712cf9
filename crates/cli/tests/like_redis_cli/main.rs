//! The prompt beside the real `redis-cli`: the same arguments, the same input, the same
//! server; the same bytes on both outputs and the same exit code. Where this machine has
//! no redis-cli 7.0 or no redis-server, there is nothing to compare with, and the tests
//! say so and pass.

mod canned;
mod debugger;
mod printing;
mod programs;
mod sessions;
