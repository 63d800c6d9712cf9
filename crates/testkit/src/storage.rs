//! A storage that fails and crashes when it is told to: it knows which bytes and which names have been made
//! durable, and a crash leaves those, and of the others what chance leaves.
//!
//! What it models, after what file systems promise: bytes are durable once the file was synced, and of bytes
//! that were not any beginning may have survived; a name (created, renamed or removed) is durable once its
//! directory was synced, and before that either the old name or the new may be found.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use oxidis_persist::storage::{Storage, StorageFile};

/// What a crash leaves of what was not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// All names, but of each file only the first so many hundredths of what was not synced: a torn write.
    Percent(u8),
}

#[derive(Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    synced_len: usize,
    /// A sync has failed: what was to be synced then may be gone although later syncs succeed, and so may what stands
    /// behind it.
    is_unknown: bool,
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Calls that change something, so far.
    calls: usize,
    /// The number of the call that fails.
    fails_at: Option<usize>,
    /// From this call on nothing happens any more: the process is gone.
    crashes_at: Option<usize>,
}

impl State {
    /// Counts a call; an error if it is the one that fails, or comes after the crash.
    fn call(&mut self) -> io::Result<()> {
        let call = self.calls;
        self.calls += 1;
        if self.fails_at == Some(call) {
            return Err(io::Error::from_raw_os_error(NO_SPACE));
        }
        if self.crashes_at.is_some_and(|at| call >= at) {
            return Err(io::Error::other("the machine is off"));
        }
        Ok(())
    }
}

/// ENOSPC, on every system that has it.
const NO_SPACE: i32 = 28;

/// A storage in memory.
#[derive(Debug, Clone, Default)]
pub struct FaultyStorage(Arc<Mutex<State>>);

impl FaultyStorage {
    /// A storage without files.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no test goes on after a panic")
    }

    /// How many calls have changed something, or tried to.
    pub fn calls(&self) -> usize {
        self.state().calls
    }

    /// Lets the call with this number, counted from now on, fail as on a full disk; `None`: none.
    pub fn fail_at(&self, call: Option<usize>) {
        let mut state = self.state();
        let calls = state.calls;
        state.fails_at = call.map(|call| calls + call);
    }

    /// Lets the machine stop before the call with this number, counted from now on.
    pub fn crash_at(&self, call: usize) {
        let mut state = self.state();
        state.crashes_at = Some(state.calls + call);
    }

    /// What is found after a crash, with a machine that runs again.
    pub fn after_crash(&self, survives: Survives) -> FaultyStorage {
        let state = self.state();
        let names = match survives {
            Survives::Nothing => &state.durable_names,
            Survives::Everything | Survives::Percent(_) => &state.names,
        };
        let inodes = state.inodes.iter().map(|inode| {
            let unsynced = inode.bytes.len() - inode.synced_len;
            let kept = match survives {
                Survives::Nothing => 0,
                Survives::Everything => unsynced,
                Survives::Percent(percent) => unsynced * usize::from(percent) / 100,
            };
            let len = inode.synced_len + kept;
            Inode {
                bytes: inode.bytes[..len].to_vec(),
                synced_len: len,
                is_unknown: false,
            }
        });
        FaultyStorage(Arc::new(Mutex::new(State {
            inodes: inodes.collect(),
            names: names.clone(),
            durable_names: names.clone(),
            ..State::default()
        })))
    }

    /// The files that there are.
    pub fn files(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }
}

impl Storage for FaultyStorage {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let mut state = self.state();
        state.call()?;
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.names.insert(path.to_path_buf(), inode);
        Ok(Box::new(FaultyFile {
            storage: self.clone(),
            inode,
        }))
    }

    fn read(&self, path: &Path) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let state = self.state();
        let inode = state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let bytes = state.inodes[*inode].bytes.clone();
        let len = bytes.len() as u64;
        Ok((Box::new(Cursor::new(bytes)), len))
    }

    fn open_for_append(&self, path: &Path) -> io::Result<(Box<dyn StorageFile>, u64)> {
        let state = self.state();
        let inode = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let len = state.inodes[inode].bytes.len() as u64;
        let storage = self.clone();
        Ok((Box::new(FaultyFile { storage, inode }), len))
    }

    fn create_directory(&self, _path: &Path) -> io::Result<()> {
        self.state().call()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        let inode = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_path_buf(), inode);
        Ok(())
    }

    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        let removed = state.names.remove(path);
        removed.map(drop).ok_or(io::ErrorKind::NotFound.into())
    }
}

struct FaultyFile {
    storage: FaultyStorage,
    inode: usize,
}

impl StorageFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.storage.state();
        let called = state.call();
        // A full disk has taken a part of it.
        let taken = match called {
            Ok(()) => bytes,
            Err(_) if state.crashes_at.is_none() => &bytes[..bytes.len() / 2],
            Err(_) => &[],
        };
        state.inodes[self.inode].bytes.extend_from_slice(taken);
        called
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.storage.state();
        let called = state.call();
        let inode = &mut state.inodes[self.inode];
        match called {
            Ok(()) if !inode.is_unknown => inode.synced_len = inode.bytes.len(),
            Ok(()) => {}
            Err(_) => inode.is_unknown = true,
        }
        called
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.storage.state();
        state.call()?;
        let inode = &mut state.inodes[self.inode];
        inode.bytes.truncate(len as usize);
        inode.synced_len = inode.synced_len.min(inode.bytes.len());
        Ok(())
    }

    fn handle(&self) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(FaultyFile {
            storage: self.storage.clone(),
            inode: self.inode,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(storage: &FaultyStorage, name: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let (mut file, _) = storage.read(Path::new(name)).ok()?;
        file.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    #[test]
    fn nothing_is_certain_after_a_failed_sync() {
        let storage = FaultyStorage::new();
        let mut file = storage.create(Path::new("a")).expect("it may");
        storage
            .sync_directory(Path::new(""))
            .expect("the name is durable");
        file.append(b"1").expect("it may");
        file.sync().expect("it may");
        file.append(b"2").expect("it may");
        storage.fail_at(Some(0));
        assert!(file.sync().is_err());
        file.append(b"3").expect("it may");
        file.sync().expect("it says so");
        let after = |survives| contents(&storage.after_crash(survives), "a");
        assert_eq!(after(Survives::Nothing), Some(b"1".to_vec()));
        assert_eq!(after(Survives::Everything), Some(b"123".to_vec()));
    }

    #[test]
    fn what_is_not_durable_may_be_lost() {
        let storage = FaultyStorage::new();
        let mut file = storage.create(Path::new("a")).expect("it may");
        file.append(b"synced").expect("it may");
        file.sync().expect("it may");
        file.append(b"1234").expect("it may");
        let after = |survives| contents(&storage.after_crash(survives), "a");
        assert_eq!(after(Survives::Nothing), None);
        assert_eq!(after(Survives::Everything), Some(b"synced1234".to_vec()));
        assert_eq!(after(Survives::Percent(50)), Some(b"synced12".to_vec()));
        storage.sync_directory(Path::new(".")).expect("it may");
        let after = |survives| contents(&storage.after_crash(survives), "a");
        assert_eq!(after(Survives::Nothing), Some(b"synced".to_vec()));
        storage
            .rename(Path::new("a"), Path::new("b"))
            .expect("it may");
        assert!(contents(&storage.after_crash(Survives::Nothing), "a").is_some());
        assert!(contents(&storage.after_crash(Survives::Everything), "b").is_some());
    }

    #[test]
    fn a_call_fails_when_it_is_told_to() {
        let storage = FaultyStorage::new();
        storage.fail_at(Some(1));
        let mut file = storage.create(Path::new("a")).expect("it may");
        assert!(file.append(b"12").is_err());
        assert!(file.append(b"3").is_ok());
        assert_eq!(contents(&storage, "a"), Some(b"13".to_vec()));
        storage.crash_at(0);
        assert!(file.append(b"4").is_err() && file.sync().is_err());
        assert_eq!(contents(&storage, "a"), Some(b"13".to_vec()));
    }
}
