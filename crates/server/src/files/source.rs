//! Where data come from: which files belong together, and what each is.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use oxidis_persist::aof::{Manifest, Part};
use oxidis_persist::check::FileForm;

/// The longest manifest that is read.
const MANIFEST_MAX_BYTES: u64 = 1 << 20;

/// What a path leads to.
pub(super) enum Found {
    /// One file.
    File(PathBuf, FileForm),
    /// A manifest and what it names.
    Log { manifest: PathBuf, parts: Manifest },
}

/// Looks what a path leads to.
///
/// # Errors
/// What is wrong, with the path.
pub(super) fn find(path: &Path) -> Result<Found, String> {
    let wrong = |error: io::Error| format!("{}: {error}", path.display());
    if fs::metadata(path).map_err(wrong)?.is_dir() {
        return read_manifest(&manifest_in(path)?);
    }
    match form_of(path).map_err(wrong)? {
        FileForm::Manifest => read_manifest(path),
        form => Ok(Found::File(path.to_path_buf(), form)),
    }
}

/// What a file is.
///
/// # Errors
/// The operating system's.
pub(super) fn form_of(path: &Path) -> io::Result<FileForm> {
    let mut start = Vec::new();
    let file = File::open(path)?;
    file.take(FileForm::BYTES_NEEDED as u64)
        .read_to_end(&mut start)?;
    Ok(FileForm::of(&start))
}

/// The one manifest in a directory.
fn manifest_in(directory: &Path) -> Result<PathBuf, String> {
    let wrong = |error: io::Error| format!("{}: {error}", directory.display());
    let mut manifests = Vec::new();
    for entry in fs::read_dir(directory).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // What a crash has left of one that was to take the place of another.
        if name.ends_with(".manifest") && !name.starts_with("temp-") {
            manifests.push(path);
        }
    }
    match manifests.as_slice() {
        [manifest] => Ok(manifest.clone()),
        [] => Err(format!("{}: there is no manifest", directory.display())),
        _ => Err(format!(
            "{}: there are {} manifests: name one",
            directory.display(),
            manifests.len()
        )),
    }
}

fn read_manifest(path: &Path) -> Result<Found, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| {
        file.take(MANIFEST_MAX_BYTES)
            .read_to_string(&mut text)
            .map(drop)
    });
    read.map_err(|error| format!("{}: {error}", path.display()))?;
    let parts = Manifest::parse(&text)
        .map_err(|(line, error)| format!("{}: line {line}: {error}", path.display()))?;
    if parts.live().next().is_none() {
        return Err(format!("{}: it names no files", path.display()));
    }
    Ok(Found::Log {
        manifest: path.to_path_buf(),
        parts,
    })
}

/// Where a part lies.
pub(super) fn path_of(manifest: &Path, part: &Part) -> PathBuf {
    manifest.with_file_name(&part.name)
}
