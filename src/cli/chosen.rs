//! Which app a command is about.

use std::sync::Arc;

use super::failure::Failure;
use super::workbench::work;
use crate::config::{Raw, Settings, Variable, app_variables};
use crate::core::model::{App, AppIdent, Secret};
use crate::core::service::Service;

/// How many apps are read at a time.
const PAGE: usize = 500;

/// What `--app-id`, `--app-key` and `--app-secret` (or their variables) say; with none of them it is the only app there is.
pub struct Chosen {
    ident: Option<String>,
    key: Option<String>,
    secret: Option<Secret>,
}

/// What logs in and signs.
#[derive(Debug)]
pub struct Credentials {
    pub ident: String,
    pub key: String,
    pub secret: Secret,
}

impl Chosen {
    pub fn of(raw: &Raw) -> Self {
        let get = |variable: &Variable| raw.get(variable).map(|text| text.trim().to_owned());
        let [ident, key, secret] = app_variables(raw);
        Self {
            ident: get(&ident),
            key: get(&key),
            secret: get(&secret).map(Secret::new),
        }
    }

    /// The credentials; what was not given comes from the store.
    pub async fn credentials(self, settings: &Settings) -> Result<Credentials, Failure> {
        if let Self {
            ident: Some(ident),
            key: Some(key),
            secret: Some(secret),
        } = self
        {
            return Ok(Credentials { ident, key, secret });
        }
        let app = work(settings, async |service| self.app(&service).await).await?;
        let secret = self.secret.unwrap_or_else(|| app.secret.clone());
        Ok(Credentials {
            ident: app.ident.to_string(),
            key: app.key.clone(),
            secret,
        })
    }

    /// The app in the store.
    pub async fn app(&self, service: &Service) -> Result<Arc<App>, Failure> {
        if let Some(ident) = &self.ident {
            return app(service, ident).await;
        }
        let mut fitting = all_apps(service).await?;
        fitting.retain(|app| self.key.as_ref().is_none_or(|key| *key == app.key));
        match (fitting.pop(), fitting.len()) {
            (Some(only), 0) => Ok(Arc::new(only)),
            (None, _) if self.key.is_some() => Err(Failure::command(
                "no app has the key that --app-key says: see pushi app list",
            )),
            (None, _) => Err(Failure::command(
                "there is no app: make one with pushi app create --name NAME",
            )),
            (Some(_), _) => Err(Failure::command(
                "there are several apps: choose one with --app-id (pushi app list shows them)",
            )),
        }
    }
}

/// The app with this identifier.
pub async fn app(service: &Service, ident: &str) -> Result<Arc<App>, Failure> {
    let ident = AppIdent::parse(ident).map_err(Failure::command)?;
    service
        .app(&ident)
        .await
        .map_err(|error| Failure::Command(format!("{ident}: {error}")))
}

/// All apps, in the order in which they were made.
pub async fn all_apps(service: &Service) -> Result<Vec<App>, Failure> {
    let mut apps: Vec<App> = Vec::new();
    loop {
        let page = service
            .apps(apps.last().map_or(0, |app| app.id), PAGE)
            .await
            .map_err(Failure::command)?;
        let whole = page.len() < PAGE;
        apps.extend(page);
        if whole {
            return Ok(apps);
        }
    }
}
