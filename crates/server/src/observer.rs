//! What CONFIG SET changes outside the engine: listeners, limits of the process, its allocator.

use std::path::Path;
use std::sync::Arc;

use oxidis_engine::config::{ApplyError, Config, ConfigObserver, DirectiveId};

use crate::configuration;
use crate::descriptors;
use crate::listeners::Listeners;
use crate::oom_score::OomScore;
use crate::process::Allocator;
use crate::title;
use crate::tls::TlsSettings;

const CANNOT_LISTEN: &str = "Unable to listen on this port. Check server logs.";

/// Applies changed directives to a running server.
pub(crate) struct ServerObserver {
    listeners: Arc<Listeners>,
    tls: Arc<TlsSettings>,
    oom_score: OomScore,
    allocator: Allocator,
}

impl ServerObserver {
    pub(crate) fn new(
        listeners: Arc<Listeners>,
        tls: Arc<TlsSettings>,
        allocator: Allocator,
    ) -> Self {
        Self {
            listeners,
            tls,
            oom_score: OomScore::default(),
            allocator,
        }
    }

    /// Tells the kernel how readily to end this process, if the configuration says it.
    pub(crate) fn set_oom_score(&self, config: &Config) -> Result<(), String> {
        self.oom_score.follow(config).map_err(|error| {
            tracing::warn!("Unable to set oom_score_adj: {error}");
            "Failed to apply new oom_score_adj configuration, check server logs.".to_owned()
        })
    }

    /// Lets the allocator give memory back by itself, or not, as the configuration says.
    pub(crate) fn set_background_purging(&self, config: &Config) {
        (self.allocator.purge_in_background)(config.jemalloc_bg_thread());
    }

    fn reload_tls(&self, config: &Config) -> Result<(), String> {
        self.tls.reload(config).map_err(|error| {
            tracing::warn!("{error}");
            "Unable to update TLS configuration. Check server logs.".to_owned()
        })
    }

    fn listen(&self, config: &Config, complaint: &str) -> Result<(), String> {
        self.listeners.reconfigure(config).map_err(|error| {
            tracing::warn!("{error}");
            complaint.to_owned()
        })
    }

    fn apply_one(&self, config: &Config, name: &str) -> Result<(), String> {
        match name {
            "port" => self.listen(config, CANNOT_LISTEN),
            "bind" => self.listen(config, "Failed to bind to specified addresses."),
            "tls-port" => {
                if config.tls_port() != 0 {
                    self.reload_tls(config)?;
                }
                self.listen(config, CANNOT_LISTEN)
            }
            name if name.starts_with("tls-") && config.tls_port() != 0 => self.reload_tls(config),
            "oom-score-adj" | "oom-score-adj-values" => self.set_oom_score(config),
            "jemalloc-bg-thread" => {
                self.set_background_purging(config);
                Ok(())
            }
            "maxclients" => match descriptors::make_room_for(config.maxclients()) {
                possible if possible < config.maxclients() => Err(format!(
                    "The operating system is not able to handle the specified number of clients, \
                     try with {possible}"
                )),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

impl ConfigObserver for ServerObserver {
    fn apply(&self, config: &Config, changed: &[DirectiveId]) -> Result<(), ApplyError> {
        for &directive in changed {
            self.apply_one(config, directive.directive().name)
                .map_err(|reason| ApplyError { directive, reason })?;
        }
        // It may name ports and addresses.
        title::show(config);
        Ok(())
    }

    fn resolve_directory(&self, config: &Config, path: &[u8]) -> Result<Vec<u8>, String> {
        let base = configuration::path_of(&config.dir());
        let directory = configuration::resolve_directory(Path::new(&base), path)?;
        Ok(configuration::bytes_of(&directory))
    }
}
