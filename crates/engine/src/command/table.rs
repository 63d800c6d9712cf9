//! All rows joined into one table, found by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::error::printable;
use super::{Args, Command, CommandError};
use crate::cmd;

/// A row in its place: what lookups answer.
pub struct Registered {
    /// Place in the table; also the index of the command's statistics.
    pub id: usize,
    /// The row.
    pub command: &'static Command,
    /// `get`, or `config|get`.
    pub full_name: String,
    /// Whether its name alone decides: it neither is a subcommand nor has any.
    pub(crate) is_plain: bool,
    /// Subcommands by name.
    subcommands: HashMap<&'static [u8], usize>,
}

/// Every command of the engine.
pub struct CommandTable {
    all: Vec<Registered>,
    by_name: HashMap<&'static [u8], usize, foldhash::fast::FixedState>,
}

/// The table.
pub fn table() -> &'static CommandTable {
    static TABLE: LazyLock<CommandTable> = LazyLock::new(|| CommandTable::join(cmd::FAMILIES));
    &TABLE
}

/// The longest name of a command.
const NAME_MAX: usize = 32;

impl CommandTable {
    fn join(families: &[&'static [Command]]) -> Self {
        let mut table = CommandTable {
            all: Vec::new(),
            by_name: HashMap::default(),
        };
        for command in families.iter().flat_map(|family| family.iter()) {
            let id = table.add(command, None);
            table.by_name.insert(command.name.as_bytes(), id);
        }
        table
    }

    fn add(&mut self, command: &'static Command, container: Option<&str>) -> usize {
        let id = self.all.len();
        let full_name = match container {
            Some(container) => format!("{container}|{}", command.name),
            None => command.name.to_owned(),
        };
        self.all.push(Registered {
            id,
            command,
            full_name,
            is_plain: container.is_none() && command.subcommands.is_empty(),
            subcommands: HashMap::new(),
        });
        let subcommands = command.subcommands.iter();
        self.all[id].subcommands = subcommands
            .map(|subcommand| {
                (
                    subcommand.name.as_bytes(),
                    self.add(subcommand, Some(command.name)),
                )
            })
            .collect();
        id
    }

    /// Every command and subcommand; a command's statistics are kept under its index here.
    pub fn all(&self) -> &[Registered] {
        &self.all
    }

    /// The commands, without subcommands.
    pub fn commands(&self) -> impl Iterator<Item = &Registered> {
        self.all
            .iter()
            .filter(|registered| !registered.full_name.contains('|'))
    }

    /// The subcommands of a container, in the order of its rows.
    pub fn subcommands<'a>(
        &'a self,
        container: &'a Registered,
    ) -> impl Iterator<Item = &'a Registered> {
        let rows = container.command.subcommands.iter();
        rows.filter_map(|row| container.subcommands.get(row.name.as_bytes()))
            .map(|&id| &self.all[id])
    }

    /// The command of a name, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Registered> {
        let mut lower = [0; NAME_MAX];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.by_name.get(&*lower).map(|&id| &self.all[id])
    }

    /// The subcommand of a name, in any case.
    pub fn find_subcommand(&self, container: &Registered, name: &[u8]) -> Option<&Registered> {
        let lower = name.to_ascii_lowercase();
        container.subcommands.get(&*lower).map(|&id| &self.all[id])
    }

    /// The command or subcommand of a full name (`config|get`).
    pub fn find_full(&self, name: &[u8]) -> Option<&Registered> {
        let mut parts = name.splitn(2, |&byte| byte == b'|');
        let command = self.find(parts.next()?)?;
        match parts.next() {
            Some(subcommand) => self.find_subcommand(command, subcommand),
            None => Some(command),
        }
    }

    /// The command or subcommand that a request names, or the error that Redis gives.
    #[inline]
    pub fn resolve(&self, arguments: Args<'_>) -> Result<&Registered, CommandError> {
        self.resolve_found(self.find(arguments.get(0)), arguments)
    }

    /// As [`Self::resolve`], for a first argument that names the command `found`, or none.
    #[inline]
    pub(super) fn resolve_found<'a>(
        &'a self,
        found: Option<&'a Registered>,
        arguments: Args<'_>,
    ) -> Result<&'a Registered, CommandError> {
        let Some(registered) = found else {
            return Err(unknown_command(arguments));
        };
        if registered.subcommands.is_empty() {
            return Ok(registered);
        }
        if arguments.len() < 2 {
            // The container's own arity refuses it.
            return Ok(registered);
        }
        self.find_subcommand(registered, arguments.get(1))
            .ok_or_else(|| {
                let name = printable(arguments.get(1), 128);
                let container = registered.full_name.to_ascii_uppercase();
                let after = format!("'. Try {container} HELP.");
                CommandError::quoting("ERR unknown subcommand '", name, &after)
            })
    }
}

impl Registered {
    /// Whether it is only a container of subcommands.
    pub fn is_container(&self) -> bool {
        !self.subcommands.is_empty()
    }
}

fn unknown_command(arguments: Args<'_>) -> CommandError {
    // Redis shows at most 128 bytes of the name, and of the arguments as many as bring the list of
    // them beyond 128.
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(printable(arguments.get(0), 128));
    text.extend_from_slice(b"', with args beginning with: ");
    let mut shown = 0;
    for index in 1..arguments.len() {
        if shown >= 128 {
            break;
        }
        let argument = printable(arguments.get(index), 128 - shown);
        text.push(b'\'');
        text.extend_from_slice(argument);
        text.extend_from_slice(b"' ");
        shown += argument.len() + 3;
    }
    CommandError::Quoting(text)
}
