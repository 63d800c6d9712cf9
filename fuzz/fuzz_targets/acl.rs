//! Rules of access control: any text is a rule or an error, what is printed is read back, and what a user may
//! do is what a naive model says that keeps nothing but the rules that were taken.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oxidis_engine::acl::{Denied, User};
use oxidis_engine::command::{Args, Categories, Registered, table};
use oxidis_engine::config::AclPubsubDefault;
use oxidis_engine::text::{Case, glob_matches};

/// Rules that are likely to be taken, one of which each small byte stands for.
const WORDS: [&str; 40] = [
    "+@all",
    "-@all",
    "allcommands",
    "nocommands",
    "+get",
    "-get",
    "+set",
    "-set",
    "+config",
    "-config",
    "+config|get",
    "-config|get",
    "+@read",
    "-@read",
    "+@write",
    "-@write",
    "+@admin",
    "-@admin",
    "+@string",
    "-@slow",
    "~*",
    "allkeys",
    "resetkeys",
    "~a*",
    "%R~a",
    "%W~b",
    "%RW~b*",
    "%R~*",
    "&*",
    "allchannels",
    "resetchannels",
    "&c*",
    "&d",
    "on",
    "off",
    "nopass",
    ">p",
    "reset",
    "sanitize-payload",
    "clearselectors",
];

/// What the rules of the user itself say, without its selectors.
#[derive(Default)]
struct Model {
    commands: Vec<Vec<u8>>,
    all_keys: bool,
    keys: Vec<(Vec<u8>, bool, bool)>,
    all_channels: bool,
    channels: Vec<Vec<u8>>,
}

impl Model {
    fn take(&mut self, rule: &[u8]) {
        let lower = rule.to_ascii_lowercase();
        match &lower[..] {
            b"reset" => *self = Model::default(),
            b"allkeys" | b"~*" => (self.all_keys, self.keys) = (true, Vec::new()),
            b"resetkeys" => (self.all_keys, self.keys) = (false, Vec::new()),
            b"allchannels" | b"&*" => (self.all_channels, self.channels) = (true, Vec::new()),
            b"resetchannels" => (self.all_channels, self.channels) = (false, Vec::new()),
            b"allcommands" => self.commands.push(b"+@all".to_vec()),
            b"nocommands" => self.commands.push(b"-@all".to_vec()),
            [b'+' | b'-', ..] => self.commands.push(lower),
            [b'&', channel @ ..] => self
                .channels
                .push(rule[rule.len() - channel.len()..].to_vec()),
            [b'~', ..] => self.add_key(&rule[1..], true, true),
            [b'%', ..] => {
                let tilde = rule
                    .iter()
                    .position(|&byte| byte == b'~')
                    .unwrap_or(rule.len());
                let letters = lower[1..tilde].to_vec();
                let pattern = rule.get(tilde + 1..).unwrap_or_default();
                self.add_key(pattern, letters.contains(&b'r'), letters.contains(&b'w'));
            }
            _ => {}
        }
    }

    /// What is said of one pattern adds up.
    fn add_key(&mut self, pattern: &[u8], reads: bool, writes: bool) {
        match self.keys.iter_mut().find(|known| known.0 == pattern) {
            Some(known) => (known.1, known.2) = (known.1 || reads, known.2 || writes),
            None => self.keys.push((pattern.to_vec(), reads, writes)),
        }
    }

    /// The last rule that is about a command decides.
    fn may_run(&self, registered: &Registered) -> bool {
        let container = registered.full_name.split('|').next().unwrap_or_default();
        let container = table()
            .find(container.as_bytes())
            .expect("every command has a place");
        let is_about = |rule: &&Vec<u8>| match &rule[1..] {
            b"@all" => true,
            [b'@', category @ ..] => Categories::NAMES.iter().any(|(known, name)| {
                name.as_bytes() == category
                    && (registered.command.all_categories().contains(*known)
                        || container.command.all_categories().contains(*known))
            }),
            name => {
                name == registered.full_name.as_bytes() || name == container.full_name.as_bytes()
            }
        };
        let last = self.commands.iter().rev().find(is_about);
        last.is_some_and(|rule| rule[0] == b'+')
    }

    fn may_use(&self, key: &[u8], reads: bool, writes: bool) -> bool {
        self.all_keys
            || self.keys.iter().any(|(pattern, may_read, may_write)| {
                *may_read >= reads
                    && *may_write >= writes
                    && glob_matches(pattern, key, Case::Sensitive)
            })
    }

    fn may_publish(&self, channel: &[u8]) -> bool {
        let matches = |pattern: &Vec<u8>| glob_matches(pattern, channel, Case::Sensitive);
        self.all_channels || self.channels.iter().any(matches)
    }
}

/// Rules, each a word of the list or, behind a byte that stands for none, a text up to the next line.
fn rules(mut data: &[u8]) -> Vec<Vec<u8>> {
    let mut rules = Vec::new();
    while let [first, rest @ ..] = data {
        data = rest;
        if let Some(word) = WORDS.get(usize::from(*first)) {
            rules.push(word.as_bytes().to_vec());
            continue;
        }
        let end = data
            .iter()
            .position(|&byte| byte == b'\n')
            .unwrap_or(data.len());
        rules.push([&[*first], &data[..end]].concat());
        data = data.get(end + 1..).unwrap_or_default();
    }
    rules
}

fuzz_target!(|data: &[u8]| {
    let (mut user, mut model) = (
        User::new(b"u", AclPubsubDefault::ResetChannels),
        Model::default(),
    );
    let mut has_parts = false;
    for rule in rules(data) {
        if user.apply(&rule).is_err() {
            continue;
        }
        // First arguments and selectors are another matter.
        let is_command = rule.starts_with(b"+") && !rule.contains(&b'@');
        has_parts |=
            rule.starts_with(b"(") || is_command && table().find_full(&rule[1..]).is_none();
        model.take(&rule);
    }
    let printed = user.definition();
    let words: Vec<Vec<u8>> = printed
        .split(|&byte| byte == b' ')
        .map(<[u8]>::to_vec)
        .collect();
    let mut again = User::new(b"u", AclPubsubDefault::ResetChannels);
    again
        .apply_all(&words)
        .expect("what is printed can be read");
    assert_eq!(again, user);
    let requests: [(&[&[u8]], bool, bool); 5] = [
        (&[b"get", b"a"], true, false),
        (&[b"set", b"b", b"v"], false, true),
        (&[b"getset", b"ab", b"v"], true, true),
        (&[b"config", b"get", b"x"], false, false),
        (&[b"publish", b"c", b"x"], false, false),
    ];
    for (request, reads, writes) in requests {
        let args = Args::slices(request);
        let registered = table().resolve(args).expect("there are such commands");
        let found = user.check(registered, args).map_err(|(denied, _)| denied);
        if has_parts {
            continue;
        }
        let expected = if !model.may_run(registered) {
            Err(Denied::Command)
        } else if (reads || writes) && !model.may_use(request[1], reads, writes) {
            Err(Denied::Key)
        } else if request[0] == b"publish" && !model.may_publish(request[1]) {
            Err(Denied::Channel)
        } else {
            Ok(())
        };
        assert_eq!(found, expected, "{request:?}");
    }
});
