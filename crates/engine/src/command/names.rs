//! The names under which commands are found: those of the table, but for what `rename-command`
//! renames or takes away.

use std::collections::HashMap;

use super::table::{Registered, table};
use super::{Args, CommandError};

/// The names of one engine.
#[derive(Default)]
pub struct CommandNames {
    /// Names in lower case that do not mean what they mean in the table.
    changed: HashMap<Vec<u8>, Option<&'static Registered>>,
}

impl CommandNames {
    /// The command of a name, in any case.
    pub fn find(&self, name: &[u8]) -> Option<&'static Registered> {
        match self.changed.get(&name.to_ascii_lowercase()) {
            Some(changed) => *changed,
            None => table().find(name),
        }
    }

    /// The command or subcommand of a full name (`config|get`), in any case.
    pub fn find_full(&self, name: &[u8]) -> Option<&'static Registered> {
        let mut parts = name.splitn(2, |&byte| byte == b'|');
        let command = self.find(parts.next()?)?;
        match parts.next() {
            Some(subcommand) => table().find_subcommand(command, subcommand),
            None => Some(command),
        }
    }

    /// The commands that can be reached by a name, without subcommands.
    pub fn commands(&self) -> impl Iterator<Item = &'static Registered> {
        let is_reachable = |registered: &&'static Registered| {
            let is_it = |found: &&'static Registered| std::ptr::eq(*found, *registered);
            self.find(registered.command.name.as_bytes())
                .filter(is_it)
                .is_some()
                || self.changed.values().flatten().any(is_it)
        };
        table().commands().filter(is_reachable)
    }

    /// Gives the command called `from` the name `to` instead, or none if `to` is empty.
    ///
    /// # Errors
    /// Redis's text for a line `rename-command` that cannot be.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        let command = self.find(from).ok_or("No such command in rename-command")?;
        self.changed.insert(from.to_ascii_lowercase(), None);
        if to.is_empty() {
            return Ok(());
        }
        if self.find(to).is_some() {
            return Err("Target command name already exists");
        }
        self.changed.insert(to.to_ascii_lowercase(), Some(command));
        Ok(())
    }

    /// The command or subcommand that a request names, or the error that Redis gives.
    #[inline]
    pub(crate) fn resolve(&self, arguments: Args<'_>) -> Result<&'static Registered, CommandError> {
        if self.changed.is_empty() {
            return table().resolve(arguments);
        }
        table().resolve_found(self.find(arguments.get(0)), arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(names: &CommandNames, name: &str) -> Option<&'static str> {
        names.find(name.as_bytes()).map(|found| &*found.full_name)
    }

    #[test]
    fn commands_are_renamed_and_taken_away() {
        let mut names = CommandNames::default();
        names.rename(b"GET", b"Fetch").unwrap();
        names.rename(b"config", b"").unwrap();
        assert_eq!(name_of(&names, "FETCH"), Some("get"));
        assert_eq!(
            (name_of(&names, "get"), name_of(&names, "CONFIG")),
            (None, None)
        );
        assert_eq!(
            names.rename(b"get", b"x"),
            Err("No such command in rename-command")
        );
        assert_eq!(
            names.rename(b"fetch", b"SET"),
            Err("Target command name already exists")
        );
        let mut swapped = CommandNames::default();
        swapped.rename(b"get", b"other").unwrap();
        swapped.rename(b"set", b"get").unwrap();
        swapped.rename(b"other", b"set").unwrap();
        assert_eq!(
            (name_of(&swapped, "get"), name_of(&swapped, "set")),
            (Some("set"), Some("get"))
        );
    }

    #[test]
    fn what_is_taken_away_is_unknown() {
        let mut names = CommandNames::default();
        let request = [&b"GET"[..], b"a"];
        assert!(names.resolve(Args::slices(&request)).is_ok());
        names.rename(b"get", b"").unwrap();
        let error = names
            .resolve(Args::slices(&request))
            .map(drop)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "ERR unknown command 'GET', with args beginning with: 'a' "
        );
    }
}
