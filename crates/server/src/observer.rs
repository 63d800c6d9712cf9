//! What CONFIG SET changes outside the engine: listeners, limits of the process.

use std::path::Path;
use std::sync::Arc;

use oxidis_engine::config::{ApplyError, Config, ConfigObserver, DirectiveId};

use crate::configuration;
use crate::descriptors;
use crate::listeners::Listeners;

/// Applies changed directives to a running server.
pub(crate) struct ServerObserver {
    listeners: Arc<Listeners>,
}

impl ServerObserver {
    pub(crate) fn new(listeners: Arc<Listeners>) -> Self {
        Self { listeners }
    }

    fn apply_one(&self, config: &Config, name: &str) -> Result<(), String> {
        match name {
            "port" => self
                .listeners
                .reconfigure(config)
                .map_err(|_| "Unable to listen on this port. Check server logs.".to_owned()),
            "bind" => self
                .listeners
                .reconfigure(config)
                .map_err(|_| "Failed to bind to specified addresses.".to_owned()),
            "tls-port" if config.tls_port() != 0 => {
                Err("Unable to update TLS configuration. Check server logs.".to_owned())
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
        Ok(())
    }

    fn resolve_directory(&self, config: &Config, path: &[u8]) -> Result<Vec<u8>, String> {
        let base = configuration::path_of(&config.dir());
        let directory = configuration::resolve_directory(Path::new(&base), path)?;
        Ok(configuration::bytes_of(&directory))
    }
}
