//! The words that some directives choose from. The order of a list is the order in which errors
//! name its words.

use bitflags::bitflags;

/// Defines an enumeration together with its words; several words may mean one variant, and the
/// first of them is the one shown.
macro_rules! enumeration {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $word:literal $(| $synonym:literal)*, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility enum $name { $( $(#[$variant_meta])* $variant, )+ }

        #[allow(dead_code, reason = "not every list has a reader yet")]
        impl $name {
            pub(super) const WORDS: &'static [(&'static str, i64)] = &[
                $( ($word, $name::$variant as i64), $( ($synonym, $name::$variant as i64), )* )+
            ];

            /// The word for it in a configuration.
            pub const fn word(self) -> &'static str {
                match self { $( $name::$variant => $word, )+ }
            }

            pub(super) const fn from_code(code: i64) -> Option<Self> {
                $( if code == $name::$variant as i64 { return Some($name::$variant); } )+
                None
            }
        }
    };
}

enumeration! {
    /// Which keys go when `maxmemory` is reached.
    pub enum MaxmemoryPolicy {
        /// The least recently used of the keys with an expiry.
        VolatileLru = "volatile-lru",
        /// The least frequently used of the keys with an expiry.
        VolatileLfu = "volatile-lfu",
        /// Any of the keys with an expiry.
        VolatileRandom = "volatile-random",
        /// The key with the nearest expiry.
        VolatileTtl = "volatile-ttl",
        /// The least recently used key.
        AllkeysLru = "allkeys-lru",
        /// The least frequently used key.
        AllkeysLfu = "allkeys-lfu",
        /// Any key.
        AllkeysRandom = "allkeys-random",
        /// None: commands that need memory fail.
        NoEviction = "noeviction",
    }
}

impl MaxmemoryPolicy {
    /// Whether it keeps access frequencies (OBJECT FREQ) instead of idle times (OBJECT IDLETIME).
    pub const fn is_lfu(self) -> bool {
        matches!(self, Self::VolatileLfu | Self::AllkeysLfu)
    }

    /// Whether it goes by when keys were last used.
    pub const fn is_lru(self) -> bool {
        matches!(self, Self::VolatileLru | Self::AllkeysLru)
    }

    /// Whether it evicts only keys with an expiry.
    pub const fn is_volatile(self) -> bool {
        matches!(
            self,
            Self::VolatileLru | Self::VolatileLfu | Self::VolatileRandom | Self::VolatileTtl
        )
    }
}

enumeration! {
    /// How much is logged; each level includes those after it.
    pub enum LogLevel {
        /// Everything, for developers.
        Debug = "debug",
        /// Rarely useful detail.
        Verbose = "verbose",
        /// What one wants in production.
        Notice = "notice",
        /// Only what is wrong.
        Warning = "warning",
        /// Nothing at all.
        Nothing = "nothing",
    }
}

enumeration! {
    /// When the append-only file is forced to disk.
    pub enum AppendFsync {
        /// Once a second.
        EverySecond = "everysec",
        /// Before each reply.
        Always = "always",
        /// When the operating system pleases.
        No = "no",
    }
}

enumeration! {
    /// Who may use something dangerous.
    pub enum ProtectedAction {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Clients on this machine.
        Local = "local",
    }
}

enumeration! {
    /// Which channels a new user may use.
    pub enum AclPubsubDefault {
        /// All of them.
        AllChannels = "allchannels",
        /// None.
        ResetChannels = "resetchannels",
    }
}

enumeration! {
    /// Which supervisor the process reports to.
    pub enum Supervised {
        /// Upstart.
        Upstart = "upstart",
        /// systemd.
        Systemd = "systemd",
        /// Whichever the environment names.
        Auto = "auto",
        /// None.
        No = "no",
    }
}

enumeration! {
    /// The facility under which syslog files our lines.
    pub enum SyslogFacility {
        /// `LOG_USER`.
        User = "user",
        /// `LOG_LOCAL0`.
        Local0 = "local0",
        /// `LOG_LOCAL1`.
        Local1 = "local1",
        /// `LOG_LOCAL2`.
        Local2 = "local2",
        /// `LOG_LOCAL3`.
        Local3 = "local3",
        /// `LOG_LOCAL4`.
        Local4 = "local4",
        /// `LOG_LOCAL5`.
        Local5 = "local5",
        /// `LOG_LOCAL6`.
        Local6 = "local6",
        /// `LOG_LOCAL7`.
        Local7 = "local7",
    }
}

enumeration! {
    pub(super) enum DisklessLoad {
        Disabled = "disabled",
        OnEmptyDatabase = "on-empty-db",
        SwapDatabase = "swapdb",
    }
}

enumeration! {
    /// Whether clients must show a certificate.
    pub enum TlsClientAuthentication {
        /// They are not asked for one.
        No = "no",
        /// They must.
        Yes = "yes",
        /// They may; one that is shown must be good.
        Optional = "optional",
    }
}

enumeration! {
    /// What `oom-score-adj-values` are to the kernel.
    pub enum OomScoreAdjust {
        /// Nothing: the kernel is not told.
        No = "no",
        /// They are added to the score that the process was started with.
        Relative = "yes" | "relative",
        /// They are the score.
        Absolute = "absolute",
    }
}

enumeration! {
    pub(super) enum SanitizeDumpPayload {
        No = "no",
        Yes = "yes",
        Clients = "clients",
    }
}

enumeration! {
    pub(super) enum ClusterEndpoint {
        Ip = "ip",
        Hostname = "hostname",
        UnknownEndpoint = "unknown-endpoint",
    }
}

enumeration! {
    pub(super) enum PropagationError {
        Ignore = "ignore",
        Panic = "panic",
        PanicOnReplicas = "panic-on-replicas",
    }
}

enumeration! {
    /// The form of a line in the log.
    pub enum LogFormat {
        /// Redis's own.
        Legacy = "legacy",
        /// `name=value` pairs.
        Logfmt = "logfmt",
    }
}

enumeration! {
    /// The form of the time in a line of the log.
    pub enum LogTimestampFormat {
        /// As in `31 Jan 2026 23:59:59.999`, local time.
        Legacy = "legacy",
        /// As in `2026-01-31T23:59:59.999+01:00`.
        Iso8601 = "iso8601",
        /// Milliseconds since 1970.
        Milliseconds = "milliseconds",
    }
}

enumeration! {
    pub(super) enum RdbVersionCheck {
        Strict = "strict",
        Relaxed = "relaxed",
    }
}

bitflags! {
    /// How a signal shuts the server down; none of them is `default`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ShutdownFlags: i64 {
        /// Save even if no save point is configured.
        const SAVE = 1 << 0;
        /// Do not save even if save points are configured.
        const NOSAVE = 1 << 1;
        /// Do not wait for lagging replicas.
        const NOW = 1 << 2;
        /// Go on although saving failed.
        const FORCE = 1 << 3;
    }
}

impl ShutdownFlags {
    pub(super) const WORDS: &'static [(&'static str, i64)] = &[
        ("default", 0),
        ("save", Self::SAVE.bits()),
        ("nosave", Self::NOSAVE.bits()),
        ("now", Self::NOW.bits()),
        ("force", Self::FORCE.bits()),
    ];

    pub(super) fn check(code: i64) -> Result<(), &'static str> {
        if Self::from_bits_retain(code).contains(Self::SAVE | Self::NOSAVE) {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously");
        }
        Ok(())
    }
}
