//! `pushi check`: validates the configuration and tests what it names, without serving.

use std::net::IpAddr;
use std::path::Path;

use serde_json::json;

use super::address::{api_url, socket_url};
use super::app_selector::list_apps;
use super::context::{init_log, with_service};
use super::error::CliError;
use super::output::OutputArgs;
use super::serve::tls_source;
use crate::config::{Resolved, Settings, StoreUrl, environment_warnings, resolve};
use crate::core::service::ShortSecrets;
use crate::server;

/// Check the configuration and the connections to the database and the bus
///
/// Exits with 0 if a start would succeed, as far as this can be tested without serving. Otherwise
/// prints the error that the start would end with.
#[derive(clap::Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    output: OutputArgs,
}

impl CheckArgs {
    pub(super) async fn run(self) -> Result<String, CliError> {
        let raw = &self.output.raw;
        let Resolved {
            settings,
            mut notices,
        } = resolve(raw)?;
        init_log(raw, &settings.log)?;
        notices.extend(environment_warnings());
        notices.extend(proxy_notice(&settings));
        notices.extend(mail_notice(&settings));
        let server = settings.listen.server.as_ref();
        for listener in std::iter::once(&settings.listen.api).chain(server) {
            tls_source(listener)?;
        }
        let (store, short) = check_store(&settings).await?;
        if !short.is_empty() {
            notices.push(short.to_string());
        }
        let bus = check_bus(&settings).await?;
        let api = api_url(&settings.listen.api, settings.listen.api.port);
        let listener = server.unwrap_or(&settings.listen.api);
        let websocket = socket_url(listener, listener.port);
        let result = json!({
            "result": "success",
            "store": store,
            "bus": bus,
            "api": api,
            "websocket": websocket,
            "notices": notices,
        });
        Ok(self.output.format(&result, |_| {
            let bus = bus.map(|bus| format!("bus        {bus}"));
            let lines = [format!("store      {store}")].into_iter().chain(bus);
            let lines = lines.chain([
                format!("REST API   {api}"),
                format!("WebSocket  {websocket}"),
            ]);
            let notices = notices.iter().map(|notice| format!("notice     {notice}"));
            lines.chain(notices).collect::<Vec<_>>().join("\n")
        }))
    }
}

/// A notice where a proxy on this machine is likely: it connects from a loopback address, which is
/// trusted, or pages of other hosts use a server that is only reachable from this machine.
fn proxy_notice(settings: &Settings) -> Option<String> {
    let listen = &settings.listen;
    let is_loopback = |host: &str| {
        let address: Option<IpAddr> = host.parse().ok();
        address.map_or(host == "localhost", |address| address.is_loopback())
    };
    let trusted = listen
        .trusted_proxies
        .iter()
        .any(|network| network.addr().is_loopback());
    let hidden = is_loopback(&listen.api.host);
    let public = !listen.trusted_proxies.is_empty()
        || settings.access.allowed_origins.iter().any(|origin| {
            let host = origin.split("://").nth(1).unwrap_or_default();
            !host.is_empty() && !is_loopback(host.split(':').next().unwrap_or_default())
        });
    (trusted || hidden && public).then(|| {
        "a proxy on this machine seems likely: let it add X-Forwarded-For to each request, and not pass on /metrics and /health/detailed, which need no token from this machine".to_owned()
    })
}

/// A notice where e-mails are sent without a link that ends a registration.
fn mail_notice(settings: &Settings) -> Option<String> {
    let notifications = &settings.notifications;
    (notifications.mail.is_some() && notifications.public_url.is_none())
        .then(|| "PUSHI_PUBLIC_URL is not set: e-mails have no List-Unsubscribe link".to_owned())
}

/// Opens the store, describes it, and finds the apps with a short secret. A missing SQLite file is not created.
async fn check_store(settings: &Settings) -> Result<(String, ShortSecrets), CliError> {
    let mut short = ShortSecrets::default();
    let name = settings.store.url.describe();
    match &settings.store.url {
        StoreUrl::SqliteMemory => return Ok((name, short)),
        StoreUrl::Sqlite { path } if !Path::new(path).exists() => {
            return Ok((format!("{name}, created by the first start"), short));
        }
        _ => {}
    }
    let apps = with_service(settings, async |service| list_apps(&service).await).await?;
    apps.iter().for_each(|app| short.add(app));
    let noun = if apps.len() == 1 { "app" } else { "apps" };
    Ok((format!("{name}, with {} {noun}", apps.len()), short))
}

/// Connects to the bus and describes it; `None`: single node. An unavailable bus is no error, since
/// a node starts without it.
async fn check_bus(settings: &Settings) -> Result<Option<String>, CliError> {
    let Some((name, connected)) = server::check_bus(settings).await.map_err(CliError::start)?
    else {
        return Ok(None);
    };
    Ok(Some(match connected {
        Ok(()) => format!("Redis at {name}"),
        Err(error) => format!("Redis at {name}, which cannot be reached: {error}"),
    }))
}
