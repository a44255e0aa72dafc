//! `pushi serve`: runs the server.

use std::io::Write;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::address::{api_url, socket_url};
use super::context::open_server;
use super::error::CliError;
use super::log::LogHandle;
use super::signals::Signals;
use super::welcome::{ServerUrls, program, welcome};
use crate::config::{
    DotEnv, Listener, Raw, Resolved, Settings, environment_warnings, resolve, variables,
};
use crate::inbound::listen::{ListenerRole, TlsFiles, TlsSource, bind};
use crate::server::Listening;

/// Run the server
#[derive(clap::Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    raw: Raw,
}

impl ServeArgs {
    /// Runs the server until a signal has stopped it and all connections are drained.
    pub(super) async fn run(self, dotenv: DotEnv) -> Result<String, CliError> {
        let Resolved { settings, notices } = resolve(&self.raw)?;
        let log = LogHandle::init(&settings.log)?;
        for line in notices.into_iter().chain(environment_warnings()) {
            tracing::warn!("{line}");
        }
        // Before any file or socket is opened, so that the listeners are not limited by the soft
        // limit.
        let file_limit = rlimit::increase_nofile_limit(u64::MAX);
        // Bind before opening the store: if another server uses the addresses, its database is not
        // touched.
        let (listeners, urls) = bind_all(&settings).await?;
        let server = open_server(&settings).await?;
        let mut signals = Signals::install().map_err(CliError::start)?;
        let first_app = if settings.access.needs_first_app() {
            server.first_app().await.map_err(CliError::start)?
        } else {
            None
        };
        log_start(&settings, &urls, file_limit);
        if let Some(first) = first_app {
            // A closed standard output must not stop the server.
            let _ = write!(
                std::io::stdout(),
                "{}",
                welcome(&first.app, &urls, &program(), &first.token.text)
            );
        }

        // Beside the start, which does not wait for it.
        let service = Arc::clone(server.service());
        tokio::spawn(async move {
            match service.short_secrets().await {
                Ok(short) if !short.is_empty() => tracing::warn!("{short}"),
                _ => {}
            }
        });
        let tls: Vec<TlsSource> = listeners
            .iter()
            .filter_map(|listening| listening.tls.clone())
            .collect();
        let filter = FilterSource {
            dotenv,
            is_flag: filter_is_flag(&self.raw),
        };
        let stop = CancellationToken::new();
        tokio::select! {
            () = server.serve(listeners, stop.clone()) => Ok(String::new()),
            () = signals.handle(&stop, || reload(&tls, &log, &filter)) => {
                Err(CliError::command("stopped before draining ended, because of a second signal"))
            }
        }
    }
}

fn log_start(settings: &Settings, urls: &ServerUrls, file_limit: std::io::Result<u64>) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, store = %settings.store.url.describe(), "pushi starting");
    match file_limit {
        Ok(limit) => tracing::info!(limit, "open file limit"),
        Err(error) => tracing::warn!(%error, "open file limit cannot be raised"),
    }
    let ServerUrls { api, websocket } = urls;
    tracing::info!(url = %api, docs = %format_args!("{api}/docs"), "rest api listening");
    tracing::info!(url = %format_args!("{websocket}/<app key>"), "websocket listening");
    if settings.access.demo {
        let page = format_args!("{api}/examples/chat.html");
        tracing::warn!(%page, "PUSHI_DEMO=1: clients can subscribe under any user name without authentication");
    }
}

/// Binds all listeners and loads their certificates.
async fn bind_all(settings: &Settings) -> Result<(Vec<Listening>, ServerUrls), CliError> {
    let first = bind_listener(&settings.listen.api, ListenerRole::Api).await?;
    let api = api_url(&settings.listen.api, first.bound.local_addr().port());
    let Some(listener) = &settings.listen.server else {
        let websocket = socket_url(&settings.listen.api, first.bound.local_addr().port());
        return Ok((vec![first], ServerUrls { api, websocket }));
    };
    let second = bind_listener(listener, ListenerRole::Server).await?;
    let websocket = socket_url(listener, second.bound.local_addr().port());
    Ok((vec![first, second], ServerUrls { api, websocket }))
}

async fn bind_listener(listener: &Listener, role: ListenerRole) -> Result<Listening, CliError> {
    let tls = tls_source(listener)?;
    let (host, port) = (listener.source.host.name, listener.source.port.name);
    let bound = bind(&listener.host, listener.port).await;
    let bound = bound.map_err(|error| CliError::Start(format!("{host}, {port}: {error}")))?;
    Ok(Listening { bound, role, tls })
}

/// Loads the certificate of a listener; `None` if it does not use TLS.
pub(super) fn tls_source(listener: &Listener) -> Result<Option<TlsSource>, CliError> {
    let Some(tls) = &listener.tls else {
        return Ok(None);
    };
    let files = TlsFiles {
        key: tls.key.clone(),
        cer: tls.cer.clone(),
    };
    let (key, cer) = (listener.source.key.name, listener.source.cer.name);
    TlsSource::load(files)
        .map(Some)
        .map_err(|error| CliError::Start(format!("{key}, {cer}: {error}")))
}

/// Where the log filter comes from.
struct FilterSource {
    dotenv: DotEnv,
    /// The filter was given as a flag, which cannot change while the process runs.
    is_flag: bool,
}

/// Whether the log filter was given as a flag instead of by the environment.
fn filter_is_flag(raw: &Raw) -> bool {
    let name = variables::RUST_LOG.name;
    raw.get(&variables::RUST_LOG)
        .is_some_and(|filter| std::env::var(name).ok().as_deref() != Some(filter))
}

/// Reloads the certificates, and the log filter from `.env`.
fn reload(tls: &[TlsSource], log: &LogHandle, filter: &FilterSource) {
    for source in tls {
        match source.reload() {
            Ok(()) => tracing::info!("certificate reloaded"),
            Err(error) => {
                tracing::warn!(%error, "certificate not reloaded, the previous one stays in use")
            }
        }
    }
    if filter.is_flag {
        return;
    }
    let reloaded = filter
        .dotenv
        .current_value(variables::RUST_LOG.name)
        .map_err(CliError::from)
        .and_then(|text| {
            let text = text
                .filter(|text| !text.trim().is_empty())
                .unwrap_or_else(|| variables::RUST_LOG.default.to_owned());
            log.set_filter(&text).map(|()| text)
        });
    match reloaded {
        Ok(filter) => tracing::info!(%filter, "log filter reloaded"),
        Err(error) => {
            tracing::warn!(%error, "log filter not reloaded, the previous one stays in use")
        }
    }
}
