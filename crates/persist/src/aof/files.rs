//! The parts of an append-only file in their directory.
//!
//! What is durable at which moment: a new part and its name are synced before the manifest names it, the manifest is
//! written beside the old one, synced and renamed, and what it does not need any more is removed only after
//! that. So each crash finds a manifest all of whose parts are there.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oxidis_engine::append_log::{AppendFiles, BaseForm, LogSource, Sync};
use oxidis_engine::snapshot::SnapshotFile;
use parking_lot::Mutex;

use super::manifest::{Kind, Manifest, Part};
use crate::storage::{Storage, StorageFile, reason_of};

/// The longest manifest that is read.
const MANIFEST_MAX_BYTES: u64 = 1 << 20;

/// Where the parts are and what they are called.
#[derive(Debug, Clone)]
pub struct AppendNames {
    /// `dir`, in which versions before 7.0 kept their one file.
    pub parent: PathBuf,
    /// `appenddirname`.
    pub directory: String,
    /// `appendfilename`.
    pub base_name: String,
    /// Keep files that are not needed any more (`aof-disable-auto-gc`).
    pub keeps_history: bool,
}

struct Shared {
    storage: Arc<dyn Storage>,
    names: AppendNames,
    directory: PathBuf,
    manifest: Mutex<Manifest>,
}

impl Shared {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn manifest_name(&self) -> String {
        format!("{}.manifest", self.names.base_name)
    }

    fn base(&self, sequence: u64, form: BaseForm) -> Part {
        let extension = match form {
            BaseForm::DataSet => "rdb",
            BaseForm::Commands => "aof",
        };
        Part {
            name: format!("{}.{sequence}.base.{extension}", self.names.base_name),
            sequence,
            kind: Kind::Base,
        }
    }

    fn incremental(&self, sequence: u64) -> Part {
        Part {
            name: format!("{}.{sequence}.incr.aof", self.names.base_name),
            sequence,
            kind: Kind::Incremental,
        }
    }

    /// Puts a manifest in the place of the old one.
    fn write_manifest(&self, manifest: &Manifest) -> io::Result<()> {
        let temporary = self.path(&format!("temp-{}", self.manifest_name()));
        let mut file = self.storage.create(&temporary)?;
        file.append(manifest.to_text().as_bytes())?;
        file.sync()?;
        let target = self.path(&self.manifest_name());
        self.storage.rename(&temporary, &target)?;
        self.storage.sync_directory(&self.directory)
    }

    /// Removes what the manifest calls history.
    fn remove_history(&self, manifest: &mut Manifest) {
        if self.names.keeps_history || manifest.history.is_empty() {
            return;
        }
        let mut kept = manifest.clone();
        kept.history.retain(|part| {
            let removed = self.storage.remove(&self.path(&part.name));
            matches!(removed, Err(error) if error.kind() != io::ErrorKind::NotFound)
        });
        // Otherwise the manifest goes on calling them so, and it is tried again at the next start.
        if self.write_manifest(&kept).is_ok() {
            *manifest = kept;
        }
    }
}

/// The part that commands are appended to.
struct Open {
    part: Part,
    file: Box<dyn StorageFile>,
    len: u64,
    /// Whether the file may hold what nobody knows: an append failed half-way and could not be undone, or a sync
    /// failed.
    is_broken: bool,
}

/// An append-only file in its directory.
pub struct AppendDirectory {
    shared: Arc<Shared>,
    open: Option<Open>,
}

impl AppendDirectory {
    /// Reads the manifest, if there is one; takes over a file of a version before 7.0, if there is none.
    ///
    /// # Errors
    /// What is wrong with the manifest, or the operating system's word.
    pub fn find(storage: Arc<dyn Storage>, names: AppendNames) -> Result<Self, String> {
        let directory = names.parent.join(&names.directory);
        let shared = Shared {
            storage,
            names,
            directory,
            manifest: Mutex::default(),
        };
        let path = shared.path(&shared.manifest_name());
        let manifest = match shared.storage.read(&path) {
            Ok((bytes, _)) => {
                let mut text = String::new();
                bytes
                    .take(MANIFEST_MAX_BYTES)
                    .read_to_string(&mut text)
                    .map_err(|error| in_file(&path, &error))?;
                let manifest = Manifest::parse(&text)
                    .map_err(|(line, error)| format!("{}: line {line}: {error}", path.display()))?;
                finish_upgrade(&shared, &manifest).map_err(|error| in_file(&path, &error))?;
                manifest
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                upgrade(&shared).map_err(|error| in_file(&path, &error))?
            }
            Err(error) => return Err(in_file(&path, &error)),
        };
        *shared.manifest.lock() = manifest;
        Ok(AppendDirectory {
            shared: Arc::new(shared),
            open: None,
        })
    }

    fn try_open(&mut self) -> io::Result<u64> {
        let shared = &self.shared;
        let mut manifest = shared.manifest.lock();
        shared.remove_history(&mut manifest);
        let mut total = 0;
        if let Some(base) = &manifest.base {
            total += shared.storage.read(&shared.path(&base.name))?.1;
        }
        for part in &manifest.incremental {
            total += shared.storage.read(&shared.path(&part.name))?.1;
        }
        let (part, file, len) = match manifest.incremental.last() {
            Some(part) => {
                let (file, len) = shared.storage.open_for_append(&shared.path(&part.name))?;
                (part.clone(), file, len)
            }
            None => {
                let part = shared.incremental(1);
                let file = self.create_part(&part)?;
                manifest.incremental.push(part.clone());
                shared.write_manifest(&manifest)?;
                (part, file, 0)
            }
        };
        drop(manifest);
        self.open = Some(Open {
            part,
            file,
            len,
            is_broken: false,
        });
        Ok(total)
    }

    fn create_part(&self, part: &Part) -> io::Result<Box<dyn StorageFile>> {
        let mut file = self.shared.storage.create(&self.shared.path(&part.name))?;
        file.sync()?;
        self.shared.storage.sync_directory(&self.shared.directory)?;
        Ok(file)
    }

    fn try_rotate(&mut self, is_listed: bool, form: BaseForm) -> io::Result<BaseFile> {
        let shared = self.shared.clone();
        shared.storage.create_directory(&shared.directory)?;
        shared.storage.sync_directory(&shared.names.parent)?;
        if let Some(open) = &mut self.open
            && !open.is_broken
        {
            open.file.sync().inspect_err(|_| open.is_broken = true)?;
        }
        let mut manifest = shared.manifest.lock();
        let last = manifest.incremental.last().map_or(0, |part| part.sequence);
        let opened = self.open.as_ref().map_or(0, |open| open.part.sequence);
        let part = shared.incremental(last.max(opened) + 1);
        let base = manifest.base.as_ref().map_or(0, |part| part.sequence) + 1;
        let file = self.create_part(&part)?;
        if is_listed {
            let mut listed = manifest.clone();
            listed.incremental.push(part.clone());
            shared.write_manifest(&listed)?;
            *manifest = listed;
        }
        drop(manifest);
        let temporary = shared.path(&format!("temp-rewriteaof-{}.aof", std::process::id()));
        let base_file = BaseFile {
            file: Some(shared.storage.create(&temporary)?),
            temporary,
            base: shared.base(base, form),
            first: part.clone(),
            shared: shared.clone(),
        };
        self.open = Some(Open {
            part,
            file,
            len: 0,
            is_broken: false,
        });
        Ok(base_file)
    }
}

/// Versions before 7.0 kept one file in `dir`: it becomes the base.
fn upgrade(shared: &Shared) -> io::Result<Manifest> {
    let old = shared.names.parent.join(&shared.names.base_name);
    let mut manifest = Manifest::default();
    match shared.storage.read(&old) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(manifest),
        Err(error) => return Err(error),
    }
    shared.storage.create_directory(&shared.directory)?;
    manifest.base = Some(Part {
        name: shared.names.base_name.clone(),
        sequence: 1,
        kind: Kind::Base,
    });
    // The manifest comes first, as in Redis: after a crash in between, the next start goes on from there. The other
    // order would leave data that nobody looks for.
    shared.write_manifest(&manifest)?;
    move_old(shared)?;
    Ok(manifest)
}

/// Goes on with an upgrade that was interrupted: the manifest has the old file already, the directory not yet.
fn finish_upgrade(shared: &Shared, manifest: &Manifest) -> io::Result<()> {
    let base_name = &shared.names.base_name;
    let is_of_upgrade = manifest.incremental.is_empty()
        && manifest
            .base
            .as_ref()
            .is_some_and(|base| base.name == *base_name);
    let is_there = |path: &Path| match shared.storage.read(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    if is_of_upgrade
        && !is_there(&shared.path(base_name))?
        && is_there(&shared.names.parent.join(base_name))?
    {
        move_old(shared)?;
    }
    Ok(())
}

/// Moves the file of a version before 7.0 to the others.
fn move_old(shared: &Shared) -> io::Result<()> {
    let base_name = &shared.names.base_name;
    let old = shared.names.parent.join(base_name);
    shared.storage.rename(&old, &shared.path(base_name))?;
    shared.storage.sync_directory(&shared.directory)?;
    shared.storage.sync_directory(&shared.names.parent)
}

/// What went wrong with a file.
fn in_file(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", path.display(), reason_of(error))
}

fn broken() -> String {
    "the state of the file is unknown after an earlier error".to_owned()
}

impl AppendFiles for AppendDirectory {
    fn sources(&mut self) -> Result<Vec<LogSource>, String> {
        let manifest = self.shared.manifest.lock();
        manifest
            .live()
            .map(|part| {
                let path = self.shared.path(&part.name);
                let (bytes, len) = self.shared.storage.read(&path).map_err(|error| {
                    format!("{} cannot be read: {}", path.display(), reason_of(&error))
                })?;
                let name = part.name.clone();
                Ok(LogSource { name, bytes, len })
            })
            .collect()
    }

    fn cut_last(&mut self, len: u64) -> Result<(), String> {
        let manifest = self.shared.manifest.lock();
        let Some(part) = manifest.live().last() else {
            return Ok(());
        };
        let path = self.shared.path(&part.name);
        let storage = &self.shared.storage;
        let cut = || {
            let (mut file, _) = storage.open_for_append(&path)?;
            file.cut(len)?;
            file.sync()
        };
        cut().map_err(|error| in_file(&path, &error))
    }

    fn open(&mut self) -> Result<u64, String> {
        self.try_open().map_err(|error| reason_of(&error))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), String> {
        let open = self.open.as_mut().ok_or("the file is closed")?;
        if open.is_broken {
            return Err(broken());
        }
        match open.file.append(bytes) {
            Ok(()) => {
                open.len += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A command of which a part is there would swallow the beginning of the next one.
                open.is_broken = open.file.cut(open.len).is_err();
                Err(reason_of(&error))
            }
        }
    }

    fn sync(&mut self) -> Result<(), String> {
        let open = self.open.as_mut().ok_or("the file is closed")?;
        if open.is_broken {
            return Err(broken());
        }
        open.file.sync().map_err(|error| {
            open.is_broken = true;
            reason_of(&error)
        })
    }

    fn syncer(&mut self) -> Result<Sync, String> {
        let open = self.open.as_mut().ok_or("the file is closed")?;
        let mut handle = open.file.handle().map_err(|error| reason_of(&error))?;
        Ok(Box::new(move || {
            handle.sync().map_err(|error| reason_of(&error))
        }))
    }

    fn note_failed_sync(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_broken = true;
        }
    }

    fn is_broken(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.is_broken)
    }

    fn rotate(&mut self, is_listed: bool, form: BaseForm) -> Result<Box<dyn SnapshotFile>, String> {
        match self.try_rotate(is_listed, form) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(reason_of(&error)),
        }
    }
}

/// A base on its way to being whole.
struct BaseFile {
    shared: Arc<Shared>,
    file: Option<Box<dyn StorageFile>>,
    temporary: PathBuf,
    base: Part,
    /// The first part with commands that the base does not have.
    first: Part,
}

impl BaseFile {
    fn try_commit(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Err(io::Error::other("the file is closed"));
        };
        file.sync()?;
        let shared = &self.shared;
        let target: &Path = &shared.path(&self.base.name);
        shared.storage.rename(&self.temporary, target)?;
        self.file = None;
        shared.storage.sync_directory(&shared.directory)?;
        let mut manifest = shared.manifest.lock();
        let mut next = manifest.clone();
        let old = |part: &Part| Part {
            kind: Kind::History,
            ..part.clone()
        };
        next.history.extend(next.base.iter().map(old));
        next.base = Some(self.base.clone());
        let first = self.first.sequence;
        let is_needed = |part: &Part| part.sequence >= first;
        let parts = std::mem::take(&mut next.incremental);
        let (needed, over): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(is_needed);
        next.history.extend(over.iter().map(old));
        next.incremental = needed;
        if next.incremental.is_empty() {
            next.incremental.push(self.first.clone());
        }
        shared.write_manifest(&next)?;
        *manifest = next;
        shared.remove_history(&mut manifest);
        Ok(())
    }
}

impl SnapshotFile for BaseFile {
    fn append(&mut self, bytes: &[u8]) -> Result<(), String> {
        let file = self.file.as_mut().ok_or("the file is closed")?;
        file.append(bytes).map_err(|error| reason_of(&error))
    }

    fn commit(mut self: Box<Self>) -> Result<(), String> {
        self.try_commit().map_err(|error| reason_of(&error))
    }
}

impl Drop for BaseFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What is left over of it harms nobody.
            let _ = self.shared.storage.remove(&self.temporary);
        }
    }
}
