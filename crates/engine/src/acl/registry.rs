//! All users of an engine: the snapshot that sessions look at, and how it changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::rules::{RuleError, has_spaces, merge_selectors};
use super::selector::is_channel_among;
use super::{AccessLog, DEFAULT_USER, Denial, User, file};
use crate::client::{Client, ClientShared};
use crate::config::{AclPubsubDefault, LogLevel};
use crate::engine::Engine;
use crate::pubsub::Kind;

/// Users by name. There is always a default user.
#[derive(Debug, Clone, Default)]
pub struct Users {
    by_name: BTreeMap<Vec<u8>, Arc<User>>,
    default_user: Option<Arc<User>>,
}

impl Users {
    /// The user of a name.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// The default user.
    pub fn default_user(&self) -> &Arc<User> {
        self.default_user.as_ref().expect(
            "an engine's users have a default user from the start, and it cannot be deleted",
        )
    }

    /// All of them by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<User>> {
        self.by_name.values()
    }

    /// How many there are.
    #[allow(
        clippy::len_without_is_empty,
        reason = "there is always a default user"
    )]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn insert(&mut self, user: User) {
        let user = Arc::new(user);
        if user.name() == DEFAULT_USER {
            self.default_user = Some(user.clone());
        }
        self.by_name.insert(user.name().to_vec(), user);
    }
}

/// Why a `user` line of a configuration is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct UserDefinitionError {
    /// Which word is at fault, 0 being the name.
    pub word: usize,
    /// What is wrong with it.
    pub reason: RuleError,
}

impl Users {
    /// Looks a `user` line over: the name, and the rules behind it. What names commands that are unknown is
    /// left to the start of the server.
    ///
    /// # Errors
    /// The first word that is wrong.
    pub fn check_definition(words: &[Vec<u8>]) -> Result<(), UserDefinitionError> {
        let error = |word, reason| UserDefinitionError { word, reason };
        let [name, rules @ ..] = words else {
            return Err(error(0, RuleError::Syntax));
        };
        let merged = merge_selectors(rules).map_err(|index| error(index + 1, RuleError::Syntax))?;
        let mut user = User::new(name, AclPubsubDefault::ResetChannels);
        for (index, rule) in merged.iter().enumerate() {
            match user.apply(rule) {
                Ok(()) | Err(RuleError::Unknown) => {}
                Err(reason) => return Err(error(index + 1, reason)),
            }
        }
        Ok(())
    }
}

/// Access control of one engine.
pub(crate) struct Acl {
    users: RwLock<Arc<Users>>,
    /// Counts the changes, from 1.
    generation: AtomicU64,
    /// Whether the default user has a password, or is off.
    asks_password: AtomicBool,
    /// Held while users change, so that changes come one at a time.
    changing: Mutex<()>,
    pub(crate) log: AccessLog,
    pub(crate) denials: [AtomicU64; Denial::COUNT],
}

impl Acl {
    /// Only a default user, with the password that `requirepass` gives it.
    pub(crate) fn new(password: &[u8]) -> Self {
        let mut users = Users::default();
        let mut user = User::all_powerful(DEFAULT_USER);
        if !password.is_empty() {
            user.set_only_password(Some(password));
        }
        users.insert(user);
        Acl {
            users: RwLock::new(Arc::new(users)),
            generation: AtomicU64::new(1),
            asks_password: AtomicBool::new(!password.is_empty()),
            changing: Mutex::new(()),
            log: AccessLog::default(),
            denials: Default::default(),
        }
    }

    /// How often the users have changed, and one.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The users as they are now.
    pub(crate) fn users(&self) -> Arc<Users> {
        self.users.read().clone()
    }

    /// Whether a session has to say who it is before it may do anything.
    #[inline]
    pub(crate) fn asks_password(&self) -> bool {
        self.asks_password.load(Ordering::Relaxed)
    }

    /// Puts other users in the place of those that there are, for an engine that nobody uses yet.
    pub(crate) fn replace(&self, users: Users) {
        let _changing = self.changing.lock();
        self.put(users);
    }

    fn put(&self, users: Users) {
        let default = users.default_user();
        let asks_password = !default.has_nopass() || default.is_off();
        self.asks_password.store(asks_password, Ordering::Relaxed);
        *self.users.write() = Arc::new(users);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// How often something was refused.
    pub(crate) fn denial_count(&self, denial: Denial) -> u64 {
        self.denials[denial as usize].load(Ordering::Relaxed)
    }
}

impl Engine {
    /// ACL SETUSER: changes a user, or makes one. All of the rules take effect, or none.
    ///
    /// # Errors
    /// The text for the client, without its code word.
    pub(crate) fn set_user(
        &self,
        name: &[u8],
        rules: &[Vec<u8>],
        caller: &mut Client,
    ) -> Result<(), Vec<u8>> {
        if has_spaces(name) {
            return Err(b"Usernames can't contain spaces or null characters".to_vec());
        }
        let _changing = self.acl.changing.lock();
        let mut users = Users::clone(&self.acl.users());
        let channels = self.config.acl_pubsub_default();
        let old = users.get(name).cloned();
        let mut user = match &old {
            Some(user) => User::clone(user),
            None => User::new(name, channels),
        };
        user.set_new_channels(channels);
        user.apply_all(rules)?;
        users.insert(user);
        self.acl.put(users);
        if let (Some(old), Some(new)) = (old, self.acl.users().get(name)) {
            self.kill_subscribers(&old, new, caller);
        }
        Ok(())
    }

    /// ACL DELUSER; answers how many there were. The default user is to be refused before.
    pub(crate) fn delete_users<'a>(
        &self,
        names: impl Iterator<Item = &'a [u8]>,
        caller: &mut Client,
    ) -> usize {
        let _changing = self.acl.changing.lock();
        let mut users = Users::clone(&self.acl.users());
        let before = users.len();
        names.for_each(|name| drop(users.by_name.remove(name)));
        let deleted = before - users.len();
        if deleted > 0 {
            self.acl.put(users);
            self.kill_users_lost(caller);
        }
        deleted
    }

    /// `requirepass`: the only password of the default user, or none if it is empty.
    pub(crate) fn set_default_password(&self, password: &[u8]) {
        let _changing = self.acl.changing.lock();
        let mut users = Users::clone(&self.acl.users());
        let mut user = User::clone(users.default_user());
        user.set_only_password((!password.is_empty()).then_some(password));
        users.insert(user);
        self.acl.put(users);
    }

    /// ACL LOAD: all users from the text of the file, or none.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn load_access_file(&self, caller: &mut Client) -> Result<(), String> {
        let old = self.acl.users();
        self.replace_users_by_file()?;
        self.kill_users_lost(caller);
        let new = self.acl.users();
        for user in old.iter() {
            if let Some(new) = new.get(user.name()) {
                self.kill_subscribers(user, new, caller);
            }
        }
        Ok(())
    }

    fn replace_users_by_file(&self) -> Result<(), String> {
        let path = self.config.aclfile();
        let shown = String::from_utf8_lossy(&path).into_owned();
        let text = self
            .host
            .read_access_file(&self.config)
            .map_err(|reason| format!("Error loading ACLs, opening file '{shown}': {reason}"))?;
        let _changing = self.acl.changing.lock();
        let users = file::parse(&text, &shown, self.config.acl_pubsub_default())?;
        self.acl.put(users);
        Ok(())
    }

    /// ACL SAVE.
    ///
    /// # Errors
    /// The operating system's word for why the file cannot be written.
    pub(crate) fn save_access_file(&self) -> Result<(), String> {
        let text = file::text_of(&self.acl.users());
        self.host.write_access_file(&self.config, &text)
    }

    /// The users as `user` lines of the configuration file have them; none of them if they have a file of
    /// their own.
    pub(crate) fn user_lines(&self) -> Vec<Vec<u8>> {
        if !self.config.aclfile().is_empty() {
            return Vec::new();
        }
        let line = |user: &Arc<User>| [user.name(), b" ", &user.definition()[..]].concat();
        self.acl.users().iter().map(line).collect()
    }

    /// Makes the users that the configuration file or the ACL file describes. Call it before the first
    /// session begins.
    ///
    /// # Errors
    /// What keeps the server from starting.
    pub fn load_users_at_start(&self) -> Result<(), String> {
        let lines = self.config.file_only().users;
        let has_file = !self.config.aclfile().is_empty();
        if has_file && !lines.is_empty() {
            return Err(
                "Configuring Redis with users defined in redis.conf and at the same setting an ACL file \
                 path is invalid. This setup is very likely to lead to configuration errors and security \
                 holes, please define either an ACL file or declare users directly in your redis.conf, \
                 but not both."
                    .to_owned(),
            );
        }
        if has_file {
            return self
                .replace_users_by_file()
                .map_err(|error| format!("Aborting Redis startup because of ACL errors: {error}"));
        }
        let mut users = Users::clone(&self.acl.users());
        let channels = self.config.acl_pubsub_default();
        for line in &lines {
            let [name, rules @ ..] = &line[..] else {
                continue;
            };
            let user = User::from_definition(name, rules, channels)
                .map_err(|error| format!("{error}\nCritical error while loading ACLs. Exiting."))?;
            if user.is_off() {
                let line = format!(
                    "The user '{}' is disabled (there is no 'on' modifier in the user description). Make \
                     sure this is not a configuration error.",
                    String::from_utf8_lossy(name)
                );
                self.host.log(LogLevel::Notice, &line);
            }
            users.insert(user);
        }
        self.acl.put(users);
        Ok(())
    }

    /// Closes the sessions whose users are gone.
    fn kill_users_lost(&self, caller: &mut Client) {
        let users = self.acl.users();
        for client in self.clients.all() {
            let is_lost = users.get(&client.names.lock().user).is_none();
            if is_lost {
                end(&client, caller);
            }
        }
    }

    /// Closes the sessions of a user that are subscribed to what it may no longer hear.
    fn kill_subscribers(&self, old: &User, new: &User, caller: &mut Client) {
        if new.all_selectors().any(|selector| selector.all_channels()) {
            return;
        }
        let of = |user: &User| -> Vec<Vec<u8>> {
            let selectors = user.all_selectors();
            selectors.flat_map(|it| it.channels().to_vec()).collect()
        };
        let (heard, allowed) = (of(old), of(new));
        let heard_all = old.all_selectors().any(|selector| selector.all_channels());
        if !heard_all && heard.iter().all(|channel| allowed.contains(channel)) {
            return;
        }
        let mut revoked: Vec<Arc<ClientShared>> = Vec::new();
        self.pubsub.for_each(|kind, channel, clients| {
            if !is_channel_among(&allowed, channel, kind == Kind::Pattern) {
                revoked.extend(clients.iter().cloned());
            }
        });
        for client in revoked {
            if client.names.lock().user == new.name() {
                end(&client, caller);
            }
        }
    }
}

/// Closes a session; the one that asks for it gets its reply first.
fn end(client: &ClientShared, caller: &mut Client) {
    if client.id == caller.id() {
        caller.close_after_reply = true;
    } else {
        client.kill();
    }
}
