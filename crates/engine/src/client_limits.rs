//! Clients that are closed for what they do or do not do: idling beyond `timeout`, leaving more
//! replies unread than `client-output-buffer-limit` allows, sending more than
//! `client-query-buffer-limit` without completing a request, speaking HTTP.
//!
//! Hard limits are looked at whenever a session's owner has sent or received something
//! ([`Session`](crate::Session)); time passes without anybody doing anything, so idleness and soft
//! limits are looked at once a second.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::client::{Client, ClientShared};
use crate::config::{ClientClass, LogLevel};
use crate::engine::Engine;

/// Milliseconds between two looks at all clients.
const PERIOD_MS: i64 = 250;

/// Bytes of replies that may wait for a client that has not given the password.
const UNAUTHENTICATED_MAX_BYTES: u64 = 1024;

/// How often clients were closed, for INFO, and when they were last looked at.
#[derive(Default)]
pub(crate) struct ClientLimits {
    last_look_ms: AtomicI64,
    pub(crate) output_disconnections: AtomicU64,
    pub(crate) query_disconnections: AtomicU64,
    last_web_warning_ms: AtomicI64,
}

impl ClientLimits {
    /// CONFIG RESETSTAT.
    pub(crate) fn reset(&self) {
        self.output_disconnections.store(0, Ordering::Relaxed);
        self.query_disconnections.store(0, Ordering::Relaxed);
    }
}

/// Whether the first word of an unknown command is one with which lines of HTTP begin.
pub(crate) fn is_web_request(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"POST") || name.eq_ignore_ascii_case(b"Host:")
}

impl Engine {
    /// Closes a client that sends lines of HTTP: it may be a browser, and what comes behind be commands that a
    /// web page has made it send.
    #[cold]
    pub(crate) fn close_web_client(&self, client: &mut Client) {
        /// How often it is told in the log.
        const WARNING_PERIOD_MS: i64 = 60_000;
        client.close_after_reply = true;
        let now_ms = self.now_ms();
        let last_ms = &self.client_limits.last_web_warning_ms;
        if now_ms - last_ms.load(Ordering::Relaxed) > WARNING_PERIOD_MS {
            last_ms.store(now_ms, Ordering::Relaxed);
            let line = format!(
                "Possible SECURITY ATTACK: {} sends lines of HTTP, as a browser does that a web page has been \
                 made to use against this server. The connection is closed.",
                client.shared.address
            );
            self.host.log(LogLevel::Warning, &line);
        }
    }

    /// Closes the clients whose time is over, if it is time to look.
    pub(crate) fn look_at_clients(&self) {
        let now_ms = self.now_ms();
        let last_ms = self.client_limits.last_look_ms.load(Ordering::Relaxed);
        // A clock that was set back does not keep anybody alive.
        if (0..PERIOD_MS).contains(&(now_ms - last_ms)) {
            return;
        }
        let last_look_ms = &self.client_limits.last_look_ms;
        last_look_ms.store(now_ms, Ordering::Relaxed);
        let timeout_ms = self.config.timeout_seconds() as i64 * 1000;
        let has_soft_limit = |class| {
            let limit = self.config.output_buffer_limit(class);
            limit.soft_bytes > 0
        };
        if timeout_ms == 0
            && !has_soft_limit(ClientClass::Normal)
            && !has_soft_limit(ClientClass::Replica)
            && !has_soft_limit(ClientClass::PubSub)
        {
            return;
        }
        for client in self.clients.all() {
            if client.is_killed() {
                continue;
            }
            if timeout_ms > 0 && is_idle(&client, now_ms, timeout_ms) {
                self.host.log(LogLevel::Verbose, "Closing idle client");
                client.kill();
            } else if self.exceeds_soft_limit(&client, now_ms) {
                self.close_for_output(&client);
                client.kill();
            }
        }
    }

    /// Whether so many bytes of replies are more than the client may leave unread, now.
    pub(crate) fn exceeds_hard_limit(&self, client: &ClientShared, waiting: u64) -> bool {
        let class = class_of(client);
        let mut hard_bytes = self.config.output_buffer_limit(class).hard_bytes;
        if class == ClientClass::Replica && hard_bytes > 0 {
            // It could not even be sent what the backlog holds, as in Redis.
            hard_bytes = hard_bytes.max(self.config.repl_backlog_size());
        }
        hard_bytes > 0 && waiting >= hard_bytes
    }

    /// Whether so many bytes of replies are too many for one that has not given the password.
    pub(crate) fn exceeds_unauthenticated_limit(&self, waiting: u64) -> bool {
        waiting > UNAUTHENTICATED_MAX_BYTES && self.acl.asks_password()
    }

    /// Whether the client has left more unread than the soft limit for as long as it may.
    fn exceeds_soft_limit(&self, client: &ClientShared, now_ms: i64) -> bool {
        let limit = self.config.output_buffer_limit(class_of(client));
        let waiting = client.output_buffer_bytes.load(Ordering::Relaxed) as u64
            + client.mailbox.pushed_bytes() as u64;
        let since = &client.soft_limit_since_ms;
        if limit.soft_bytes == 0 || waiting < limit.soft_bytes {
            since.store(0, Ordering::Relaxed);
            return false;
        }
        match since.load(Ordering::Relaxed) {
            0 => {
                since.store(now_ms, Ordering::Relaxed);
                false
            }
            // Redis compares what clocks of whole seconds show.
            since_ms => now_ms / 1000 - since_ms / 1000 > limit.soft_seconds as i64,
        }
    }

    /// Counts and logs that a client is closed because it does not read.
    pub(crate) fn close_for_output(&self, client: &ClientShared) {
        let count = &self.client_limits.output_disconnections;
        count.fetch_add(1, Ordering::Relaxed);
        let line = format!(
            "Client {} closed for overcoming of output buffer limits.",
            client.description(self.now_ms())
        );
        self.host.log(LogLevel::Warning, &line);
    }

    /// Counts and logs that a client is closed because it sends more than it may without completing
    /// a request. `unread` is what it sent.
    pub(crate) fn close_for_query(&self, client: &ClientShared, unread: &[u8]) {
        /// Bytes of the input that are shown.
        const SHOWN_BYTES: usize = 64;
        let count = &self.client_limits.query_disconnections;
        count.fetch_add(1, Ordering::Relaxed);
        let line = format!(
            "Closing client that reached max query buffer length: {} (qbuf initial bytes: \"{}\")",
            client.description(self.now_ms()),
            unread[..unread.len().min(SHOWN_BYTES)].escape_ascii()
        );
        self.host.log(LogLevel::Warning, &line);
    }
}

/// Whether `timeout` concerns a client: those who wait for others may be silent.
fn is_idle(client: &ClientShared, now_ms: i64, timeout_ms: i64) -> bool {
    let idle_ms = now_ms - client.last_interaction_ms.load(Ordering::Relaxed);
    // Redis counts whole seconds.
    idle_ms / 1000 > timeout_ms / 1000
        && !client.is_subscribed()
        && !client.is_replica.load(Ordering::Relaxed)
        && !client.is_primary.load(Ordering::Relaxed)
        && !client.is_monitor.load(Ordering::Relaxed)
        && !client.is_blocked()
}

fn class_of(client: &ClientShared) -> ClientClass {
    if client.is_replica.load(Ordering::Relaxed) {
        ClientClass::Replica
    } else if client.is_subscribed() {
        ClientClass::PubSub
    } else {
        ClientClass::Normal
    }
}
