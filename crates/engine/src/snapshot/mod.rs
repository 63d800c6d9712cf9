//! The whole data set at one moment: writing it down while it changes, and loading it again.
//!
//! * `codec`: what a format is; the engine knows none.
//! * `commands`: a data set as commands.
//! * `pass`: walking the data of an epoch (`keyspace::epoch` has the essay).
//! * `save`: SAVE, BGSAVE and save points. `load`: putting a data set in the place of what is there.

mod codec;
mod commands;
mod load;
mod pass;
mod save;

pub use codec::{
    LoadOptions, Loaded, LoadedEntry, LoadedValue, RestoreError, SaveOptions, SnapshotCodec,
    SnapshotEncoder, SnapshotEntry, SnapshotError, SnapshotFormat, TakeLoaded,
};
pub use commands::Commands;
pub use load::LoadReport;
pub(crate) use load::{FileOptions, load_file, replace};
pub use save::{BackgroundWork, SnapshotFile, SnapshotSource};
pub(crate) use save::{
    Purpose, SaveRefused, SnapshotContents, log_base_encoder, save_if_due, save_now,
    start_background_save, start_log_rewrite, start_transfer, write_all,
};
