//! Draws calls of users who may not do everything.

use super::calls::{Call, Connection, Step, StepKind};
use super::commands::{Family, Form, Row};
use super::generate::Generator;
use super::pools::{USERS, pick};
use super::scenarios::{several, words};
use crate::client::Words;
use crate::rules::PASSING_SCRIPTS;

impl Generator {
    /// One client is a user who may not do everything, and another one changes what that is.
    pub(super) fn user_at_work(&mut self) -> Step {
        let user = pick(&mut self.rng, USERS);
        let start = words(&[
            b"ACL",
            b"SETUSER",
            &user,
            b"reset",
            b"on",
            b">secret",
            b"~string:*",
            b"+@all",
            PING,
        ]);
        let mut calls = vec![
            Call::main(words(&[b"ACL", b"LOG", b"RESET"])),
            Call::main(start),
            Call::main(self.rules_of(&user)),
        ];
        calls.push(Call::on(Connection::Second, self.login(&user)));
        for _ in 0..self.rng.usize(4..14) {
            let by_user = |words| Call::on(Connection::Second, words);
            let call = match self.rng.u8(..20) {
                0..3 => Call::main(self.rules_of(&user)),
                3 => by_user(self.login(&user)),
                4 => by_user(words(&[b"ACL", b"WHOAMI"])),
                5 => Call::main(words(&[b"ACL", b"GETUSER", &user])),
                6 => Call::main(words(&[b"ACL", b"LOG"])),
                7 => {
                    let source = PASSING_SCRIPTS[self.rng.usize(..2)].as_bytes();
                    let mut call = words(&[b"EVAL", source, b"0"]);
                    call.extend(self.harmless_call());
                    by_user(call)
                }
                _ => by_user(self.harmless_call()),
            };
            calls.push(call);
        }
        several(calls)
    }

    /// Whether a user might run a call.
    pub(super) fn dry_run(&mut self) -> Step {
        let user = pick(&mut self.rng, USERS);
        let mut call = words(&[b"ACL", b"DRYRUN", &user]);
        call.extend(self.exact_call());
        let rules = self.rules_of(&user);
        Step::main(StepKind::Plain, vec![rules, call])
    }

    /// Other rules for a user, who may always send the PING behind which the end of a step is seen.
    fn rules_of(&mut self, user: &[u8]) -> Words {
        let mut call = words(&[b"ACL", b"SETUSER", user]);
        for _ in 0..self.rng.usize(1..5) {
            self.draw_into("acl-rule", &mut call);
        }
        keep_one_parenthesis(&mut call);
        call.push(PING.to_vec());
        call
    }

    fn login(&mut self, user: &[u8]) -> Words {
        let mut call = match self.rng.u8(..4) {
            0 => words(&[b"HELLO", b"3", b"AUTH", user]),
            _ => words(&[b"AUTH", user]),
        };
        call.push(match self.rng.u8(..8) {
            0 => b"other".to_vec(),
            _ => b"secret".to_vec(),
        });
        call
    }

    /// A call that does not wait, and neither locks out who sends it nor ends connections.
    fn harmless_call(&mut self) -> Words {
        let wanted = |row: &Row| {
            let is_apart = matches!(
                row.family,
                Family::Transaction | Family::Connection | Family::Acl
            );
            !is_apart && matches!(row.form, Form::Plain | Form::Careful)
        };
        self.call_of(wanted)
            .unwrap_or_else(|| words(&[b"ECHO", b"nothing else to be drawn"]))
    }
}

/// Drops what opens a parenthesis inside of one that is open (`crate::rules::NOT_ASKED`).
pub(super) fn keep_one_parenthesis(call: &mut Words) {
    let mut is_open = false;
    call.retain(|word| {
        let opens = word.starts_with(b"(");
        if opens && is_open {
            return false;
        }
        is_open = (is_open || opens) && !word.ends_with(b")");
        true
    });
}

/// The rule that lets a user send PING.
const PING: &[u8] = b"+ping";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_parenthesis_is_opened_twice() {
        for (drawn, kept) in [
            ("ACL SETUSER u (a b) (c", "ACL SETUSER u (a b) (c"),
            ("ACL SETUSER u (a (b +get", "ACL SETUSER u (a +get"),
            ("ACL SETUSER u (a +get) (b", "ACL SETUSER u (a +get) (b"),
        ] {
            let mut words: Words = drawn.split(' ').map(|word| word.into()).collect();
            keep_one_parenthesis(&mut words);
            assert_eq!(words.join(&b' '), kept.as_bytes());
        }
    }
}
