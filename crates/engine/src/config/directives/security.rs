//! Rows of the configuration table: who may do what.

use crate::config::directive::{
    Directive, Flags, bounds::LONG_MAX, integer, one_of, optional_text, text,
};
use crate::config::enumerations::{AclPubsubDefault, ProtectedAction, SanitizeDumpPayload};

pub(super) const ROWS: &[Directive] = &[
    Directive {
        name: "requirepass",
        kind: optional_text(),
        flags: Flags::SENSITIVE,
        summary: "The password of the default user.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "aclfile",
        kind: text(""),
        flags: Flags::IMMUTABLE,
        summary: "The file that holds the users.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "acl-pubsub-default",
        kind: one_of(
            AclPubsubDefault::WORDS,
            AclPubsubDefault::ResetChannels as i64,
        ),
        summary: "Which channels a new user may use.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "acllog-max-len",
        kind: integer(0, LONG_MAX, 128),
        summary: "How many refusals ACL LOG remembers.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "enable-protected-configs",
        kind: one_of(ProtectedAction::WORDS, ProtectedAction::No as i64),
        flags: Flags::IMMUTABLE,
        summary: "Who may change protected directives with CONFIG SET.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "enable-debug-command",
        kind: one_of(ProtectedAction::WORDS, ProtectedAction::No as i64),
        flags: Flags::IMMUTABLE,
        summary: "Who may use DEBUG.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "enable-module-command",
        kind: one_of(ProtectedAction::WORDS, ProtectedAction::No as i64),
        flags: Flags::IMMUTABLE,
        summary: "Who may use MODULE.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "enable-test-commands",
        kind: one_of(ProtectedAction::WORDS, ProtectedAction::No as i64),
        // Redis's tests set every directive that CONFIG GET shows them.
        flags: Flags::IMMUTABLE.union(Flags::HIDDEN),
        summary: "Who may use OXIDIS, which is for tests.",
        ..Directive::DEFAULT
    },
    Directive {
        name: "sanitize-dump-payload",
        kind: one_of(SanitizeDumpPayload::WORDS, SanitizeDumpPayload::No as i64),
        summary: "From whom the payloads of RESTORE are fully checked.",
        ..Directive::DEFAULT
    },
];
