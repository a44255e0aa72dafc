//! The log, on standard error.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::failure::Failure;
use crate::config::LogSettings;

/// The log that was begun; it can take another filter.
#[derive(Clone)]
pub struct Log(reload::Handle<EnvFilter, Registry>);

impl Log {
    /// Begins it. A process does this once.
    pub fn begin(settings: &LogSettings) -> Result<Self, Failure> {
        let (filter, handle) = reload::Layer::new(filter(&settings.filter)?);
        let lines = fmt::layer()
            .with_writer(stderr)
            .with_ansi(!settings.json && stderr().is_terminal());
        let lines = if settings.json {
            lines.json().boxed()
        } else {
            lines.boxed()
        };
        let begun = tracing_subscriber::registry()
            .with(filter)
            .with(lines)
            .try_init();
        begun.map(|()| Self(handle)).map_err(Failure::start)
    }

    /// Goes on with another filter.
    pub fn follow(&self, text: &str) -> Result<(), Failure> {
        self.0.reload(filter(text)?).map_err(Failure::start)
    }
}

fn filter(text: &str) -> Result<EnvFilter, Failure> {
    EnvFilter::try_new(text)
        .map_err(|error| Failure::Start(format!("RUST_LOG cannot be used: {error}")))
}
