//! The context of commands other than `serve`: the configuration, and the service over the store.

use std::sync::Arc;

use super::error::CliError;
use super::log::LogHandle;
use crate::config::{
    LogSettings, Raw, Settings, StoreUrl, bootstrap_variables, resolve, variables,
};
use crate::core::service::Service;
use crate::server::{Server, StartError};

/// Loads the configuration and initializes the log. The bootstrap app is left out, because only
/// `serve` creates it.
pub(super) fn load_settings(raw: &Raw) -> Result<Settings, CliError> {
    let bootstrap: Vec<_> = bootstrap_variables().collect();
    let settings = resolve(&raw.without(&bootstrap))?.settings;
    init_log(raw, &settings.log)?;
    Ok(settings)
}

/// Initializes the log of a command. Logs only errors unless `RUST_LOG` is set, because results go
/// to standard output.
pub(super) fn init_log(raw: &Raw, settings: &LogSettings) -> Result<(), CliError> {
    let filter = if raw.get(&variables::RUST_LOG).is_some() {
        settings.filter.clone()
    } else {
        "error".to_owned()
    };
    LogHandle::init(&LogSettings {
        filter,
        json: settings.json,
    })
    .map(drop)
}

/// Opens the store and connects the parts of the server.
pub(super) async fn open_server(settings: &Settings) -> Result<Server, CliError> {
    Server::open(settings).await.map_err(|error| match error {
        StartError::Store(error) => {
            CliError::Start(format!("{}: {error}", settings.store.variable.name))
        }
        other => CliError::start(other),
    })
}

/// Runs `operation` with the service over the store, then closes the store.
pub(super) async fn with_service<T>(
    settings: &Settings,
    operation: impl AsyncFnOnce(Arc<Service>) -> Result<T, CliError>,
) -> Result<T, CliError> {
    if settings.store.url == StoreUrl::SqliteMemory {
        let variable = settings.store.variable.name;
        return Err(CliError::Start(format!(
            "{variable}: a database in memory cannot be shared with other processes: use a file, such as sqlite://pushi.db"
        )));
    }
    let server = open_server(settings).await?;
    let result = operation(Arc::clone(server.service())).await;
    server.close().await;
    result
}
