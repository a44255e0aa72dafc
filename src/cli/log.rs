//! The log on standard error.
//!
//! Below info, only this program's own messages are written, whatever the filter says: at debug and
//! trace, the libraries for HTTP, WebSocket, TLS and databases log frames, headers and statements,
//! which contain payloads, signatures and secrets.

use std::io::{IsTerminal, stderr};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::error::CliError;
use crate::config::LogSettings;

/// The target of this crate's root, and the beginning of those of its modules.
const OWN: &str = "pushi";
const OWN_MODULES: &str = "pushi::";

/// A handle to the log of the process, which can change the filter.
#[derive(Clone)]
pub(super) struct LogHandle(reload::Handle<EnvFilter, Registry>);

impl LogHandle {
    /// Initializes the log. Fails when called twice in a process.
    pub(super) fn init(settings: &LogSettings) -> Result<Self, CliError> {
        let (filter, handle) = reload::Layer::new(parse_filter(&settings.filter)?);
        let lines = fmt::layer()
            .with_writer(stderr)
            .with_ansi(!settings.json && stderr().is_terminal());
        let lines = if settings.json {
            lines.json().boxed()
        } else {
            lines.boxed()
        };
        tracing_subscriber::registry()
            .with(filter)
            .with(FilterFn::new(is_loggable))
            .with(lines)
            .try_init()
            .map(|()| Self(handle))
            .map_err(CliError::start)
    }

    /// Replaces the filter. An invalid filter leaves the current one in place.
    pub(super) fn set_filter(&self, text: &str) -> Result<(), CliError> {
        self.0.reload(parse_filter(text)?).map_err(CliError::start)
    }
}

/// Whether an event may be written at all. The events of other crates below info may not.
fn is_loggable(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    *metadata.level() <= Level::INFO || target == OWN || target.starts_with(OWN_MODULES)
}

fn parse_filter(text: &str) -> Result<EnvFilter, CliError> {
    EnvFilter::try_new(text)
        .map_err(|error| CliError::Start(format!("RUST_LOG is invalid: {error}")))
}
