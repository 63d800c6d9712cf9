//! The files behind the configuration: reading redis.conf with all that it includes, and writing
//! it back for CONFIG REWRITE. What their text means is the engine's affair.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use oxidis_engine::acl::{RuleError, Users};
use oxidis_engine::command::CommandNames;
use oxidis_engine::config::{CommandLine, Config, ConfigFileError, ConfigFileHost, RewriteScope};
use oxidis_persist::storage::reason_of;

/// Why a server cannot be configured. The text is that of redis-server.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The file that the command line names cannot be read.
    #[error("Fatal error, can't open config file '{path}': {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The operating system's word for it.
        reason: String,
    },
    /// The standard input cannot be read.
    #[error("Fatal error, can't read the configuration from the standard input: {0}")]
    StandardInput(String),
    /// A module is to be loaded, and there are none.
    #[error("Can't load module from {0}: Oxidis has no modules; server aborting")]
    Module(String),
    /// A directive of a module that nothing loads.
    #[error("'{0}' belongs to a module, and Oxidis has no modules; server aborting")]
    ModuleDirective(String),
    /// The text is wrong.
    #[error("\n{0}")]
    Text(#[from] ConfigFileError),
}

/// Loads what a command line names into `config`, with the absolute path of its file.
///
/// Relative paths start from the directory of the process, or, as in Redis, from the last `dir` that stands
/// above them.
///
/// # Errors
/// What keeps the server from starting.
pub fn load(config: &Config, line: &CommandLine) -> Result<(), ConfigurationError> {
    let mut files = Files {
        directory: std::env::current_dir().unwrap_or_default(),
        names: CommandNames::default(),
        users: BTreeSet::new(),
    };
    let path = line
        .config_file
        .as_deref()
        .map(|path| files.directory.join(path_of(path)));
    let text = match &path {
        Some(path) => read_all(path)
            .map_err(|(path, reason)| ConfigurationError::Unreadable { path, reason })?,
        None => Vec::new(),
    };
    let mut stdin = Vec::new();
    if line.read_stdin {
        io::stdin()
            .read_to_end(&mut stdin)
            .map_err(|error| ConfigurationError::StandardInput(reason_of(&error)))?;
    }
    // Its own directory is the default of `dir`, which CONFIG GET shows as an absolute path.
    let directory = bytes_of(&files.directory);
    config
        .set_default("dir", &directory)
        .expect("any text is a directory to the configuration");
    config.load(&line.assemble(&text, &stdin), &mut files)?;
    config.set_file(path.as_deref().map(bytes_of));
    let file_only = config.file_only();
    let printable = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Some(words) = file_only.modules.first() {
        return Err(ConfigurationError::Module(printable(&words[0])));
    }
    if let Some((name, _)) = file_only.module_values.first() {
        return Err(ConfigurationError::ModuleDirective(printable(name)));
    }
    Ok(())
}

/// Writes the configuration into its file as CONFIG REWRITE does: the new text takes the place of the
/// old one at once and whole, or not at all.
///
/// # Errors
/// The operating system's.
pub fn rewrite(
    config: &Config,
    path: &Path,
    users: Option<&[Vec<u8>]>,
    scope: RewriteScope,
) -> io::Result<()> {
    let old = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    replace(path, &config.rewrite(&old, users, scope))
}

/// Puts a text in the place of a file: at once and whole, or not at all.
///
/// # Errors
/// The operating system's.
pub(crate) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    // A link stays a link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = write_whole(&temporary, text).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        // What is left of it is of no use.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_directory(&path)
}

fn write_whole(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Finds the files that a configuration names.
struct Files {
    /// Where relative paths start.
    directory: PathBuf,
    /// What the commands are called by now.
    names: CommandNames,
    /// The users that are defined already.
    users: BTreeSet<Vec<u8>>,
}

impl ConfigFileHost for Files {
    fn include(&mut self, pattern: &[u8]) -> Result<Vec<u8>, (Vec<u8>, String)> {
        let path = self.directory.join(path_of(pattern));
        let complaint = |(path, reason): (String, String)| (path.into_bytes(), reason);
        if !pattern
            .iter()
            .any(|byte| matches!(byte, b'*' | b'?' | b'['))
        {
            return read_all(&path).map_err(|(_, reason)| (pattern.to_vec(), reason));
        }
        let mut text = Vec::new();
        // What is no pattern matches nothing, as for the C library.
        for path in glob::glob(&path.to_string_lossy())
            .into_iter()
            .flatten()
            .flatten()
        {
            text.extend(read_all(&path).map_err(complaint)?);
        }
        Ok(text)
    }

    fn resolve_directory(&mut self, path: &[u8]) -> Result<Vec<u8>, String> {
        self.directory = resolve_directory(&self.directory, path)?;
        Ok(bytes_of(&self.directory))
    }

    fn rename_command(&mut self, from: &[u8], to: &[u8]) -> Result<(), String> {
        self.names.rename(from, to).map_err(str::to_owned)
    }

    fn define_user(&mut self, words: &[Vec<u8>]) -> Result<(), (usize, String)> {
        let name = words.first().cloned().unwrap_or_default();
        if !self.users.insert(name) {
            return Err((0, RuleError::DuplicateUser.to_string()));
        }
        Users::check_definition(words).map_err(|error| (error.word, error.to_string()))
    }

    fn check_log_file(&mut self, path: &[u8]) -> Result<(), String> {
        let path = self.directory.join(path_of(path));
        let opened = fs::OpenOptions::new().append(true).create(true).open(path);
        opened.map(drop).map_err(|error| reason_of(&error))
    }
}

/// Makes a directory absolute, starting from `base`.
///
/// # Errors
/// The operating system's word for why it cannot be entered.
pub fn resolve_directory(base: &Path, path: &[u8]) -> Result<PathBuf, String> {
    let directory =
        fs::canonicalize(base.join(path_of(path))).map_err(|error| reason_of(&error))?;
    // Reading it is the portable way to find out whether it is one.
    fs::read_dir(&directory).map_err(|error| reason_of(&error))?;
    Ok(directory)
}

/// A path as a configuration writes it.
pub fn path_of(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
    }
    #[cfg(not(unix))]
    {
        PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
    }
}

/// A path as a configuration shows it.
pub fn bytes_of(path: &Path) -> Vec<u8> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        path.as_os_str().as_bytes().to_vec()
    }
    #[cfg(not(unix))]
    {
        path.to_string_lossy().into_owned().into_bytes()
    }
}

fn read_all(path: &Path) -> Result<Vec<u8>, (String, String)> {
    fs::read(path).map_err(|error| (path.to_string_lossy().into_owned(), reason_of(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(config: &Config, name: &str) -> String {
        String::from_utf8(config.get(&[name.as_bytes()]).remove(0).1).unwrap()
    }

    fn line_of(path: &Path, options: &str) -> CommandLine {
        CommandLine {
            config_file: Some(bytes_of(path)),
            options: options.as_bytes().to_vec(),
            ..CommandLine::default()
        }
    }

    #[test]
    fn files_include_files_and_dir_moves_where_they_are_looked_for() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let outer = fs::canonicalize(root.path()).unwrap();
        let file = root.path().join("redis.conf");
        let text = format!(
            "dir {}\ninclude a.conf\ndir inner\ninclude *.conf\ninclude none*\n",
            outer.display()
        );
        fs::write(&file, text).unwrap();
        fs::write(root.path().join("a.conf"), "hz 20\n").unwrap();
        fs::write(inner.join("b.conf"), "timeout 3\n").unwrap();
        fs::write(inner.join("c.conf"), "timeout 4\n").unwrap();
        let config = Config::new(0);
        load(&config, &line_of(&file, "maxclients 7")).unwrap();
        assert_eq!(config.file(), Some(bytes_of(&file)));
        assert_eq!(
            (config.hz(), config.timeout_seconds(), config.maxclients()),
            (20, 4, 7)
        );
        assert_eq!(shown(&config, "dir"), outer.join("inner").to_string_lossy());
    }

    #[test]
    fn what_is_missing_is_named() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("missing");
        let error = load(&Config::new(0), &line_of(&missing, ""))
            .unwrap_err()
            .to_string();
        let expected = format!(
            "Fatal error, can't open config file '{}': ",
            missing.display()
        );
        assert!(
            error.starts_with(&expected) && !error.contains("os error"),
            "{error}"
        );
        let file = root.path().join("redis.conf");
        fs::write(&file, "\ndir /no/such/place\n").unwrap();
        let error = load(&Config::new(0), &line_of(&file, ""))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("at line 2\n>>> 'dir /no/such/place'\n"),
            "{error}"
        );
    }

    #[test]
    fn only_commands_that_there_are_can_be_renamed() {
        let load = |options: &str| {
            let line = CommandLine {
                options: options.as_bytes().to_vec(),
                ..CommandLine::default()
            };
            load(&Config::new(0), &line).map_err(|error| error.to_string())
        };
        assert_eq!(
            load("rename-command get fetch\nrename-command FETCH \"\""),
            Ok(())
        );
        assert!(
            load("rename-command nope a")
                .unwrap_err()
                .ends_with("\nNo such command in rename-command")
        );
        assert!(
            load("rename-command get set")
                .unwrap_err()
                .ends_with("\nTarget command name already exists")
        );
    }

    #[test]
    fn a_rewritten_file_is_whole_and_leaves_nothing_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("redis.conf");
        fs::write(&file, "# mine\nhz 20\n").unwrap();
        let config = Config::new(0);
        load(&config, &line_of(&file, "hz 30")).unwrap();
        rewrite(&config, &file, None, RewriteScope::Changed).unwrap();
        assert!(
            fs::read_to_string(&file)
                .unwrap()
                .starts_with("# mine\nhz 30\n")
        );
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        assert!(
            rewrite(
                &config,
                &root.path().join("a/b"),
                None,
                RewriteScope::Changed
            )
            .is_err()
        );
    }
}
