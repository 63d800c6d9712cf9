//! `cargo xtask bench --latency`: how long requests take at a fixed offered load, with and without work in the
//! background, beside other servers on the same machine in the same run; and the worst stall for each kind of work.
//!
//! `activity` says what goes on in the background, `probe` measures what requests wait for inside the server, `testimony`
//! asks the server what it took to be slow, `run` says what is done in which order, `report` makes the table.
//!
//! On a machine whose cores the server, its background threads and the load generator share, the longest of some
//! ten thousand requests is often the scheduler's doing, and nothing that the server did. What helps against it:
//!
//! * A client of its own bounds each wait by the CPU time that the server has used in it; `probe` says how. Its longest wait
//!   is the stall that is printed and judged.
//! * Noise only adds. A stall that the server makes is there in every round; so the round counts in which it was least.
//! * The same load is offered while nothing goes on (the control), and to a server that does nothing but answer `+OK`. What
//!   is no worse than the control is not called missed.
//! * The generator notes how late it was itself with a request that it could have sent.
//! * The server says what it found slow (SLOWLOG, LATENCY): what is long there happened inside.

mod activity;
mod probe;
mod report;
mod run;
mod testimony;

pub(super) use run::run;
