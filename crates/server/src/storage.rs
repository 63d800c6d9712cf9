//! The file system as persistence knows it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use oxidis_persist::storage::{Storage, StorageFile};

/// The files of the operating system.
pub(crate) struct Disk;

impl Storage for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        // Appending, so that what follows a cut lands where the file ends.
        let mut options = File::options();
        options.append(true).create(true);
        let file = options.open(path)?;
        file.set_len(0)?;
        Ok(Box::new(DiskFile(file)))
    }

    fn read(&self, path: &Path) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok((Box::new(file), len))
    }

    fn open_for_append(&self, path: &Path) -> io::Result<(Box<dyn StorageFile>, u64)> {
        let file = File::options().append(true).open(path)?;
        let len = file.metadata()?.len();
        Ok((Box::new(DiskFile(file)), len))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    #[cfg(unix)]
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// There is no such call; the file system does it by itself.
    #[cfg(not(unix))]
    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

struct DiskFile(File);

impl StorageFile for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn handle(&self) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(DiskFile(self.0.try_clone()?)))
    }
}
