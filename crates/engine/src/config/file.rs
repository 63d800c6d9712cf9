//! Reading a configuration text: the lines of redis.conf, one directive each, and the few that are
//! no values (`include`, `user`, `rename-command`, `loadmodule`).

use oxidis_resp::inline;

use super::directive::{Directive, DirectiveId, Flags, Kind};
use super::error::ConfigFileError;
use super::store::Config;
use super::value::{Complaint, Value};
use super::words;

/// How deep files may include each other.
const INCLUDE_DEPTH_LIMIT: usize = 64;

/// Directives of the past, which take one argument and do nothing.
const FORGOTTEN: [&[u8]; 3] = [
    b"list-max-ziplist-entries",
    b"list-max-ziplist-value",
    b"lua-replicate-commands",
];

/// What loading a configuration needs from outside the engine. Each error is the text that the
/// administrator reads.
pub trait ConfigFileHost {
    /// The text of the file or files that an `include` names, joined; nothing if a pattern with
    /// wildcards matches no file.
    ///
    /// # Errors
    /// The path of the file that cannot be read, and the operating system's word for why.
    fn include(&mut self, pattern: &[u8]) -> Result<Vec<u8>, (Vec<u8>, String)>;

    /// Makes a `dir` absolute.
    ///
    /// # Errors
    /// The operating system's word for why it cannot be entered.
    fn resolve_directory(&mut self, path: &[u8]) -> Result<Vec<u8>, String> {
        Ok(path.to_vec())
    }

    /// Tells whether a `logfile` can be written.
    ///
    /// # Errors
    /// The operating system's word for why not.
    fn check_log_file(&mut self, _path: &[u8]) -> Result<(), String> {
        Ok(())
    }

    /// Gives a command another name, or takes it away when the new name is empty.
    ///
    /// # Errors
    /// `No such command in rename-command` or `Target command name already exists`.
    fn rename_command(&mut self, _from: &[u8], _to: &[u8]) -> Result<(), String> {
        Ok(())
    }

    /// Takes the words of a `user` line, the name first.
    ///
    /// # Errors
    /// What is wrong with the word at this index, where 0 is the name.
    fn define_user(&mut self, _words: &[Vec<u8>]) -> Result<(), (usize, String)> {
        Ok(())
    }
}

/// What only a file can say: it is no value, CONFIG GET does not show it, CONFIG REWRITE leaves it
/// alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileOnly {
    /// The words of each `loadmodule`: path and arguments.
    pub modules: Vec<Vec<Vec<u8>>>,
    /// Names with a dot, which belong to modules, with their values.
    pub module_values: Vec<(Vec<u8>, Vec<u8>)>,
    /// Old and new name of each `rename-command`.
    pub renamed_commands: Vec<(Vec<u8>, Vec<u8>)>,
    /// The words of each `user`, the name first.
    pub users: Vec<Vec<Vec<u8>>>,
}

impl Config {
    /// Loads a configuration text, in which later lines win. Meant for the start: nothing is
    /// applied, the observer is not called.
    ///
    /// # Errors
    /// The first line that is wrong. Values may have changed by then.
    pub fn load(&self, text: &[u8], host: &mut dyn ConfigFileHost) -> Result<(), ConfigFileError> {
        let _changing = self.changing.lock();
        let (values, file_only) = {
            let state = self.state.read();
            (state.values.clone(), state.file_only.clone())
        };
        let mut loader = Loader {
            values,
            file_only,
            host,
            moves_blocks: self.moves_blocks(),
            save_seen: false,
            depth: 0,
        };
        loader.load(text)?;
        loader.check_whole()?;
        let Loader {
            values, file_only, ..
        } = loader;
        self.state.write().file_only = file_only;
        self.commit(values);
        Ok(())
    }

    /// What the configuration file said that is no value.
    pub fn file_only(&self) -> FileOnly {
        self.state.read().file_only.clone()
    }
}

struct Loader<'a> {
    values: Vec<Value>,
    file_only: FileOnly,
    host: &'a mut dyn ConfigFileHost,
    /// Whether the allocator can move blocks.
    moves_blocks: bool,
    /// The first `save` replaces the default, those after it add to it.
    save_seen: bool,
    depth: usize,
}

/// Why a line is wrong, or the error of a file that it includes.
enum LineError {
    Wrong(Complaint),
    Included(ConfigFileError),
}

impl<C: Into<Complaint>> From<C> for LineError {
    fn from(complaint: C) -> Self {
        Self::Wrong(complaint.into())
    }
}

impl Loader<'_> {
    fn load(&mut self, text: &[u8]) -> Result<(), ConfigFileError> {
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = words::trim(line);
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            self.load_line(line).map_err(|error| match error {
                LineError::Included(error) => error,
                LineError::Wrong(reason) => ConfigFileError::Line {
                    number: index + 1,
                    line: String::from_utf8_lossy(line).into_owned(),
                    reason,
                },
            })?;
        }
        Ok(())
    }

    fn load_line(&mut self, line: &[u8]) -> Result<(), LineError> {
        let mut line =
            inline::split(line).map_err(|_| "Unbalanced quotes in configuration line")?;
        if line.is_empty() {
            return Ok(());
        }
        let name = line.remove(0).to_ascii_lowercase();
        let arguments = line;
        if let Some((id, _)) = DirectiveId::find(&name) {
            return Ok(self.set(id, &arguments)?);
        }
        if FORGOTTEN.contains(&name.as_slice()) && arguments.len() == 1 {
            return Ok(());
        }
        match (name.as_slice(), arguments.as_slice()) {
            (b"include", [pattern]) => self.include(pattern),
            (b"rename-command", [from, to]) => {
                self.host.rename_command(from, to)?;
                self.file_only
                    .renamed_commands
                    .push((from.clone(), to.clone()));
                Ok(())
            }
            (b"user", [_, ..]) => {
                self.host
                    .define_user(&arguments)
                    .map_err(|(index, reason)| {
                        let word =
                            String::from_utf8_lossy(arguments.get(index).unwrap_or(&arguments[0]));
                        format!("Error in user declaration '{word}': {reason}")
                    })?;
                self.file_only.users.push(arguments);
                Ok(())
            }
            (b"loadmodule", [_, ..]) => {
                self.file_only.modules.push(arguments);
                Ok(())
            }
            (dotted, values) if dotted.contains(&b'.') => {
                if values.is_empty() {
                    return Err("Module config specified without value".into());
                }
                self.file_only
                    .module_values
                    .push((name, values.join(&b' ')));
                Ok(())
            }
            (b"sentinel", []) => Ok(()),
            (b"sentinel", _) => Err("sentinel directive while not in sentinel mode".into()),
            _ => Err("Bad directive or wrong number of arguments".into()),
        }
    }

    fn set(&mut self, id: DirectiveId, arguments: &[Vec<u8>]) -> Result<(), Complaint> {
        let directive = id.directive();
        let split;
        let arguments = if !directive.flags.contains(Flags::MULTI_ARGUMENT) {
            if arguments.len() != 1 {
                return Err("wrong number of arguments".into());
            }
            arguments
        } else if let [only] = arguments
            && !only.is_empty()
        {
            // So that `--save "900 1 300 10"` works: one argument may hold several.
            split = inline::split(only).unwrap_or_default();
            &split
        } else {
            arguments
        };
        let value = self.parse(
            directive,
            arguments,
            &self.values[id.index()],
            self.save_seen,
        )?;
        self.save_seen |= matches!(directive.kind, Kind::Save);
        self.values[id.index()] = match (&directive.kind, value) {
            (Kind::Directory, Value::Text(Some(path))) => {
                Value::Text(Some(self.host.resolve_directory(&path)?))
            }
            (_, value) => value,
        };
        Ok(())
    }

    fn parse(
        &self,
        directive: &Directive,
        arguments: &[Vec<u8>],
        current: &Value,
        accumulate: bool,
    ) -> Result<Value, Complaint> {
        let value = Value::parse(directive, arguments, current, accumulate)?;
        match value.refusal_without_mover(directive) {
            Some(reason) if !self.moves_blocks => Err(reason.into()),
            _ => Ok(value),
        }
    }

    fn include(&mut self, pattern: &[u8]) -> Result<(), LineError> {
        if self.depth == INCLUDE_DEPTH_LIMIT {
            return Err("Configuration files include each other too deeply".into());
        }
        let text = self.host.include(pattern).map_err(|(path, reason)| {
            LineError::Included(ConfigFileError::Include {
                path: String::from_utf8_lossy(&path).into_owned(),
                reason,
            })
        })?;
        self.depth += 1;
        let loaded = self.load(&text).map_err(LineError::Included);
        self.depth -= 1;
        loaded
    }

    /// What no single line can be blamed for.
    fn check_whole(&mut self) -> Result<(), ConfigFileError> {
        const LOG_FILE: DirectiveId = DirectiveId::of("logfile");
        const CLUSTER_ENABLED: DirectiveId = DirectiveId::of("cluster-enabled");
        const REPLICA_OF: DirectiveId = DirectiveId::of("replicaof");
        if let Value::Text(Some(path)) = &self.values[LOG_FILE.index()]
            && !path.is_empty()
        {
            self.host.check_log_file(path).map_err(|reason| {
                ConfigFileError::Whole(format!("Can't open the log file: {reason}").into())
            })?;
        }
        if self.values[CLUSTER_ENABLED.index()] == Value::Number(1)
            && self.values[REPLICA_OF.index()] != Value::ReplicaOf(None)
        {
            return Err(ConfigFileError::Whole(
                "replicaof directive not allowed in cluster mode".into(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Files by name.
    struct Files(HashMap<&'static str, &'static str>);

    impl ConfigFileHost for Files {
        fn include(&mut self, pattern: &[u8]) -> Result<Vec<u8>, (Vec<u8>, String)> {
            let name = std::str::from_utf8(pattern).unwrap();
            let text = self
                .0
                .get(name)
                .ok_or((pattern.to_vec(), "No such file or directory".to_string()))?;
            Ok(text.as_bytes().to_vec())
        }
    }

    fn load(text: &str, files: &[(&'static str, &'static str)]) -> Result<Config, String> {
        let config = Config::new(0);
        let mut host = Files(files.iter().copied().collect());
        config
            .load(text.as_bytes(), &mut host)
            .map_err(|error| error.to_string())?;
        Ok(config)
    }

    fn shown(config: &Config, name: &str) -> String {
        String::from_utf8(config.get(&[name.as_bytes()]).remove(0).1).unwrap()
    }

    #[test]
    fn later_lines_win_and_saves_add_up() {
        let config = load(
            "# a comment\n\n\tMaxMemory 1mb\r\nmaxmemory 2mb\nsave 60 1\nsave 30 2 10 3\n",
            &[],
        )
        .unwrap();
        assert_eq!(config.maxmemory(), 2 << 20);
        assert_eq!(shown(&config, "save"), "60 1 30 2 10 3");
        assert_eq!(shown(&load("save \"\"", &[]).unwrap(), "save"), "");
        assert_eq!(
            shown(&load("save '60 1 30 2'", &[]).unwrap(), "save"),
            "60 1 30 2"
        );
        assert_eq!(
            shown(&load("bind 127.0.0.1 -::1", &[]).unwrap(), "bind"),
            "127.0.0.1 -::1"
        );
    }

    #[test]
    fn files_are_included_where_the_line_stands() {
        let files = [
            ("a", "maxmemory 2mb\ninclude b"),
            ("b", "hz 33\nsave 1 1"),
            ("loop", "include loop"),
        ];
        let config = load("hz 3\ninclude a\nmaxmemory 3mb\nsave 2 2", &files).unwrap();
        assert_eq!((config.hz(), config.maxmemory()), (33, 3 << 20));
        assert_eq!(shown(&config, "save"), "1 1 2 2");
        assert!(
            load("include loop", &files)
                .unwrap_err()
                .contains("too deeply")
        );
        assert_eq!(
            load("include c", &files).unwrap_err(),
            "Fatal error, can't open config file 'c': No such file or directory"
        );
    }

    #[test]
    fn an_error_names_line_number_line_and_reason() {
        let error = load("port 1\n  foo \"a b\"  \n", &[]).unwrap_err();
        let expected = format!(
            "*** FATAL CONFIG FILE ERROR (Redis {}) ***\nReading the configuration file, at line 2\n\
             >>> 'foo \"a b\"'\nBad directive or wrong number of arguments",
            crate::version::REDIS_VERSION
        );
        assert_eq!(error, expected);
    }

    #[test]
    fn what_is_no_value_is_kept_apart() {
        let text = "rename-command CONFIG \"\"\nuser alice on >p ~*\nloadmodule /m.so a b\nbf.size 3 4\nsentinel\nlua-replicate-commands yes";
        let file_only = load(text, &[]).unwrap().file_only();
        assert_eq!(
            file_only.renamed_commands,
            [(b"CONFIG".to_vec(), Vec::new())]
        );
        assert_eq!(file_only.users[0].len(), 4);
        assert_eq!(file_only.modules[0][0], b"/m.so");
        assert_eq!(
            file_only.module_values,
            [(b"bf.size".to_vec(), b"3 4".to_vec())]
        );
    }
}
