//! The append-only log: every change is written down before it is acknowledged, and how often that is forced to
//! disk is `appendfsync`'s to say.
//!
//! # How a change gets there
//!
//! A command appends its unit to a buffer while the locks of its keys are held (`propagation`), so the order of the
//! log is the order of execution. Before the replies of a batch of requests leave, or those of all sessions that a
//! thread found ready at the same time ([`Worker::defer_log`]), the thread calls [`AppendLog::flush`]: whoever gets
//! the files first writes everything that is in the buffer, and with `appendfsync always` syncs it; those who come
//! meanwhile find their own part done. So one sync serves all that wait, and no reply leaves before what it says is
//! as safe as was asked for.
//!
//! # Rewriting
//!
//! Under all locks the log goes over to a new file, and a snapshot begins; once it is written it becomes the base of
//! the new file. Until then the old files stay, and a crash finds either the old base with both files
//! or the new base with the new one.
//!
//! # When writing fails
//!
//! Then writes are refused until it succeeds again. What could not be written stays in the buffer. After a
//! failed sync nobody knows what the file holds: nothing is appended to it any more, until a rewrite has made
//! another.
//!
//! # Where
//!
//! * `log`: what was logged, how it gets to the files, and when they are rewritten.
//! * `replay`: the files at a start.
//! * `commands`: the bytes of a file of commands, as commands.
//! * `lanes`: commands that touch one key each, executed by several threads.

mod commands;
mod lanes;
mod log;
mod replay;

pub use log::{AppendFiles, BaseForm, LogSource, Sync};
pub(crate) use log::{AppendLog, follow_config, tend};
