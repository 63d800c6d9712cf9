//! Where files are kept, as far as persistence needs to know: a trait with the few calls whose order and
//! success decide what survives a crash, and the file that takes the place of another at once.
//!
//! The real storage is the server's; the tests have one that loses and tears what was not synced.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oxidis_engine::snapshot::{SnapshotFile, SnapshotSource};

/// Where files are kept.
///
/// A file's bytes survive a crash once [`StorageFile::sync`] has succeeded, its name once
/// [`sync_directory`](Self::sync_directory) has. After a failed sync the state of what was to be synced is
/// unknown.
pub trait Storage: Send + Sync {
    /// Creates a file, or empties one that is there, for appending.
    ///
    /// # Errors
    /// The operating system's, as of all methods here.
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>>;

    /// Opens a file for reading, and says how long it is.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none.
    fn read(&self, path: &Path) -> io::Result<(Box<dyn Read + Send>, u64)>;

    /// Opens a file for appending to what is there, and says how long it is.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none.
    fn open_for_append(&self, path: &Path) -> io::Result<(Box<dyn StorageFile>, u64)>;

    /// Makes a directory, unless it is there.
    ///
    /// # Errors
    /// As of [`Self::create`].
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, in the place of what had it.
    ///
    /// # Errors
    /// As of [`Self::create`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As of [`Self::create`].
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As of [`Self::create`].
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A file that is appended to.
pub trait StorageFile: Send {
    /// Appends all of the bytes.
    ///
    /// # Errors
    /// The operating system's; some of the bytes may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was appended durable.
    ///
    /// # Errors
    /// The operating system's.
    fn sync(&mut self) -> io::Result<()>;

    /// Takes everything behind the first `len` bytes away.
    ///
    /// # Errors
    /// The operating system's.
    fn cut(&mut self, len: u64) -> io::Result<()>;

    /// The same file once more, so that one can be synced while the other is appended to.
    ///
    /// # Errors
    /// The operating system's.
    fn handle(&self) -> io::Result<Box<dyn StorageFile>>;
}

/// The operating system's word for an error, as clients and logs of Redis know it: without the number that Rust puts
/// behind it.
pub fn reason_of(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.rfind(" (os error ")) {
        (Some(_), Some(end)) => text[..end].to_owned(),
        _ => text,
    }
}

/// With incremental syncing a file is synced each time that so much was appended, as in Redis, so that the
/// last sync finds little to do.
const SYNC_EVERY: u64 = 4 * 1024 * 1024;

/// A file that takes the place of another once it is whole and durable; until then the old one stays.
pub struct ReplacingFile {
    storage: Arc<dyn Storage>,
    /// `None` once it was put in its place.
    file: Option<Box<dyn StorageFile>>,
    temporary: PathBuf,
    target: PathBuf,
    /// Bytes appended since the last sync, where syncing is incremental.
    unsynced: Option<u64>,
}

impl ReplacingFile {
    /// Begins a file beside `target`.
    ///
    /// # Errors
    /// The storage's.
    pub fn create(
        storage: Arc<dyn Storage>,
        target: &Path,
        syncs_incrementally: bool,
    ) -> io::Result<Self> {
        /// Two saves of one process must not meet in one file.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "temp-{}-{}.rdb",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let temporary = target.with_file_name(name);
        let file = storage.create(&temporary)?;
        Ok(ReplacingFile {
            storage,
            file: Some(file),
            temporary,
            target: target.to_path_buf(),
            unsynced: syncs_incrementally.then_some(0),
        })
    }

    fn try_append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Err(io::Error::other("the file is closed"));
        };
        file.append(bytes)?;
        if let Some(unsynced) = &mut self.unsynced {
            *unsynced += bytes.len() as u64;
            if *unsynced >= SYNC_EVERY {
                file.sync()?;
                *unsynced = 0;
            }
        }
        Ok(())
    }

    fn try_commit(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Err(io::Error::other("the file is closed"));
        };
        file.sync()?;
        self.storage.rename(&self.temporary, &self.target)?;
        self.file = None;
        // A bare name has an empty parent.
        let directory = self.target.parent();
        let directory = directory.filter(|path| !path.as_os_str().is_empty());
        self.storage
            .sync_directory(directory.unwrap_or(Path::new(".")))
    }
}

impl SnapshotFile for ReplacingFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.try_append(bytes).map_err(|error| reason_of(&error))
    }

    fn commit(mut self: Box<Self>) -> Result<(), String> {
        self.try_commit().map_err(|error| reason_of(&error))
    }
}

impl Drop for ReplacingFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What is left over of it harms nobody.
            let _ = self.storage.remove(&self.temporary);
        }
    }
}

/// Opens a data set for loading, if it is there.
///
/// # Errors
/// Why it cannot be read.
pub fn open_snapshot(storage: &dyn Storage, path: &Path) -> Result<Option<SnapshotSource>, String> {
    match storage.read(path) {
        Ok((bytes, len)) => Ok(Some(SnapshotSource { bytes, len })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {}", path.display(), reason_of(&error))),
    }
}
