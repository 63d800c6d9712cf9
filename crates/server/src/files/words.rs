//! What `check` says: in our words, or with the lines that scripts around redis-check-aof look for.

use oxidis_persist::check::{CommandsEnd, CommandsReport, FileForm};

use super::arguments::{CheckOptions, Manner};
use super::check::{DataSet, Inspected, Part, Role};
use super::source::Found;

/// Says what is about to be checked.
pub(super) fn begin(options: &CheckOptions, found: &Found) {
    match (options.manner, found) {
        (Manner::Own, Found::Log { manifest, parts }) => println!(
            "{}: a manifest of {}",
            manifest.display(),
            counted(parts.live().count() as u64, "file", "files")
        ),
        (Manner::CheckAof, Found::Log { .. }) => println!("Start checking Multi Part AOF"),
        (Manner::CheckAof, Found::File(..)) => println!("Start checking Old-Style AOF"),
        _ => {}
    }
}

/// Says which file is next.
pub(super) fn begin_part(options: &CheckOptions, part: &Part, last: Option<Role>) {
    if options.manner != Manner::CheckAof {
        return;
    }
    match part.role {
        Role::Base => {
            let form = match part.form {
                FileForm::Rdb => "RDB",
                _ => "RESP",
            };
            println!("Start to check BASE AOF ({form} format).");
        }
        Role::Incremental if last != Some(Role::Incremental) => {
            println!("Start to check INCR files.");
        }
        _ => {}
    }
}

/// Says what a file holds and what is wrong with it.
pub(super) fn tell(options: &CheckOptions, part: &Part, inspected: &Inspected) {
    match options.manner {
        Manner::CheckAof => tell_as_check_aof(options, part, inspected),
        _ => tell_plainly(options, part, inspected),
    }
}

/// Says how it all ended.
pub(super) fn end(options: &CheckOptions, found: &Found, is_well: bool) {
    let is_log = matches!(found, Found::Log { .. });
    if is_log && is_well && options.manner == Manner::CheckAof {
        println!("All AOF files and manifest are valid");
    }
}

/// Says what cutting takes away.
pub(super) fn announce_cut(part: &Part, old_len: u64, len: u64) {
    println!(
        "This will shrink the AOF {} from {old_len} bytes, with {} bytes, to {len} bytes",
        part.name,
        old_len - len
    );
}

fn counted(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    }
}

fn tell_plainly(options: &CheckOptions, part: &Part, inspected: &Inspected) {
    let name = &part.name;
    if inspected.len == 0 && inspected.data_set.is_none() {
        println!("{name}: empty");
    }
    if let Some(data_set) = &inspected.data_set {
        println!("{name}: {}", data_set_words(part, data_set));
    }
    if let Some(commands) = &inspected.commands {
        println!("{name}: {}", commands_words(commands));
        let may_cut = matches!(commands.end, CommandsEnd::Torn(_));
        if may_cut && part.is_last && !options.fixes {
            println!(
                "{name}: `--fix` cuts its end off and leaves {} of {} bytes",
                commands.whole, commands.len
            );
        }
    }
}

fn data_set_words(part: &Part, data_set: &DataSet) -> String {
    let report = &data_set.report;
    let mut form = match part.form {
        FileForm::Json => "JSON".to_owned(),
        _ => "RDB".to_owned(),
    };
    if let Some(version) = data_set.version {
        form += &format!(" version {version}");
    }
    let writer = report.facts.iter().find(|(name, _)| name == "redis-ver");
    if let Some((_, version)) = writer {
        form += &format!(", written by {version}");
    }
    let mut held = counted(report.key_count(), "key", "keys");
    if report.keys.len() > 1 {
        held += &format!(" in {} databases", report.keys.len());
    }
    if report.volatile > 0 {
        held += &format!(", {} with an expiry", report.volatile);
    }
    if report.functions > 0 {
        let libraries = counted(report.functions, "library", "libraries");
        held += &format!(", {libraries} of functions");
    }
    if report.empty > 0 {
        let empty = counted(report.empty, "key", "keys");
        held += &format!("; {empty} without elements, which no server keeps");
    }
    let Some(fault) = &report.fault else {
        let sum = match data_set.has_checksum {
            Some(true) => ", checksum right",
            Some(false) => ", without a checksum",
            None => "",
        };
        return format!("whole ({form}): {held}{sum}");
    };
    let last = match &report.last_key {
        Some(key) => format!(", the last of which is '{}'", key.escape_ascii()),
        None => String::new(),
    };
    format!("DAMAGED ({form}): {fault}. Up to there: {held}{last}")
}

fn commands_words(commands: &CommandsReport) -> String {
    let mut held = counted(commands.commands, "command", "commands");
    if commands.transactions > 0 {
        let transactions = counted(commands.transactions, "transaction", "transactions");
        held += &format!(", {transactions}");
    }
    match &commands.end {
        CommandsEnd::Whole => format!("whole (AOF): {held}"),
        CommandsEnd::Later(offset) => {
            format!("whole (AOF) up to that second, which ends at byte {offset}: {held}")
        }
        CommandsEnd::Torn(fault) => format!(
            "TORN (AOF) at byte {} of {}, in command {}, which begins at byte {}: expected {}, found {}. Up to there: {held}; \
             the last that is whole, with its transaction, ends at byte {}",
            fault.offset,
            commands.len,
            fault.command,
            fault.command_offset,
            fault.expected,
            fault.found,
            commands.whole
        ),
        CommandsEnd::Damaged(fault, again) => format!(
            "DAMAGED (AOF) at byte {} of {}, in command {}, which begins at byte {}: expected {}, found {}. Up to there: \
             {held}. {}, so nothing is cut",
            fault.offset,
            commands.len,
            fault.command,
            fault.command_offset,
            fault.expected,
            fault.found,
            match *again == fault.command_offset {
                true => "It is a whole command, perhaps of another version".to_owned(),
                false => format!("Whole commands follow at byte {again}: this is not its end"),
            }
        ),
    }
}

fn tell_as_check_aof(options: &CheckOptions, part: &Part, inspected: &Inspected) {
    let name = &part.name;
    let kind = match part.role {
        Role::Alone => "",
        Role::Base => "BASE ",
        Role::Incremental => "INCR ",
    };
    if inspected.len == 0 {
        println!("{kind}AOF {name} is empty");
        return;
    }
    if let Some(data_set) = &inspected.data_set {
        println!("{}", data_set_words(part, data_set));
        if data_set.report.fault.is_some() {
            println!("RDB preamble of AOF file is not sane, aborting.");
            return;
        }
        println!("RDB preamble is OK, proceeding with AOF tail...");
    }
    let Some(commands) = &inspected.commands else {
        println!("{kind}AOF {name} is valid");
        return;
    };
    let is_whole = commands.end == CommandsEnd::Whole;
    match &commands.end {
        CommandsEnd::Later(_) => return,
        CommandsEnd::Whole => {}
        CommandsEnd::Torn(_) | CommandsEnd::Damaged(..) => println!("{}", commands_words(commands)),
    }
    if let Some(second) = options.until_s.filter(|_| is_whole) {
        println!("Truncate nothing in AOF {name} to timestamp {second}");
    }
    println!(
        "AOF analyzed: filename={name}, size={}, ok_up_to={}, ok_up_to_line={}, diff={}",
        commands.len,
        commands.whole,
        commands.lines,
        commands.len - commands.whole
    );
    if is_whole {
        println!("{kind}AOF {name} is valid");
    } else if !options.fixes {
        println!("AOF {name} is not valid. Use the --fix option to try fixing it.");
    }
}
