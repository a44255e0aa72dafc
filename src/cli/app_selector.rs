//! Selects the app that a command works on.

use std::sync::Arc;

use super::context::with_service;
use super::error::CliError;
use crate::config::variables::PUSHI_APP_ID;
use crate::config::{Raw, Settings, Variable, app_variables};
use crate::core::model::{App, AppIdent, Secret};
use crate::core::service::Service;

/// Apps per page of a list.
const PAGE: usize = 500;

/// The values of `--app-id`, `--app-key` and `--app-secret` or their variables. Without any of
/// them, the command works on the only app in the store.
pub(super) struct AppSelector {
    ident: Option<String>,
    key: Option<String>,
    secret: Option<Secret>,
    /// See [`AppCredentials::pusher_clients`].
    pusher_clients: bool,
}

/// The credentials of an app, for logging in and signing.
#[derive(Debug)]
pub(super) struct AppCredentials {
    pub ident: String,
    pub key: String,
    pub secret: Secret,
    /// The credentials come from variables of another server, whose clients speak the Pusher protocol.
    pub pusher_clients: bool,
}

impl AppSelector {
    pub(super) fn of(raw: &Raw) -> Self {
        // The key and the secret as they are: another program does not trim them either.
        let get = |variable: &Variable| raw.get(variable).map(str::to_owned);
        let [ident, key, secret] = app_variables(raw);
        Self {
            pusher_clients: ident != PUSHI_APP_ID,
            ident: get(&ident).map(|ident| ident.trim().to_owned()),
            key: get(&key),
            secret: get(&secret).map(Secret::new),
        }
    }

    /// The credentials, if all of them are given.
    pub(super) fn given(&self) -> Option<AppCredentials> {
        Some(AppCredentials {
            ident: self.ident.clone()?,
            key: self.key.clone()?,
            secret: self.secret.clone()?,
            pusher_clients: self.pusher_clients,
        })
    }

    /// Returns the credentials. Opens the store only if some of them are not given.
    pub(super) async fn credentials(self, settings: &Settings) -> Result<AppCredentials, CliError> {
        if let Some(given) = self.given() {
            return Ok(given);
        }
        let app = with_service(settings, async |service| self.find(&service).await).await?;
        let secret = self.secret.unwrap_or_else(|| app.secret.clone());
        Ok(AppCredentials {
            ident: app.ident.to_string(),
            key: app.key.clone(),
            secret,
            pusher_clients: self.pusher_clients,
        })
    }

    /// Finds the app in the store.
    pub(super) async fn find(&self, service: &Service) -> Result<Arc<App>, CliError> {
        if let Some(ident) = &self.ident {
            return find_app(service, ident).await;
        }
        let mut matching = list_apps(service).await?;
        matching.retain(|app| self.key.as_ref().is_none_or(|key| *key == app.key));
        match (matching.pop(), matching.len()) {
            (Some(only), 0) => Ok(Arc::new(only)),
            (None, _) if self.key.is_some() => Err(CliError::command(
                "no app has the key of --app-key: see pushi app list",
            )),
            (None, _) => Err(CliError::command(
                "the store has no app: create one with pushi app create --name NAME",
            )),
            (Some(_), _) => Err(CliError::command(
                "the store has several apps: select one with --app-id (see pushi app list)",
            )),
        }
    }
}

pub(super) async fn find_app(service: &Service, ident: &str) -> Result<Arc<App>, CliError> {
    let ident = AppIdent::parse(ident).map_err(CliError::command)?;
    service
        .app(&ident)
        .await
        .map_err(|error| CliError::Command(format!("{ident}: {error}")))
}

/// Lists all apps in the order of their creation.
pub(super) async fn list_apps(service: &Service) -> Result<Vec<App>, CliError> {
    let mut apps: Vec<App> = Vec::new();
    loop {
        let page = service
            .apps(apps.last().map_or(0, |app| app.id), PAGE)
            .await
            .map_err(CliError::command)?;
        let is_last = page.len() < PAGE;
        apps.extend(page);
        if is_last {
            return Ok(apps);
        }
    }
}
