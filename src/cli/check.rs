//! `pushi check`: looks at the configuration and at what it names, without serving.

use std::path::Path;

use serde_json::json;

use super::address::{api_url, socket_url};
use super::chosen::all_apps;
use super::failure::Failure;
use super::serve::tls_source;
use super::workbench::{begin_log, work};
use crate::config::{Raw, Resolved, Settings, StoreUrl, environment_warnings, resolve};
use crate::server::look_at_bus;

/// Read the configuration, connect to what it names, and say what was found
///
/// It ends with 0 where a start would succeed as far as can be seen without serving, else with the line that the start
/// would end with.
#[derive(clap::Args)]
pub struct Check {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    raw: Raw,
}

impl Check {
    pub async fn run(self) -> Result<String, Failure> {
        let Resolved {
            settings,
            mut notices,
        } = resolve(&self.raw)?;
        begin_log(&self.raw, &settings.log)?;
        notices.extend(environment_warnings());
        let server = settings.listen.server.as_ref();
        for listener in std::iter::once(&settings.listen.api).chain(server) {
            tls_source(listener)?;
        }
        let store = store(&settings).await?;
        let bus = bus(&settings).await?;
        let api = api_url(&settings.listen.api, settings.listen.api.port);
        let sockets = server.unwrap_or(&settings.listen.api);
        let sockets = socket_url(sockets, sockets.port);
        if self.json {
            let found = json!({"result": "success", "store": store, "bus": bus, "api": api, "websocket": sockets, "notices": notices});
            return Ok(found.to_string());
        }
        let bus = bus.map(|bus| format!("bus        {bus}"));
        let lines = [format!("store      {store}")].into_iter().chain(bus);
        let lines = lines.chain([format!("REST API   {api}"), format!("WebSocket  {sockets}")]);
        let notices = notices
            .into_iter()
            .map(|notice| format!("notice     {notice}"));
        Ok(lines.chain(notices).collect::<Vec<_>>().join("\n"))
    }
}

/// What the store is like. A file that is not there is not made.
async fn store(settings: &Settings) -> Result<String, Failure> {
    let name = settings.store.url.describe();
    match &settings.store.url {
        StoreUrl::SqliteMemory => return Ok(name),
        StoreUrl::Sqlite { path } if !Path::new(path).exists() => {
            return Ok(format!("{name}, which the first start will make"));
        }
        _ => {}
    }
    let apps = work(settings, async |service| all_apps(&service).await).await?;
    Ok(format!(
        "{name}, with {} {}",
        apps.len(),
        if apps.len() == 1 { "app" } else { "apps" }
    ))
}

/// Where the nodes meet; `None`: this one is alone. A node starts, and serves, without it.
async fn bus(settings: &Settings) -> Result<Option<String>, Failure> {
    let Some((name, found)) = look_at_bus(settings).await.map_err(Failure::start)? else {
        return Ok(None);
    };
    Ok(Some(match found {
        Ok(()) => format!("Redis at {name}"),
        Err(error) => format!("Redis at {name}, which cannot be reached: {error}"),
    }))
}
