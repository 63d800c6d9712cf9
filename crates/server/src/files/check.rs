//! Whether files are whole: each that belongs to a data set is read as a server would at its start. What is torn can be
//! cut off, in the last file only; nothing else is ever changed.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use oxidis_persist::check::{
    CommandsEnd, CommandsReport, DataSetReport, FileForm, check_commands, check_data_set,
};
use oxidis_persist::{Json, Rdb};

use super::arguments::{CheckOptions, Manner};
use super::bar::bar;
use super::source::{Found, find, form_of, path_of};
use super::words;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Alone,
    Base,
    Incremental,
}

/// A file that is to be checked.
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// As it is called in what is said.
    pub(super) name: String,
    pub(super) role: Role,
    /// Whether commands may be cut off its end.
    pub(super) is_last: bool,
    pub(super) form: FileForm,
}

/// What a file holds.
pub(super) struct Inspected {
    pub(super) len: u64,
    pub(super) data_set: Option<DataSet>,
    pub(super) commands: Option<CommandsReport>,
}

/// A data set in a file.
pub(super) struct DataSet {
    pub(super) report: DataSetReport,
    /// Of RDB.
    pub(super) version: Option<u32>,
    /// Of RDB that is whole.
    pub(super) has_checksum: Option<bool>,
}

impl Inspected {
    /// Whether nothing is wrong.
    fn is_whole(&self) -> bool {
        let is_whole = |it: &CommandsReport| it.end == CommandsEnd::Whole;
        let has_fault = |it: &DataSet| it.report.fault.is_some();
        !self.data_set.as_ref().is_some_and(has_fault)
            && self.commands.as_ref().is_none_or(is_whole)
    }

    /// How long the file is when what is torn, or too late, is cut off.
    fn cut_at(&self) -> Option<u64> {
        let commands = self.commands.as_ref()?;
        match commands.end {
            CommandsEnd::Torn(_) => Some(commands.whole),
            CommandsEnd::Later(offset) => Some(offset),
            CommandsEnd::Whole | CommandsEnd::Damaged(..) => None,
        }
    }
}

/// Checks, and repairs what it is told to; answers whether everything is whole then.
///
/// # Errors
/// Why it cannot be checked.
pub fn check(options: &CheckOptions) -> Result<bool, String> {
    let found = find(&options.path)?;
    let parts = parts_of(&found, options.manner);
    words::begin(options, &found);
    let mut is_well = true;
    let mut last_role = None;
    for part in &parts {
        words::begin_part(options, part, last_role.replace(part.role));
        let inspected = match inspect(part, options) {
            Ok(inspected) => inspected,
            Err(error) => {
                println!("{}: {error}", part.name);
                is_well = false;
                continue;
            }
        };
        words::tell(options, part, &inspected);
        is_well = settle(options, part, &inspected, is_well)? && is_well;
    }
    words::end(options, &found, is_well);
    Ok(is_well)
}

fn parts_of(found: &Found, manner: Manner) -> Vec<Part> {
    let (manifest, parts) = match found {
        Found::File(path, form) => {
            let form = match manner {
                // Whoever says so wants it to be one.
                Manner::CheckRdb => FileForm::Rdb,
                Manner::CheckAof if *form == FileForm::Json => FileForm::Commands,
                _ => *form,
            };
            return vec![Part {
                path: path.clone(),
                name: path.display().to_string(),
                role: Role::Alone,
                is_last: true,
                form,
            }];
        }
        Found::Log { manifest, parts } => (manifest, parts),
    };
    let count = parts.live().count();
    let part = |(index, part): (usize, &oxidis_persist::aof::Part)| {
        let path = path_of(manifest, part);
        let is_base = parts.base.as_ref() == Some(part);
        let form = match form_of(&path) {
            Ok(form @ (FileForm::Rdb | FileForm::Empty)) if is_base => form,
            Ok(FileForm::Empty) => FileForm::Empty,
            // That a file is missing shows when it is read.
            _ => FileForm::Commands,
        };
        Part {
            path,
            name: part.name.clone(),
            role: if is_base {
                Role::Base
            } else {
                Role::Incremental
            },
            is_last: index + 1 == count,
            form,
        }
    };
    parts.live().enumerate().map(part).collect()
}

fn inspect(part: &Part, options: &CheckOptions) -> io::Result<Inspected> {
    let mut file = File::open(&part.path)?;
    let len = file.metadata()?.len();
    let bar = bar(len, true);
    let mut inspected = Inspected {
        len,
        data_set: None,
        commands: None,
    };
    match part.form {
        FileForm::Rdb => {
            let report = check_data_set(&Rdb, &mut file, &|bytes| bar.set_position(bytes));
            let end = report.len;
            let follows = report.fault.is_none() && end < len;
            inspected.data_set = Some(of_rdb(&mut file, report)?);
            // Versions before 7.0 wrote commands behind the data.
            if follows && options.manner != Manner::CheckRdb {
                let commands = check_commands(file, end, options.until_s, &mut |at| {
                    bar.set_position(at);
                });
                inspected.commands = Some(commands?);
            }
        }
        FileForm::Json => {
            let report = check_data_set(&Json, &mut file, &|bytes| bar.set_position(bytes));
            inspected.data_set = Some(DataSet {
                report,
                version: None,
                has_checksum: None,
            });
        }
        FileForm::Empty => {}
        FileForm::Commands | FileForm::Manifest => {
            let commands = check_commands(file, 0, options.until_s, &mut |at| bar.set_position(at));
            inspected.commands = Some(commands?);
        }
    }
    bar.finish_and_clear();
    Ok(inspected)
}

/// Looks for what the loader does not tell: the version at the beginning, and the checksum at the end.
fn of_rdb(file: &mut File, report: DataSetReport) -> io::Result<DataSet> {
    let mut start = Vec::new();
    file.rewind()?;
    Read::by_ref(file).take(9).read_to_end(&mut start)?;
    let version = start
        .get(5..)
        .and_then(|digits| std::str::from_utf8(digits).ok());
    let version: Option<u32> = version.and_then(|digits| digits.parse().ok());
    let mut has_checksum = None;
    if report.fault.is_none() && version.is_some_and(|version| version >= 5) && report.len >= 8 {
        let mut sum = [0; 8];
        file.seek(SeekFrom::Start(report.len - 8))?;
        file.read_exact(&mut sum)?;
        has_checksum = Some(sum != [0; 8]);
    }
    Ok(DataSet {
        report,
        version,
        has_checksum,
    })
}

/// Cuts what is to be cut; answers whether the file is whole then.
fn settle(
    options: &CheckOptions,
    part: &Part,
    inspected: &Inspected,
    is_well: bool,
) -> Result<bool, String> {
    let Some(len) = inspected.cut_at() else {
        return Ok(inspected.is_whole());
    };
    let commands = inspected.commands.as_ref();
    let is_late = commands.is_some_and(|it| matches!(it.end, CommandsEnd::Later(_)));
    if !options.fixes && !is_late {
        return Ok(false);
    }
    let to_second = match options.until_s {
        Some(second) if is_late => format!(" to timestamp {second}"),
        _ => String::new(),
    };
    let name = &part.name;
    if !part.is_last {
        println!("Failed to truncate AOF {name}{to_second} because it is not the last file");
        return Ok(false);
    }
    if is_late && len == 0 {
        println!("AOF {name} has nothing before{to_second}, aborting...");
        return Ok(false);
    }
    if !is_well {
        println!("{name} is left as it is, because a file before it is not whole");
        return Ok(false);
    }
    words::announce_cut(part, inspected.len, len);
    // Redis does not ask where a time was named.
    let is_agreed = options.assumes_yes || is_late && options.manner == Manner::CheckAof;
    if !is_agreed && !is_confirmed().map_err(|error| error.to_string())? {
        println!("Aborting...");
        return Ok(false);
    }
    cut(&part.path, inspected.len, len).map_err(|error| format!("{name}: {error}"))?;
    println!("Successfully truncated AOF {name}{to_second}");
    Ok(true)
}

fn is_confirmed() -> io::Result<bool> {
    print!("Continue? [y/N]: ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim_start().starts_with(['y', 'Y']))
}

/// Cuts a file, unless it has changed since it was read.
fn cut(path: &Path, old_len: u64, len: u64) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    if file.metadata()?.len() != old_len {
        return Err(io::Error::other(
            "it has changed since it was read: is a server writing to it?",
        ));
    }
    file.set_len(len)?;
    file.sync_all()
}
