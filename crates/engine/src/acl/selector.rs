//! A selector: commands, keys and channels that go together. A user may do what any of its selectors allows.

use std::collections::BTreeMap;

use oxidis_resp::inline::{quote_into, split};

use super::permission::Denied;
use super::rules::{RuleError, has_spaces};
use crate::command::{Args, Categories, Flags, KeyFlags, Registered, table};
use crate::config::AclPubsubDefault;
use crate::text::{Case, glob_matches};

/// What may be done with keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyAccess {
    reads: bool,
    writes: bool,
}

impl KeyAccess {
    const ALL: KeyAccess = KeyAccess {
        reads: true,
        writes: true,
    };

    /// What a command needs that does this with a key.
    fn needed_by(flags: KeyFlags) -> Self {
        let writing = KeyFlags::INSERT
            .union(KeyFlags::DELETE)
            .union(KeyFlags::UPDATE);
        KeyAccess {
            reads: flags.contains(KeyFlags::ACCESS),
            writes: flags.intersects(writing),
        }
    }

    fn allows(self, needed: KeyAccess) -> bool {
        self.reads >= needed.reads && self.writes >= needed.writes
    }
}

/// Who is to read rules that are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A client, which expects what Redis answers.
    Client,
    /// A server that starts from them.
    Server,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyPattern {
    pattern: Vec<u8>,
    access: KeyAccess,
}

impl KeyPattern {
    /// The rule that adds it. As a rule `~*` is more than a pattern: it is `allkeys`, behind which no pattern may
    /// stand. Redis prints it all the same, and refuses to load the file then.
    fn describe(&self, reader: Reader) -> Vec<u8> {
        let prefix: &[u8] = match (self.access.reads, self.access.writes) {
            (true, false) => b"%R~",
            (false, true) => b"%W~",
            _ if self.pattern == b"*" && reader == Reader::Server => b"%RW~",
            _ => b"~",
        };
        [prefix, &self.pattern].concat()
    }
}

/// Commands, keys and channels that may be used together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    /// Of each row of the command table: whether it may be used.
    commands: Box<[u64]>,
    /// Whether nothing of `+@all` is taken away.
    all_commands: bool,
    /// Whether the rules start from everything.
    starts_from_all: bool,
    /// First arguments with which commands may be used that otherwise may not, by row.
    first_arguments: BTreeMap<usize, Vec<Vec<u8>>>,
    /// The rules about commands since the last `+@all` or `-@all`, with their sign, in lower case.
    command_rules: Vec<Vec<u8>>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Vec<u8>>,
}

impl Selector {
    /// One that allows nothing, but channels if that is the default.
    pub(super) fn new(channels: AclPubsubDefault) -> Self {
        Selector {
            commands: vec![0; table().all().len().div_ceil(64)].into(),
            all_commands: false,
            starts_from_all: false,
            first_arguments: BTreeMap::new(),
            command_rules: Vec::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels: channels == AclPubsubDefault::AllChannels,
            channels: Vec::new(),
        }
    }

    /// The selector that `(...)` describes.
    pub(super) fn parse(rule: &[u8], channels: AclPubsubDefault) -> Result<Self, RuleError> {
        let inner = rule.get(1..rule.len() - 1).unwrap_or_default();
        let mut selector = Selector::new(channels);
        // As in Redis, quotes that do not match leave a selector empty.
        for rule in split(inner).unwrap_or_default() {
            selector.apply(&rule)?;
        }
        Ok(selector)
    }

    /// Applies one rule. An error leaves the selector as it was.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        match &rule.to_ascii_lowercase()[..] {
            b"allkeys" | b"~*" => self.set_keys(true),
            b"resetkeys" => self.set_keys(false),
            b"allchannels" | b"&*" => self.set_channels(true),
            b"resetchannels" => self.set_channels(false),
            b"allcommands" | b"+@all" => self.set_commands(true),
            b"nocommands" | b"-@all" => self.set_commands(false),
            lower => match lower {
                [b'~' | b'%', ..] => return self.add_keys(rule),
                [b'&', ..] => return self.add_channels(rule),
                [sign @ (b'+' | b'-'), b'@', category @ ..] => {
                    self.set_category(category, *sign == b'+')?;
                    self.note_rule(lower);
                }
                [b'+', name @ ..] if name.contains(&b'|') => {
                    self.allow_part(name)?;
                    self.note_rule(lower);
                }
                [sign @ (b'+' | b'-'), name @ ..] => {
                    let registered = table().find_full(name).ok_or(RuleError::Unknown)?;
                    self.set_command(registered, *sign == b'+');
                    self.note_rule(lower);
                }
                _ => return Err(RuleError::Syntax),
            },
        }
        // What was taken away may have been given back.
        self.all_commands =
            self.starts_from_all && self.commands.iter().all(|bits| *bits == u64::MAX);
        Ok(())
    }

    pub(super) fn set_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }

    pub(super) fn set_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    pub(super) fn set_commands(&mut self, all: bool) {
        self.commands.fill(if all { u64::MAX } else { 0 });
        self.all_commands = all;
        self.starts_from_all = all;
        self.first_arguments.clear();
        self.command_rules.clear();
    }

    fn set_bit(&mut self, id: usize, allow: bool) {
        let bit = 1 << (id % 64);
        if allow {
            self.commands[id / 64] |= bit;
        } else {
            self.commands[id / 64] &= !bit;
        }
    }

    fn has_bit(&self, id: usize) -> bool {
        self.commands[id / 64] >> (id % 64) & 1 == 1
    }

    /// Allows or forbids a command with its subcommands.
    fn set_command(&mut self, registered: &Registered, allow: bool) {
        self.set_bit(registered.id, allow);
        self.first_arguments.remove(&registered.id);
        if registered.is_container() {
            for subcommand in table().subcommands(registered) {
                self.set_bit(subcommand.id, allow);
            }
        }
    }

    fn set_category(&mut self, name: &[u8], allow: bool) -> Result<(), RuleError> {
        let known = Categories::NAMES.iter();
        let (category, _) = known
            .copied()
            .find(|(_, known)| known.as_bytes() == name)
            .ok_or(RuleError::Unknown)?;
        // A container comes before its subcommands, so that these have the last word about themselves.
        for registered in table().all() {
            if registered.command.all_categories().contains(category) {
                self.set_command(registered, allow);
            }
        }
        Ok(())
    }

    /// `+command|part`: a subcommand, or a first argument with which a command may be used.
    fn allow_part(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let bar = name.iter().rposition(|&byte| byte == b'|');
        let (command, part) = name.split_at(bar.unwrap_or(name.len()));
        let part = part.get(1..).unwrap_or_default();
        let registered = table().find_full(command).ok_or(RuleError::Unknown)?;
        if registered.full_name.contains('|') {
            return Err(RuleError::ArgumentOfSubcommand);
        }
        // Redis takes spaces, too, and cannot read back then what ACL LIST and SAVE print.
        if part.is_empty() || has_spaces(part) {
            return Err(RuleError::Syntax);
        }
        if registered.is_container() {
            let subcommand = table().find_subcommand(registered, part);
            self.set_command(subcommand.ok_or(RuleError::Unknown)?, true);
            return Ok(());
        }
        // In the order of the rules, of which the last one counts when one is given twice.
        let allowed = self.first_arguments.entry(registered.id).or_default();
        allowed.retain(|other| other != part);
        allowed.push(part.to_vec());
        Ok(())
    }

    /// Keeps a rule about commands, in place of those that it makes meaningless: of the same name, or of
    /// parts of it.
    fn note_rule(&mut self, rule: &[u8]) {
        let name = &rule[1..];
        self.command_rules.retain(|old| {
            let rest = old[1..].strip_prefix(name);
            !rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'|')
        });
        self.command_rules.push(rule.to_vec());
    }

    fn add_keys(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::UselessKeyPattern);
        }
        let (access, pattern) = match rule.strip_prefix(b"%") {
            None => (KeyAccess::ALL, &rule[1..]),
            Some(rule) => {
                // As in Redis, a pattern that is not there is the empty one.
                let tilde = rule.iter().position(|&byte| byte == b'~');
                let (letters, pattern) = rule.split_at(tilde.unwrap_or(rule.len()));
                let (reads, writes) = match &letters.to_ascii_uppercase()[..] {
                    b"R" => (true, false),
                    b"W" => (false, true),
                    b"RW" | b"WR" => (true, true),
                    _ => return Err(RuleError::Syntax),
                };
                (
                    KeyAccess { reads, writes },
                    pattern.get(1..).unwrap_or_default(),
                )
            }
        };
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|known| known.pattern == pattern) {
            Some(known) => {
                known.access.reads |= access.reads;
                known.access.writes |= access.writes;
            }
            None => self.keys.push(KeyPattern {
                pattern: pattern.to_vec(),
                access,
            }),
        }
        Ok(())
    }

    fn add_channels(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::UselessChannelPattern);
        }
        let pattern = &rule[1..];
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| known == pattern) {
            self.channels.push(pattern.to_vec());
        }
        Ok(())
    }

    /// Whether everything is allowed.
    pub(super) fn is_unrestricted(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    pub(super) fn all_channels(&self) -> bool {
        self.all_channels
    }

    pub(super) fn channels(&self) -> &[Vec<u8>] {
        &self.channels
    }

    /// The rules about commands, such as `-@all +get`.
    pub(super) fn describe_commands(&self) -> Vec<u8> {
        let start: &[u8] = if self.starts_from_all {
            b"+@all"
        } else {
            b"-@all"
        };
        let mut rules = start.to_vec();
        for rule in &self.command_rules {
            rules.push(b' ');
            rules.extend_from_slice(rule);
        }
        rules
    }

    /// The rules about keys, such as `~a* %R~b`.
    pub(super) fn describe_keys(&self, reader: Reader) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        self.keys
            .iter()
            .map(|known| known.describe(reader))
            .collect::<Vec<_>>()
            .join(&b' ')
    }

    /// The rules about channels, such as `&a* &b`.
    pub(super) fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let rule = |channel: &Vec<u8>| [b"&", &channel[..]].concat();
        self.channels
            .iter()
            .map(rule)
            .collect::<Vec<_>>()
            .join(&b' ')
    }

    /// The rules that make this selector out of a new one.
    pub(super) fn describe(&self, reader: Reader) -> Vec<u8> {
        let mut rules = self.describe_keys(reader);
        if !rules.is_empty() {
            rules.push(b' ');
        }
        if !self.all_channels {
            rules.extend_from_slice(b"resetchannels ");
        }
        let channels = self.describe_channels();
        if !channels.is_empty() {
            rules.extend_from_slice(&channels);
            rules.push(b' ');
        }
        rules.extend_from_slice(&self.describe_commands());
        rules
    }

    /// The same in parentheses. Between them words may be quoted, and for a server those are that would end the
    /// selector too early, or be taken for quoted ones; Redis cannot read those back that it prints.
    pub(super) fn describe_in_parentheses(&self, reader: Reader) -> Vec<u8> {
        let described = self.describe(reader);
        let mut rules = b"(".to_vec();
        for (index, word) in described.split(|&byte| byte == b' ').enumerate() {
            if index > 0 {
                rules.push(b' ');
            }
            let is_odd = |byte: &u8| byte.is_ascii_control() || matches!(byte, b'"' | b'\'');
            if reader == Reader::Server && (word.ends_with(b")") || word.iter().any(is_odd)) {
                quote_into(&mut rules, word);
            } else {
                rules.extend_from_slice(word);
            }
        }
        rules.push(b')');
        rules
    }

    /// Whether a request is allowed; if not, what is wrong first, and with which argument.
    pub(super) fn check(
        &self,
        registered: &Registered,
        args: Args<'_>,
    ) -> Result<(), (Denied, usize)> {
        if !self.allows_command(registered, args) {
            return Err((Denied::Command, 0));
        }
        if !self.all_keys
            && let Some(index) = self.first_denied_key(registered, args)
        {
            return Err((Denied::Key, index));
        }
        if !self.all_channels
            && let Some((channels, is_pattern)) = channels_of(registered, args)
        {
            for index in channels {
                if !self.allows_channel(args.get(index), is_pattern) {
                    return Err((Denied::Channel, index));
                }
            }
        }
        Ok(())
    }

    fn allows_command(&self, registered: &Registered, args: Args<'_>) -> bool {
        if self.all_commands
            || registered.command.flags.contains(Flags::NO_AUTH)
            || self.has_bit(registered.id)
        {
            return true;
        }
        self.first_arguments
            .get(&registered.id)
            .is_some_and(|allowed| {
                let given = args.get(1);
                args.len() > 1 && allowed.iter().any(|it| it.eq_ignore_ascii_case(given))
            })
    }

    fn first_denied_key(&self, registered: &Registered, args: Args<'_>) -> Option<usize> {
        let mut denied = None;
        registered
            .command
            .find_used_keys(args, &mut |index, flags| {
                if denied.is_none() && !self.allows_key(args.get(index), flags) {
                    denied = Some(index);
                }
            });
        denied
    }

    /// Whether this may be done with a key.
    pub(super) fn allows_key(&self, key: &[u8], flags: KeyFlags) -> bool {
        let needed = KeyAccess::needed_by(flags);
        self.all_keys
            || self.keys.iter().any(|known| {
                known.access.allows(needed) && glob_matches(&known.pattern, key, Case::Sensitive)
            })
    }

    /// Whether every key may be read.
    pub(super) fn reads_all_keys(&self) -> bool {
        let reads_all = |known: &KeyPattern| known.access.reads && known.pattern == b"*";
        self.all_keys || self.keys.iter().any(reads_all)
    }

    fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.all_channels || is_channel_among(&self.channels, channel, is_pattern)
    }
}

/// Whether a channel matches one of `patterns`; a pattern must be one of them.
pub(super) fn is_channel_among(patterns: &[Vec<u8>], channel: &[u8], is_pattern: bool) -> bool {
    patterns.iter().any(|pattern| {
        if is_pattern {
            pattern == channel
        } else {
            glob_matches(pattern, channel, Case::Sensitive)
        }
    })
}

/// The arguments that are channels to publish or subscribe to, and whether they are patterns.
fn channels_of(registered: &Registered, args: Args<'_>) -> Option<(std::ops::Range<usize>, bool)> {
    match registered.full_name.as_str() {
        "subscribe" | "ssubscribe" => Some((1..args.len(), false)),
        "psubscribe" => Some((1..args.len(), true)),
        "publish" | "spublish" => Some((1..args.len().min(2), false)),
        _ => None,
    }
}
