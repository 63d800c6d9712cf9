//! Where data go: a file that takes its place when it is whole, a directory with a manifest, or the standard output.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use oxidis_engine::append_log::{AppendFiles, BaseForm};
use oxidis_engine::snapshot::{Commands, SnapshotEncoder, SnapshotFile};
use oxidis_persist::aof::{AppendDirectory, AppendNames};
use oxidis_persist::storage::ReplacingFile;
use oxidis_persist::{Json, Rdb};

use super::arguments::{ConvertOptions, Format};
use crate::storage::Disk;

/// What the files of a directory are called, as by default in a server.
const BASE_NAME: &str = "appendonly.aof";

/// Something to write to.
pub(super) struct Target {
    pub(super) file: Box<dyn SnapshotFile>,
    pub(super) encoder: Box<dyn SnapshotEncoder>,
}

/// Opens the target.
///
/// # Errors
/// Why that cannot be.
pub(super) fn open(options: &ConvertOptions) -> Result<Target, String> {
    let path = &options.target;
    let is_output = path == Path::new("-");
    let is_directory = !is_output && (ends_in_slash(path) || path.is_dir());
    let format = match (options.format, ending(path).as_deref()) {
        (Some(Format::Aof) | None, _) if is_directory => return open_directory(path),
        (Some(_), _) if is_directory => {
            return Err(format!(
                "{}: a directory becomes an AOF only",
                path.display()
            ));
        }
        (Some(format), _) => format,
        (None, Some("rdb")) => Format::Rdb,
        (None, Some("aof")) => Format::Aof,
        (None, Some("json")) => Format::Json,
        (None, _) => {
            return Err(format!(
                "{}: the name does not say the format: --format does",
                path.display()
            ));
        }
    };
    let encoder: Box<dyn SnapshotEncoder> = match format {
        Format::Rdb => Box::new(Rdb),
        Format::Aof => Box::new(Commands::default()),
        Format::Json => Box::new(Json),
    };
    if is_output {
        let file = Box::new(Output(io::stdout()));
        return Ok(Target { file, encoder });
    }
    if !options.replaces && path.exists() {
        return Err(format!(
            "{} is there already: --force replaces it",
            path.display()
        ));
    }
    let file = ReplacingFile::create(Arc::new(Disk), path, false)
        .map_err(|error| format!("no file can be created beside {}: {error}", path.display()))?;
    let file = Box::new(file);
    Ok(Target { file, encoder })
}

fn ends_in_slash(path: &Path) -> bool {
    path.to_string_lossy().ends_with(std::path::is_separator)
}

fn ending(path: &Path) -> Option<String> {
    Some(path.extension()?.to_string_lossy().to_ascii_lowercase())
}

fn open_directory(path: &Path) -> Result<Target, String> {
    let wrong = |error: io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(path).map_err(wrong)?;
    if fs::read_dir(path).map_err(wrong)?.next().is_some() {
        return Err(format!("{} is not empty", path.display()));
    }
    let names = AppendNames {
        // Beside the directory there may be a file of a version before 7.0, which a server would take over.
        parent: path.to_path_buf(),
        directory: ".".to_owned(),
        base_name: BASE_NAME.to_owned(),
        keeps_history: false,
    };
    let mut directory = AppendDirectory::find(Arc::new(Disk), names)?;
    Ok(Target {
        file: directory.rotate(false, BaseForm::DataSet)?,
        encoder: Box::new(Rdb),
    })
}

/// The standard output.
struct Output(io::Stdout);

impl SnapshotFile for Output {
    fn append(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.0.write_all(bytes).map_err(|error| error.to_string())
    }

    fn commit(mut self: Box<Self>) -> Result<(), String> {
        self.0.flush().map_err(|error| error.to_string())
    }
}
