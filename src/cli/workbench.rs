//! What the commands that end by themselves work with: the configuration, and the use cases over the store.

use std::sync::Arc;

use super::failure::Failure;
use super::log::Log;
use crate::config::{LogSettings, Raw, Settings, StoreUrl, bootstrap_variables, resolve, variables};
use crate::core::service::Service;
use crate::server::{Server, StartError};

/// Reads the configuration for a command that is not the server, and begins the log. What says which app has to be there
/// after a start is the server's alone.
pub fn settings(raw: &Raw) -> Result<Settings, Failure> {
    let of_start: Vec<_> = bootstrap_variables().collect();
    let settings = resolve(&raw.without(&of_start))?.settings;
    begin_log(raw, &settings.log)?;
    Ok(settings)
}

/// Begins a log that is silent where nothing went wrong and nothing else was asked for: what a command finds is on standard
/// output.
pub fn begin_log(raw: &Raw, settings: &LogSettings) -> Result<(), Failure> {
    let filter = if raw.get(&variables::RUST_LOG).is_some() {
        settings.filter.clone()
    } else {
        "error".to_owned()
    };
    Log::begin(&LogSettings {
        filter,
        json: settings.json,
    })
    .map(drop)
}

/// Opens what the settings name.
pub async fn open(settings: &Settings) -> Result<Server, Failure> {
    Server::open(settings).await.map_err(|error| match error {
        StartError::Store(error) => {
            Failure::Start(format!("{}: {error}", settings.store.variable.name))
        }
        other => Failure::start(other),
    })
}

/// Does something with the use cases, then closes the store.
pub async fn work<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(Arc<Service>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if settings.store.url == StoreUrl::SqliteMemory {
        let variable = settings.store.variable.name;
        return Err(Failure::Start(format!(
            "{variable}: a database in memory is seen by nobody but its server: name a file"
        )));
    }
    let server = open(settings).await?;
    let outcome = work(Arc::clone(server.service())).await;
    server.close().await;
    outcome
}
