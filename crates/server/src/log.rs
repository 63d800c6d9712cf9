//! The log of the process: lines in Redis's form, to the standard output or a file, and to syslog.
//!
//! The crate logs by [`tracing`]; `trace!`, `debug!`, `info!` and `warn!` are Redis's levels debug,
//! verbose, notice and warning. [`install`] is for the binary: a program that embeds the server has
//! a subscriber of its own.
//!
//! The file is opened anew for each line, as Redis does it: who rotates logs need not tell us.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Local};
use oxidis_engine::config::{Config, LogFormat, LogLevel, LogTimestampFormat};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::configuration::path_of;
use crate::progress;

/// Lets everything that is logged from now on go where the configuration says.
///
/// `loglevel`, `log-format` and `log-timestamp-format` are followed while the process runs.
pub fn install(config: &Arc<Config>) {
    let logfile = config.logfile();
    let log = Log {
        file: (!logfile.is_empty()).then(|| path_of(&config.dir()).join(path_of(&logfile))),
        to_syslog: config.syslog_enabled() && syslog::open(config),
        config: config.clone(),
    };
    // Only a second call can fail, and changes nothing.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(log));
}

/// Writes a line of Redis's level to the log.
pub(crate) fn line(level: LogLevel, message: &str) {
    match level {
        LogLevel::Debug => tracing::trace!("{message}"),
        LogLevel::Verbose => tracing::debug!("{message}"),
        LogLevel::Notice => tracing::info!("{message}"),
        LogLevel::Warning => tracing::warn!("{message}"),
        LogLevel::Nothing => {}
    }
}

struct Log {
    config: Arc<Config>,
    file: Option<PathBuf>,
    to_syslog: bool,
}

impl<S: Subscriber> Layer<S> for Log {
    /// Asked each time, since the level may change at any time.
    fn register_callsite(
        &self,
        _metadata: &'static Metadata<'static>,
    ) -> tracing::subscriber::Interest {
        tracing::subscriber::Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        level_of(metadata) as u8 >= self.config.log_level() as u8 && is_ours(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let level = level_of(event.metadata());
        let line = format_line(&self.config, level, &Local::now(), &message.0);
        // A log that cannot be written must not stop the server.
        let _ = self.write(&line);
        if self.to_syslog {
            syslog::write(level, &message.0);
        }
    }
}

impl Log {
    fn write(&self, line: &str) -> io::Result<()> {
        match &self.file {
            None => progress::aside(|| {
                let mut output = io::stdout().lock();
                output.write_all(line.as_bytes())?;
                output.flush()
            }),
            Some(path) => {
                let mut file = OpenOptions::new().append(true).create(true).open(path)?;
                file.write_all(line.as_bytes())
            }
        }
    }
}

/// The libraries below us log for their own developers.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("oxidis")
}

fn level_of(metadata: &Metadata<'_>) -> LogLevel {
    match *metadata.level() {
        Level::TRACE => LogLevel::Debug,
        Level::DEBUG => LogLevel::Verbose,
        Level::INFO => LogLevel::Notice,
        Level::WARN | Level::ERROR => LogLevel::Warning,
    }
}

/// Gathers the message of an event; its other fields, as `name=value`, behind it.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// A line of the log with its newline: `PID:ROLE TIME LEVEL MESSAGE`, or as `name=value` pairs.
fn format_line(config: &Config, level: LogLevel, now: &DateTime<Local>, message: &str) -> String {
    let is_replica = config.replica_of().is_some();
    let pid = std::process::id();
    let time = match config.log_timestamp_format() {
        LogTimestampFormat::Legacy => now.format("%d %b %Y %H:%M:%S%.3f").to_string(),
        LogTimestampFormat::Iso8601 => now.format("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string(),
        LogTimestampFormat::Milliseconds => now.timestamp_millis().to_string(),
    };
    match config.log_format() {
        LogFormat::Legacy => {
            let role = if is_replica { 'S' } else { 'M' };
            let mark = match level {
                LogLevel::Debug => '.',
                LogLevel::Verbose => '-',
                LogLevel::Notice => '*',
                LogLevel::Warning | LogLevel::Nothing => '#',
            };
            format!("{pid}:{role} {time} {mark} {message}\n")
        }
        LogFormat::Logfmt => {
            let role = if is_replica { "replica" } else { "primary" };
            let level = level.word();
            let message = message.replace('"', "'").replace(['\n', '\r'], " ");
            format!(
                "pid={pid} role={role} timestamp=\"{time}\" level={level} message=\"{message}\"\n"
            )
        }
    }
}

/// The system's own log, where there is one.
#[cfg(unix)]
mod syslog {
    use std::ffi::CString;

    use nix::syslog::{Facility, LogFlags, Severity, openlog, syslog};
    use oxidis_engine::config::{Config, LogLevel, SyslogFacility};

    /// Answers whether it can be written to.
    pub(super) fn open(config: &Config) -> bool {
        let facility = match config.syslog_facility() {
            SyslogFacility::User => Facility::LOG_USER,
            SyslogFacility::Local0 => Facility::LOG_LOCAL0,
            SyslogFacility::Local1 => Facility::LOG_LOCAL1,
            SyslogFacility::Local2 => Facility::LOG_LOCAL2,
            SyslogFacility::Local3 => Facility::LOG_LOCAL3,
            SyslogFacility::Local4 => Facility::LOG_LOCAL4,
            SyslogFacility::Local5 => Facility::LOG_LOCAL5,
            SyslogFacility::Local6 => Facility::LOG_LOCAL6,
            SyslogFacility::Local7 => Facility::LOG_LOCAL7,
        };
        let flags = LogFlags::LOG_PID | LogFlags::LOG_NDELAY;
        // No configuration holds a zero byte. The system keeps the pointer, so it lives for ever.
        let identity = CString::new(config.syslog_ident()).unwrap_or_default();
        let identity: &'static std::ffi::CStr = Box::leak(identity.into_boxed_c_str());
        #[cfg(target_os = "linux")]
        return openlog(Some(identity), flags, facility).is_ok();
        #[cfg(not(target_os = "linux"))]
        {
            use std::os::unix::ffi::OsStrExt;
            let identity = std::ffi::OsStr::from_bytes(identity.to_bytes());
            openlog(Some(identity), flags, facility).is_ok()
        }
    }

    pub(super) fn write(level: LogLevel, message: &str) {
        let severity = match level {
            LogLevel::Debug => Severity::LOG_DEBUG,
            LogLevel::Verbose => Severity::LOG_INFO,
            LogLevel::Notice => Severity::LOG_NOTICE,
            LogLevel::Warning | LogLevel::Nothing => Severity::LOG_WARNING,
        };
        // A zero byte would end the message for syslog.
        let message = message.replace('\0', " ");
        // There is nobody to tell that the system's log fails.
        let _ = syslog(severity, message.as_str());
    }
}

/// Without syslog `syslog-enabled` changes nothing.
#[cfg(not(unix))]
mod syslog {
    use oxidis_engine::config::{Config, LogLevel};

    pub(super) fn open(_: &Config) -> bool {
        false
    }

    pub(super) fn write(_: LogLevel, _: &str) {}
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn a_line_has_the_form_that_the_configuration_asks_for() {
        let config = Config::new(0);
        let now = Local.with_ymd_and_hms(2026, 1, 31, 23, 59, 58).unwrap()
            + chrono::TimeDelta::milliseconds(7);
        let pid = std::process::id();
        assert_eq!(
            format_line(&config, LogLevel::Notice, &now, "a \"b\""),
            format!("{pid}:M 31 Jan 2026 23:59:58.007 * a \"b\"\n")
        );
        for (level, mark) in [
            (LogLevel::Debug, " . "),
            (LogLevel::Verbose, " - "),
            (LogLevel::Warning, " # "),
        ] {
            assert!(format_line(&config, level, &now, "x").contains(mark));
        }
        config.set_default("log-format", b"logfmt").unwrap();
        config
            .set_default("log-timestamp-format", b"milliseconds")
            .unwrap();
        assert_eq!(
            format_line(&config, LogLevel::Warning, &now, "a \"b\"\nc"),
            format!(
                "pid={pid} role=primary timestamp=\"{}\" level=warning message=\"a 'b' c\"\n",
                now.timestamp_millis()
            )
        );
    }
}
