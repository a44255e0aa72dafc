//! `pushi serve`: the server.

use std::io::Write;

use tokio_util::sync::CancellationToken;

use super::address::{api_url, socket_url};
use super::failure::Failure;
use super::log::Log;
use super::signals::Signals;
use super::welcome::{Addresses, welcome};
use super::workbench::open;
use crate::config::{
    DotEnv, Listener, Raw, Resolved, Settings, environment_warnings, resolve, variables,
};
use crate::inbound::listen::{ListenerRole, TlsFiles, TlsSource, bind};
use crate::server::Listening;

/// Run the server
#[derive(clap::Args)]
pub struct Serve {
    #[command(flatten)]
    raw: Raw,
}

impl Serve {
    /// Returns when the server has drained after a signal.
    pub async fn run(self, dotenv: DotEnv) -> Result<String, Failure> {
        let Resolved { settings, notices } = resolve(&self.raw)?;
        let log = Log::begin(&settings.log)?;
        for line in notices.into_iter().chain(environment_warnings()) {
            tracing::warn!("{line}");
        }
        // Before anything opens a file: what has been bound must be able to accept.
        let files = rlimit::increase_nofile_limit(u64::MAX);
        // Addresses first: where another server runs already, its database is left alone.
        let (listeners, addresses) = listen(&settings).await?;
        let server = open(&settings).await?;
        let mut signals = Signals::take().map_err(Failure::start)?;
        let first = if settings.access.needs_first_app() {
            server.first_app().await.map_err(Failure::start)?
        } else {
            None
        };
        tracing::info!(
            "pushi {}, with {}",
            env!("CARGO_PKG_VERSION"),
            settings.store.url.describe()
        );
        match files {
            Ok(most) => tracing::info!("at most {most} files and connections may be open"),
            Err(error) => tracing::warn!("the limit of open files cannot be raised: {error}"),
        }
        tracing::info!(
            "REST API at {}, documentation at {}/docs",
            addresses.api,
            addresses.api
        );
        tracing::info!("WebSocket at {}/<app key>", addresses.sockets);
        if settings.access.demo {
            let page = format_args!("{}/examples/chat.html", addresses.api);
            tracing::warn!(
                "PUSHI_DEMO=1: whoever asks may subscribe under any name; the page to try is {page}"
            );
        }
        if let Some(first) = first {
            // Where nobody reads it the server serves all the same.
            let _ = write!(
                std::io::stdout(),
                "{}",
                welcome(&first.app, &addresses, &first.token.text)
            );
        }

        let tls: Vec<TlsSource> = listeners
            .iter()
            .filter_map(|listening| listening.tls.clone())
            .collect();
        let filter = Filter {
            dotenv,
            typed: typed_filter(&self.raw),
        };
        let stop = CancellationToken::new();
        tokio::select! {
            () = server.serve(listeners, stop.clone()) => Ok(String::new()),
            () = signals.obey(&stop, || reload(&tls, &log, &filter)) => Err(Failure::command("a second signal: ended at once")),
        }
    }
}

/// Binds every address, and reads the certificates.
async fn listen(settings: &Settings) -> Result<(Vec<Listening>, Addresses), Failure> {
    let first = take(&settings.listen.api, ListenerRole::Api).await?;
    let api = api_url(&settings.listen.api, first.bound.local_addr().port());
    let Some(second) = &settings.listen.server else {
        let sockets = socket_url(&settings.listen.api, first.bound.local_addr().port());
        return Ok((vec![first], Addresses { api, sockets }));
    };
    let listening = take(second, ListenerRole::Server).await?;
    let sockets = socket_url(second, listening.bound.local_addr().port());
    Ok((vec![first, listening], Addresses { api, sockets }))
}

async fn take(listener: &Listener, role: ListenerRole) -> Result<Listening, Failure> {
    let tls = tls_source(listener)?;
    let (host, port) = (listener.source.host.name, listener.source.port.name);
    let bound = bind(&listener.host, listener.port).await;
    let bound = bound.map_err(|error| Failure::Start(format!("{host}, {port}: {error}")))?;
    Ok(Listening { bound, role, tls })
}

/// The certificate that a listener is configured with; `None`: it is plain.
pub fn tls_source(listener: &Listener) -> Result<Option<TlsSource>, Failure> {
    let Some(files) = &listener.tls else {
        return Ok(None);
    };
    let files = TlsFiles {
        key: files.key.clone(),
        cer: files.cer.clone(),
    };
    let (key, cer) = (listener.source.key.name, listener.source.cer.name);
    TlsSource::load(files)
        .map(Some)
        .map_err(|error| Failure::Start(format!("{key}, {cer}: {error}")))
}

/// Where the log's filter comes from.
struct Filter {
    dotenv: DotEnv,
    /// As a flag, which does not change while the process runs.
    typed: bool,
}

/// Whether the filter was given as a flag, not by the environment.
fn typed_filter(raw: &Raw) -> bool {
    let name = variables::RUST_LOG.name;
    raw.get(&variables::RUST_LOG)
        .is_some_and(|filter| std::env::var(name).ok().as_deref() != Some(filter))
}

/// Reads again what can change while the server runs: certificates, and `RUST_LOG` in `.env`.
fn reload(tls: &[TlsSource], log: &Log, filter: &Filter) {
    for source in tls {
        match source.reload() {
            Ok(()) => tracing::info!("a certificate was read again"),
            Err(error) => {
                tracing::warn!("a certificate cannot be used, the one before stays: {error}")
            }
        }
    }
    if filter.typed {
        return;
    }
    let name = variables::RUST_LOG.name;
    let followed = filter
        .dotenv
        .current_value(name)
        .map_err(Failure::from)
        .and_then(|text| {
            let text = text
                .filter(|text| !text.trim().is_empty())
                .unwrap_or_else(|| variables::RUST_LOG.default.to_owned());
            log.follow(&text).map(|()| text)
        });
    match followed {
        Ok(text) => tracing::info!("the log follows {name}={text}"),
        Err(failure) => tracing::warn!("the log goes on as it was: {failure}"),
    }
}
