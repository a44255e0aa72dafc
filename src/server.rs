//! The composition root: builds the server from the settings, runs it, and stops it.

mod deadline;
mod nodes;
mod open;
mod rules;
mod senders;
mod tasks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use poem::{Endpoint, EndpointExt};
use tokio::time::{sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::deadline::{StopDeadline, close_sessions};
use self::nodes::NodeWiring;
pub use self::nodes::check_bus;
pub use self::open::open_stores;
use self::open::{StartAttempts, configure_app};
use self::rules::{rules, websocket_address};
use self::tasks::Tasks;
use crate::config::Settings;
use crate::core::auth::{RandomError, random_53_bits};
use crate::core::error::StorageError;
use crate::core::hub::Hub;
use crate::core::ports::{Clock, Metrics, Stores};
use crate::core::service::bootstrap::{self, BootstrapError, FirstApp};
use crate::core::service::{AppError, Ports, Service};
use crate::inbound::listen::{
    self, BoundListener, Handlers, HttpConnections, IoUringWriter, ListenerRole, TlsSource,
    TrustedProxies,
};
use crate::inbound::rest::{self, DemoApp, RestRules};
use crate::inbound::stream::StreamRequests;
use crate::inbound::websocket::{
    self, Gateway, KeepaliveTiming, TokioFlushScheduler, WebSocketUpgrades,
};
use crate::inbound::wire::{event_json, event_push_content, read_further_members};
use crate::outbound::clock::SystemClock;
use crate::outbound::jwt::JwtTokens;
use crate::outbound::message_format::OriginalFormat;
use crate::outbound::metrics::{MetricsError, PrometheusMetrics, instrument};
use crate::outbound::net::address_filter::is_public;
use crate::outbound::redis::RedisTargetError;
use crate::outbound::storage::OpenError;

/// Why the server does not start; one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The bus's URL cannot be used.
    #[error("{0} cannot be used: {1}")]
    Bus(&'static str, RedisTargetError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store failed after it was opened.
    #[error("the store failed: {}", .0.chain())]
    Storage(#[from] StorageError),
    /// The configured app cannot be created or updated.
    #[error("the app of PUSHI_APP_ID cannot be set up: {0}")]
    App(#[from] AppError),
    /// The first app cannot be created.
    #[error("the first app cannot be set up: {0}")]
    FirstApp(#[from] BootstrapError),
    /// Two metrics have one name.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] MetricsError),
    /// The operating system provides no random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// A bound listener, and what it serves.
pub struct Listening {
    /// The bound socket.
    pub bound: BoundListener,
    /// Whether it serves the API, WebSocket clients, or both.
    pub role: ListenerRole,
    /// The certificate; `None`: without TLS.
    pub tls: Option<TlsSource>,
}

/// A server before it listens.
pub struct Server {
    stores: Stores,
    wiring: NodeWiring,
    service: Arc<Service>,
    metrics: Arc<PrometheusMetrics>,
    gateway: Arc<Gateway>,
    handlers: Arc<Handlers>,
    ready: Arc<AtomicBool>,
    drain: Duration,
    store_timeout: Duration,
}

impl Server {
    /// Opens the store, builds the server, and creates or updates the configured app.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn open(settings: &Settings) -> Result<Self, StartError> {
        let process = random_53_bits()?;
        let stores = open_stores(&settings.store).await?;
        let prometheus = Arc::new(PrometheusMetrics::new()?);
        let metrics: Arc<dyn Metrics> = prometheus.clone();
        let (pool, timeout) = (settings.store.pool, settings.store.timeout);
        let stores = instrument(&stores, &metrics, pool, timeout);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let flush = TokioFlushScheduler::new(Arc::new(IoUringWriter), Arc::clone(&metrics));
        let hub = Arc::new(
            Hub::new(process, websocket::dialects(), metrics).with_flush_scheduler(Arc::new(flush)),
        );
        let wiring = NodeWiring::open(settings, process, &stores, &hub)?;
        let (notifier, senders) = senders::open(settings);
        let ports = Ports {
            stores: stores.clone(),
            nodes: wiring.nodes().clone(),
            notifier,
            senders,
            format: Arc::new(OriginalFormat),
            render_event: event_json,
            read_extra: read_further_members,
            read_event_push: event_push_content,
            tokens: Arc::new(JwtTokens::new()),
            clock: Arc::clone(&clock),
        };
        let service = Arc::new(Service::new(ports, rules(settings), hub)?);
        wiring.set_sink(&service);
        if let Some(app) = &settings.access.app {
            StartAttempts::new(timeout)
                .repeat(|| configure_app(&service, app))
                .await?;
        }
        let ready = Arc::new(AtomicBool::new(true));
        let timing = KeepaliveTiming {
            activity: settings.times.activity,
            idle: settings.times.idle.unwrap_or_default(),
            answer: settings.times.answer,
        };
        let gateway = Arc::new(Gateway::new(Arc::clone(&service), clock, timing));
        let handlers = Arc::new(Handlers {
            upgrades: Arc::new(WebSocketUpgrades::new(Arc::clone(&gateway))),
            streams: Arc::new(StreamRequests::new(
                Arc::clone(&gateway),
                settings.listen.path_prefix.clone(),
            )),
            endpoint: corked(
                rest::endpoint(Arc::clone(&service), rest_rules(settings, &ready), {
                    let metrics = Arc::clone(&prometheus);
                    Box::new(move |gauges| metrics.render(gauges))
                }),
                service.hub(),
            ),
            proxies: TrustedProxies::new(settings.listen.trusted_proxies.clone()),
            http_connections: Arc::new(HttpConnections::new(
                settings.limits.http_connections,
                settings.limits.http_connections_per_address,
                prometheus.clone(),
            )),
            handshakes: Arc::new(HttpConnections::handshakes(prometheus.clone())),
            handshake_timeout: settings.times.handshake,
            http_idle_timeout: Handlers::DEFAULT_HTTP_IDLE_TIMEOUT,
            body_timeout: settings.times.body,
            dropped_body_bytes: match settings.limits.body_bytes {
                0 => Handlers::DEFAULT_DROPPED_BODY_BYTES,
                limit => limit,
            },
            drain_timeout: settings.times.drain + StopDeadline::LAST_BYTES,
            sessions: TaskTracker::new(),
        });
        Ok(Self {
            stores,
            wiring,
            service,
            metrics: prometheus,
            gateway,
            handlers,
            ready,
            drain: settings.times.drain,
            store_timeout: timeout,
        })
    }

    /// The use cases, for calls within the process.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The metrics of this server, without the gauges of [`Service::gauges`].
    pub fn metrics(&self) -> &Arc<PrometheusMetrics> {
        &self.metrics
    }

    /// Creates the app `default` in a database without apps, with a session token; `None`: there are apps.
    ///
    /// # Errors
    /// Fails where the store does, or the operating system provides no random numbers.
    pub async fn first_app(&self) -> Result<Option<FirstApp>, StartError> {
        let ident = bootstrap::random_ident()?;
        StartAttempts::new(self.store_timeout)
            .repeat(async || Ok(bootstrap::first_app(&self.service, &ident).await?))
            .await
    }

    /// Serves until `stop`, then drains. When it returns, all connections are closed and all acknowledged events are stored.
    /// It returns within the drain time and one second (see `StopDeadline`); what that cuts off is logged.
    pub async fn serve(self, listeners: Vec<Listening>, stop: CancellationToken) {
        // Cancelled after the last session, whose events the parts still have to process.
        let parts_stop = CancellationToken::new();
        // Cancelled at the same time, or at the end of the drain time.
        let sender_stop = CancellationToken::new();
        let tasks = Tasks::new(Arc::clone(self.service.hub()));
        // Cancelled after the parts, because the append queue publishes its last events on the bus.
        let bus_stop = CancellationToken::new();
        let bus_tasks = Tasks::new(Arc::clone(self.service.hub()));
        self.wiring.run(self.service.hub(), &bus_tasks, &bus_stop);
        let gateway = Arc::clone(&self.gateway);
        let parts = self.service.parts().clone();
        tasks.spawn(&parts_stop, "append queue", |stop| async move {
            parts.appends.run(stop).await
        });
        tasks.spawn(&parts_stop, "member changes", |stop| async move {
            parts.member_changes.run(stop).await
        });
        tasks.spawn(&parts_stop, "keepalive", |stop| async move {
            gateway.keep_alive(stop).await
        });
        tasks.spawn(&parts_stop, "webhook queue", |stop| async move {
            parts.webhooks.run(stop).await
        });
        tasks.spawn(&sender_stop, "webhook sender", |stop| async move {
            parts.sender.run(stop).await
        });
        tasks.spawn(&parts_stop, "notification queue", |stop| async move {
            parts.expander.run(stop).await
        });
        tasks.spawn(&sender_stop, "notification sender", |stop| async move {
            parts.notification_sender.run(stop).await
        });
        tasks.spawn(&stop, "row publisher", |stop| async move {
            parts.rows.run(stop).await
        });
        tasks.spawn(&stop, "webhook reconciler", |stop| async move {
            parts.reconciler.run(stop).await
        });
        tasks.spawn(&stop, "samples", |stop| async move {
            parts.samples.run(stop).await
        });
        tasks.spawn(&stop, "app cache", |stop| async move {
            parts.apps.run(stop).await
        });
        tasks.spawn(&stop, "retention", |stop| async move {
            parts.retention.run(stop).await
        });

        let acceptors = TaskTracker::new();
        for Listening { bound, role, tls } in listeners {
            let handlers = Arc::clone(&self.handlers);
            acceptors.spawn(listen::serve(bound, role, tls, handlers, stop.clone()));
        }
        stop.cancelled().await;
        let deadline = StopDeadline::begin(self.drain);
        self.ready.store(false, Ordering::Relaxed);
        self.gateway.stop();
        acceptors.close();
        let cut_off = async {
            sleep_until(deadline.drained()).await;
            sender_stop.cancel();
            sleep_until(deadline.last_bytes()).await;
            let sessions = self.handlers.sessions.len();
            if sessions > 0 {
                tracing::warn!(
                    sessions,
                    "WebSocket connections and streams cut off by the end of the drain time"
                );
            }
            self.gateway.cut_off();
            std::future::pending().await
        };
        let connections = async {
            close_sessions(self.service.hub(), self.drain).await;
            acceptors.wait().await;
            self.handlers.sessions.close();
            self.handlers.sessions.wait().await;
        };
        tokio::select! {
            () = connections => {}
            () = cut_off => {}
            () = sleep_until(deadline.sessions()) => {
                let (sessions, listeners) = (self.handlers.sessions.len(), acceptors.len());
                tracing::warn!(sessions, listeners, "connections that wait for the store or the bus not awaited");
            }
        }
        sender_stop.cancel();
        parts_stop.cancel();
        tasks.wait(deadline.tasks()).await;
        bus_stop.cancel();
        bus_tasks.wait(deadline.bus()).await;
        if timeout_at(deadline.store(), self.close()).await.is_err() {
            tracing::warn!("closing the store cut off by the end of the drain time");
        }
    }

    /// Closes the store. For a server that does not serve; [`Server::serve`] does it itself.
    pub async fn close(self) {
        self.stores.database.close().await;
    }
}

/// Polls requests corked: frames that a request publishes are written at the end of a poll (see [`Hub::cork`]).
fn corked<E: Endpoint<Output = poem::Response> + 'static>(
    endpoint: E,
    hub: &Arc<Hub>,
) -> BoxEndpoint<'static> {
    let hub = Arc::clone(hub);
    let call =
        move |endpoint: Arc<E>, request| hub.cork(async move { endpoint.call(request).await });
    endpoint.around(call).boxed()
}

fn rest_rules(settings: &Settings, ready: &Arc<AtomicBool>) -> RestRules {
    RestRules {
        admin_token: settings.access.admin_token.clone(),
        open_registration: settings.access.open_registration,
        allowed_origins: settings.access.allowed_origins.clone(),
        websocket_address: websocket_address(&settings.listen),
        ready: Arc::clone(ready),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        path_prefix: settings.listen.path_prefix.clone(),
        console: settings.access.console,
        insecure_console: settings.access.insecure_console,
        is_public: match settings.webhooks.allow_private {
            true => None,
            false => Some(is_public),
        },
        demo: settings.access.demo.then(|| {
            settings
                .access
                .app
                .as_ref()
                .map_or(DemoApp::Only, |app| DemoApp::Named {
                    ident: app.ident.clone(),
                    pusher_clients: app.pusher_clients,
                })
        }),
    }
}
