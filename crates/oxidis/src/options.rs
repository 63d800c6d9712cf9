//! What engines and servers have in common when they are opened: seed, clock, directives.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use oxidis_embedded::{SystemClock, VirtualClock};
use oxidis_engine::config::Config;

use crate::Error;

/// Where an instance has its time from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Clock {
    /// The time of day.
    #[default]
    System,
    /// It stands still, at the time of day at which the instance is opened, until it is
    /// [moved](crate::Engine::advance).
    Manual,
    /// It stands still at a given time until it is moved.
    ManualAt(SystemTime),
}

/// What both builders take.
#[derive(Clone, Default)]
pub(crate) struct CommonOptions {
    pub(crate) seed: Option<u64>,
    pub(crate) clock: Clock,
    pub(crate) directives: Vec<(String, String)>,
}

/// A word that is shown to nobody.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl fmt::Debug for CommonOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): &(String, String)| match Config::is_sensitive(name.as_bytes()) {
            true => (name.clone(), "(secret)".to_owned()),
            false => (name.clone(), value.clone()),
        };
        let directives: Vec<_> = self.directives.iter().map(shown).collect();
        f.debug_struct("CommonOptions")
            .field("seed", &self.seed)
            .field("clock", &self.clock)
            .field("directives", &directives)
            .finish()
    }
}

impl CommonOptions {
    /// The seed, or one that nobody knows.
    pub(crate) fn seed(&self) -> u64 {
        // The standard library seeds its hashers from the system's randomness.
        self.seed
            .unwrap_or_else(|| RandomState::new().hash_one("seed"))
    }

    /// The same, with a seed if there was none.
    pub(crate) fn with_seed(&self) -> Self {
        CommonOptions {
            seed: Some(self.seed()),
            ..self.clone()
        }
    }

    /// The clock.
    pub(crate) fn clock(&self) -> Arc<dyn oxidis_engine::Clock> {
        let at = match self.clock {
            // Clients may stop it where they may use the command OXIDIS.
            Clock::System if self.has_test_commands() => return Arc::new(VirtualClock::running()),
            Clock::System => return Arc::new(SystemClock),
            Clock::Manual => SystemTime::now(),
            Clock::ManualAt(time) => time,
        };
        // Whole milliseconds: so does Redis's time go for keys.
        Arc::new(VirtualClock::stopped_at(microseconds(at) / 1000 * 1000))
    }

    /// Whether clients may use the command OXIDIS though the clock runs.
    fn has_test_commands(&self) -> bool {
        let mut directives = self.directives.iter().rev();
        let last = directives.find(|(name, _)| name.eq_ignore_ascii_case("enable-test-commands"));
        last.is_some_and(|(_, value)| !value.eq_ignore_ascii_case("no"))
    }

    /// A configuration with directives set, in their order, `first` before those of the builder.
    pub(crate) fn configure(
        &self,
        seed: u64,
        first: Vec<(&str, String)>,
    ) -> Result<Arc<Config>, Error> {
        let config = Config::new(seed);
        let set = |name: &str, value: &str| {
            let set = config.set_default(name, value.as_bytes());
            set.map_err(|error| Error::option(name, error))
        };
        if self.clock != Clock::System {
            // Who makes an instance whose time stands still makes it for tests.
            set("enable-test-commands", "yes")?;
        }
        for (name, value) in first {
            set(name, &value)?;
        }
        for (name, value) in &self.directives {
            match name.as_str() {
                "dir" => set(name, &directory(value)?)?,
                _ => set(name, value)?,
            }
        }
        Ok(Arc::new(config))
    }
}

/// The whole path of a directory, which must be there, as for a server of its own.
fn directory(path: &str) -> Result<String, Error> {
    let path = std::path::absolute(path).map_err(|error| Error::option("dir", error))?;
    match path.is_dir() {
        true => Ok(path.to_string_lossy().into_owned()),
        false => Err(Error::option(
            "dir",
            format!("{} is no directory", path.display()),
        )),
    }
}

/// Microseconds since 1970; 0 for what was before.
pub(crate) fn microseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The methods of a builder that has its [`CommonOptions`] in `common`.
macro_rules! common_options {
    () => {
        /// The seed of everything random: hashes, SPOP, RANDOMKEY, identifiers. Without one each
        /// instance is different.
        #[must_use]
        pub fn seed(mut self, seed: u64) -> Self {
            self.common.seed = Some(seed);
            self
        }

        /// The clock. With one that stands still the instance is one for tests: clients may use
        /// the command OXIDIS, too.
        #[must_use]
        pub fn clock(mut self, clock: crate::Clock) -> Self {
            self.common.clock = clock;
            self
        }

        /// A directive of redis.conf.
        #[must_use]
        pub fn directive(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.common.directives.push((name.into(), value.into()));
            self
        }
    };
}
pub(crate) use common_options;
