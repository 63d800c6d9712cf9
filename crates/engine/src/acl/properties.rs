//! Properties of users: what is printed is what is meant, and permissions are those of a naive model that
//! keeps nothing but the rules as they were given.

use proptest::prelude::*;

use super::{Denied, User};
use crate::command::{Args, Categories, Registered, table};
use crate::config::AclPubsubDefault;
use crate::text::{Case, glob_matches};

/// Rules about commands.
fn command_rule() -> impl Strategy<Value = String> {
    let names = [
        "get",
        "set",
        "del",
        "config",
        "config|get",
        "config|set",
        "publish",
        "lpush",
        "object",
        "object|freq",
    ];
    let categories = [
        "read",
        "write",
        "string",
        "admin",
        "slow",
        "dangerous",
        "keyspace",
    ];
    let sign = prop_oneof![Just('+'), Just('-')];
    prop_oneof![
        1 => prop_oneof![Just("+@all".to_owned()), Just("-@all".to_owned())],
        4 => (sign.clone(), prop::sample::select(names.to_vec()))
            .prop_map(|(sign, name)| format!("{sign}{name}")),
        2 => (sign, prop::sample::select(categories.to_vec()))
            .prop_map(|(sign, name)| format!("{sign}@{name}")),
    ]
}

fn selector_rule() -> impl Strategy<Value = String> {
    let name = "[ab]{0,2}[*]?";
    prop_oneof![
        5 => command_rule(),
        1 => Just("+select|0".to_owned()),
        2 => (prop_oneof![Just("~"), Just("%R~"), Just("%W~"), Just("%RW~")], name)
            .prop_map(|(kind, name)| format!("{kind}{name}")),
        1 => name.prop_map(|name| format!("&{name}")),
        1 => prop::sample::select(vec![
            "allkeys", "resetkeys", "allchannels", "resetchannels", "allcommands", "nocommands",
        ]).prop_map(str::to_owned),
    ]
}

fn user_rule() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => selector_rule(),
        2 => prop::sample::select(vec![
            "on", "off", "nopass", "resetpass", ">a", ">b", "<a", "clearselectors", "reset",
            "skip-sanitize-payload", "sanitize-payload",
        ]).prop_map(str::to_owned),
        2 => prop::collection::vec(selector_rule(), 0..4)
            .prop_map(|rules| format!("({})", rules.join(" "))),
    ]
}

fn new_user(channels: AclPubsubDefault) -> User {
    User::new(b"u", channels)
}

/// Whether a command may be executed after these rules about commands: the last rule that is about it decides.
fn may_run(rules: &[String], registered: &Registered) -> bool {
    let is_about = |rule: &&String| match rule[1..].strip_prefix('@') {
        Some("all") => true,
        Some(category) => {
            let known = Categories::NAMES.iter().find(|known| known.1 == category);
            let category = known.unwrap().0;
            // A category says of subcommands what it says of their container, unless they are in it themselves;
            // the sign is the same.
            registered.command.all_categories().contains(category)
                || container_of(registered)
                    .is_some_and(|container| container.command.all_categories().contains(category))
        }
        None => {
            registered.full_name == rule[1..]
                || container_of(registered).is_some_and(|it| it.full_name == rule[1..])
        }
    };
    let last = rules.iter().rev().find(is_about);
    last.is_some_and(|rule| rule.starts_with('+'))
}

fn container_of(registered: &Registered) -> Option<&'static Registered> {
    let (container, _) = registered.full_name.split_once('|')?;
    table().find(container.as_bytes())
}

proptest! {
    #[test]
    fn what_is_printed_is_what_is_meant(
        rules in prop::collection::vec(user_rule(), 0..16),
        all_channels: bool,
    ) {
        let channels = match all_channels {
            true => AclPubsubDefault::AllChannels,
            false => AclPubsubDefault::ResetChannels,
        };
        let mut user = new_user(channels);
        for rule in rules {
            let before = user.clone();
            if user.apply(rule.as_bytes()).is_err() {
                // A selector is taken whole or not at all.
                prop_assert_eq!(&user, &before);
            }
        }
        let printed = user.definition();
        let words: Vec<Vec<u8>> = printed.split(|&byte| byte == b' ').map(<[u8]>::to_vec).collect();
        let mut again = new_user(channels);
        again.apply_all(&words).unwrap();
        prop_assert_eq!(&again, &user);
        prop_assert_eq!(again.definition(), printed);
    }

    #[test]
    fn the_last_rule_about_a_command_decides(rules in prop::collection::vec(command_rule(), 0..12)) {
        let mut user = new_user(AclPubsubDefault::AllChannels);
        user.apply(b"allkeys").unwrap();
        for rule in &rules {
            user.apply(rule.as_bytes()).unwrap();
        }
        for name in ["get", "set", "del", "config|get", "config|set", "object|freq", "ping", "acl|list"] {
            let registered = table().find_full(name.as_bytes()).unwrap();
            let allowed = user.check(registered, Args::slices(&[b"x", b"y", b"z"])).is_ok();
            prop_assert_eq!(allowed, may_run(&rules, registered), "{}", name);
        }
    }

    #[test]
    fn keys_need_a_pattern_for_all_that_is_done_with_them(
        patterns in prop::collection::vec(("[ab]{0,2}[*]?", 0..3usize), 0..4),
        key in "[ab]{1,2}",
    ) {
        let mut user = new_user(AclPubsubDefault::ResetChannels);
        user.apply(b"+@all").unwrap();
        let mut given: Vec<(String, bool, bool)> = Vec::new();
        for (pattern, kind) in &patterns {
            let (prefix, reads, writes) = [("%R~", true, false), ("%W~", false, true), ("~", true, true)][*kind];
            if user.apply(format!("{prefix}{pattern}").as_bytes()).is_err() {
                continue;
            }
            if prefix == "~" && pattern == "*" {
                given.clear();
            }
            match given.iter_mut().find(|known| known.0 == *pattern) {
                Some(known) => {
                    known.1 |= reads;
                    known.2 |= writes;
                }
                None => given.push((pattern.clone(), reads, writes)),
            }
        }
        let requests: [(&[&[u8]], bool, bool); 5] = [
            (&[b"get", key.as_bytes()], true, false),
            (&[b"set", key.as_bytes(), b"v"], false, true),
            (&[b"set", key.as_bytes(), b"v", b"GET"], true, true),
            (&[b"getdel", key.as_bytes()], true, true),
            (&[b"type", key.as_bytes()], false, false),
        ];
        for (request, reads, writes) in requests {
            let args = Args::slices(request);
            let found = user.check(table().resolve(args).unwrap(), args);
            let is_allowed = given.iter().any(|(pattern, may_read, may_write)| {
                *may_read >= reads
                    && *may_write >= writes
                    && glob_matches(pattern.as_bytes(), key.as_bytes(), Case::Sensitive)
            });
            let expected = if is_allowed { Ok(()) } else { Err((Denied::Key, 1)) };
            prop_assert_eq!(found, expected, "{:?}", request);
        }
    }
}
