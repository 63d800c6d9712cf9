//! Whether a session may execute a request: the question, and what follows from a no.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Denial, DenialContext, User};
use crate::client::Client;
use crate::command::{Args, CommandError, Registered};
use crate::engine::Engine;

/// What of a request is not allowed; what counts more stands later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Denied {
    Command,
    Key,
    Channel,
}

impl Denied {
    /// The error of a request by a user. `value` is the key or channel; it is named only to who asks by DRYRUN.
    pub(crate) fn message(self, user: &User, registered: &Registered) -> Vec<u8> {
        match self {
            Denied::Command => {
                let after = format!(
                    " has no permissions to run the '{}' command",
                    registered.full_name
                );
                [b"User ", user.name(), after.as_bytes()].concat()
            }
            Denied::Key => b"No permissions to access a key".to_vec(),
            Denied::Channel => b"No permissions to access a channel".to_vec(),
        }
    }

    /// The same for ACL DRYRUN, which names the key or channel.
    pub(crate) fn full_message(
        self,
        user: &User,
        registered: &Registered,
        value: &[u8],
    ) -> Vec<u8> {
        let what: &[u8] = match self {
            Denied::Command => return self.message(user, registered),
            Denied::Key => b"' key",
            Denied::Channel => b"' channel",
        };
        let between = b" has no permissions to access the '";
        [b"User ", user.name(), between, value, what].concat()
    }

    /// Why a command of a transaction may not run that might have when it was queued.
    pub(crate) fn exec_error(self) -> CommandError {
        let reason = match self {
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key => "no permission to touch the specified keys",
            Denied::Channel => "no permission to access one of the channels used as arguments",
        };
        let before = "NOPERM ACLs rules changed between the moment the transaction was accumulated \
                      and the EXEC call. This command is no longer allowed for the following reason: ";
        format!("{before}{reason}").into()
    }
}

/// The session's user, as it is now. A session whose user is gone falls back to the default user, and must say
/// anew who it is.
pub(crate) fn refresh<'a>(engine: &Engine, client: &'a mut Client) -> &'a Arc<User> {
    let generation = engine.acl.generation();
    if client.user.is_none() || client.user_generation != generation {
        let users = engine.acl.users();
        let mut names = client.shared.names.lock();
        let user = match users.get(&names.user) {
            Some(user) => user.clone(),
            None => {
                names.user = super::DEFAULT_USER.to_vec();
                client.is_authenticated = false;
                users.default_user().clone()
            }
        };
        drop(names);
        client.user_generation = generation;
        client.unrestricted_generation = if user.is_unrestricted() {
            generation
        } else {
            0
        };
        client.user = Some(user);
    }
    client
        .user
        .get_or_insert_with(|| engine.acl.users().default_user().clone())
}

/// Whether a session may execute a request; an answer of no is in the log then.
#[inline]
pub(crate) fn authorize(
    engine: &Engine,
    client: &mut Client,
    registered: &Registered,
    args: Args<'_>,
    context: DenialContext,
) -> Result<(), Denied> {
    if client.unrestricted_generation == engine.acl.generation() {
        return Ok(());
    }
    check_and_log(engine, client, registered, args, context)
}

#[cold]
fn check_and_log(
    engine: &Engine,
    client: &mut Client,
    registered: &Registered,
    args: Args<'_>,
    context: DenialContext,
) -> Result<(), Denied> {
    let user = refresh(engine, client).clone();
    let Err((denied, index)) = user.check(registered, args) else {
        return Ok(());
    };
    let object = match denied {
        Denied::Command => registered.full_name.as_bytes(),
        Denied::Key | Denied::Channel => args.get(index),
    };
    log_denial(
        engine,
        client,
        Denial::of(denied),
        context,
        object,
        user.name(),
    );
    Err(denied)
}

/// The same question without any consequence.
pub(crate) fn is_permitted(
    engine: &Engine,
    client: &mut Client,
    registered: &Registered,
    args: Args<'_>,
) -> bool {
    client.unrestricted_generation == engine.acl.generation()
        || refresh(engine, client).check(registered, args).is_ok()
}

/// Counts and logs something that a session was refused.
pub(crate) fn log_denial(
    engine: &Engine,
    client: &Client,
    denial: Denial,
    context: DenialContext,
    object: &[u8],
    user: &[u8],
) {
    engine.acl.denials[denial as usize].fetch_add(1, Ordering::Relaxed);
    let now_ms = engine.now_ms();
    let line = crate::cmd::client::describe(&client.shared, now_ms);
    let len_max = engine.config().acllog_max_len();
    let log = &engine.acl.log;
    log.add(len_max, now_ms, (denial, context), object, user, line);
}
