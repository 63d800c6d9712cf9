//! Bodies of tests, each run over real sockets for RESP2 and RESP3 and for each encoding of its type.
//!
//! To add a body: write a function over a [`Case`](case::Case), and name it in the `bodies!` list of
//! its file, behind the forms that it is to be run for.
//!
//! * `case`: what a body is given, and the loop over all forms and protocols.
//! * `forms`: the encodings, and how a server is made to choose them.
//! * `expected`: replies as bodies write them, for both protocols.
//! * `coverage`: which commands no body runs.
//! * the other files: bodies, by type or topic.

#[macro_use]
mod case;
mod blocking;
mod coverage;
mod expected;
mod forms;
mod generic;
mod hashes;
mod lists;
mod pubsub;
mod sets;
mod sorted_sets;
mod strings;
mod transactions;
