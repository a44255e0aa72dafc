//! The composition root: from settings to a server that runs, and to one that has stopped.

mod nodes;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use poem::endpoint::BoxEndpoint;
use poem::{Endpoint, EndpointExt};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::nodes::NodeWiring;
pub use self::nodes::look as look_at_bus;
use crate::config::{AppOfStart, ListenSettings, Listener, Settings, StoreSettings, StoreUrl};
use crate::core::auth::{RandomError, random_53_bits};
use crate::core::error::StorageError;
use crate::core::hub::{CloseReason, Corked, FlushScheduler, Hub};
use crate::core::model::{App, NewApp};
use crate::core::ports::{Clock, Metrics, Stores};
use crate::core::service::{AppError, LoginError, Ports, Rules, Service, Token, WebhookRules};
use crate::inbound::listen::{self, Bound, ListenerRole, Rings, Site, TlsSource, TrustedProxies};
use crate::inbound::rest::{self, DemoApp, RestRules};
use crate::inbound::websocket::{self, Flush, Gateway, Timing, Upgrades};
use crate::outbound::clock::SystemClock;
use crate::outbound::metrics::{MetricsError, PrometheusMetrics, instrument};
use crate::outbound::redis::TargetError;
use crate::outbound::storage::OpenError;
use crate::outbound::storage::mongodb::{self, MongoOptions};
use crate::outbound::storage::sql::postgres::{self, PostgresOptions};
use crate::outbound::storage::sql::sqlite::{self, SqliteOptions};
use crate::outbound::webhook::WebhookSender;

/// Why the server does not start; one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The bus's URL cannot be used.
    #[error("{0} cannot be used: {1}")]
    Bus(&'static str, TargetError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store was opened, and then failed.
    #[error("the store failed: {}", .0.chain())]
    Storage(#[from] StorageError),
    /// The configured app cannot be created or updated.
    #[error("the app of PUSHI_APP_ID cannot be set up: {0}")]
    App(#[from] AppError),
    /// A token cannot be made.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Two metrics have one name.
    #[error("the metrics cannot be set up: {0}")]
    Metrics(#[from] MetricsError),
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// An address that is listened on.
pub struct Listening {
    /// The address.
    pub bound: Bound,
    /// Which of the two it is.
    pub role: ListenerRole,
    /// `None`: plain.
    pub tls: Option<TlsSource>,
}

/// The app that an empty database got, with a token that publishes to it.
pub struct FirstApp {
    /// The app.
    pub app: Arc<App>,
    /// A session token for it.
    pub token: Token,
}

/// Everything that a server is made of, before anybody is let in.
pub struct Server {
    stores: Stores,
    wiring: NodeWiring,
    service: Arc<Service>,
    metrics: Arc<PrometheusMetrics>,
    gateway: Arc<Gateway>,
    flusher: Arc<dyn FlushScheduler>,
    site: Arc<Site>,
    ready: Arc<AtomicBool>,
    drain: Duration,
}

/// Opens the store that the settings name.
pub async fn open_stores(settings: &StoreSettings) -> Result<Stores, StartError> {
    let sqlite = |path| SqliteOptions {
        path,
        timeout: settings.timeout,
        readers: settings.pool,
    };
    match &settings.url {
        StoreUrl::Sqlite { path } => Ok(sqlite::open(sqlite(Some(path.into()))).await?),
        StoreUrl::SqliteMemory => Ok(sqlite::open(sqlite(None)).await?),
        StoreUrl::Postgres(url) => Ok(postgres::open(PostgresOptions {
            url: url.clone(),
            timeout: settings.timeout,
            pool: settings.pool,
        })
        .await?),
        StoreUrl::Mongo { url, database } => {
            let (url, database) = (url.clone(), database.clone());
            Ok(mongodb::open(MongoOptions {
                url,
                database,
                timeout: settings.timeout,
                pool: settings.pool,
            })
            .await?)
        }
    }
}

impl Server {
    /// Opens the store and puts the parts together; the configured app is there afterwards.
    pub async fn open(settings: &Settings) -> Result<Self, StartError> {
        let process = random_53_bits()?;
        let stores = open_stores(&settings.store).await?;
        let prometheus = Arc::new(PrometheusMetrics::new()?);
        let metrics: Arc<dyn Metrics> = prometheus.clone();
        let stores = instrument(&stores, &metrics);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let hub = Arc::new(Hub::new(
            process,
            websocket::dialects(),
            Arc::clone(&metrics),
        ));
        let flusher: Arc<dyn FlushScheduler> =
            Arc::new(Flush::new(Arc::new(Rings), Arc::clone(hub.metrics())));
        let wiring = NodeWiring::open(settings, process, &stores, &hub, &flusher)?;
        let ports = Ports {
            stores: stores.clone(),
            nodes: wiring.nodes().clone(),
            notifier: Arc::new(WebhookSender::new(
                settings.webhooks.timeout,
                settings.webhooks.allow_private,
            )),
            clock: Arc::clone(&clock),
        };
        let service = Arc::new(Service::new(ports, rules(settings), hub)?);
        wiring.set_sink(&service);
        if let Some(app) = &settings.access.app {
            ensure_app(&service, app).await?;
        }
        let ready = Arc::new(AtomicBool::new(true));
        let timing = Timing {
            activity: settings.times.activity,
            idle: settings.times.idle.unwrap_or_default(),
        };
        let gateway = Arc::new(Gateway::new(Arc::clone(&service), clock, timing));
        let site = Arc::new(Site {
            sockets: Arc::new(Upgrades::new(Arc::clone(&gateway), Arc::clone(&flusher))),
            endpoint: corked(
                rest::endpoint(Arc::clone(&service), rest_rules(settings, &ready), {
                    let metrics = Arc::clone(&prometheus);
                    Box::new(move |gauges| metrics.render(gauges))
                }),
                &flusher,
            ),
            proxies: TrustedProxies::new(settings.listen.trusted_proxies.clone()),
            handshake: settings.times.handshake,
            http_idle: Site::HTTP_IDLE,
            drain: settings.times.drain,
            sessions: TaskTracker::new(),
        });
        Ok(Self {
            stores,
            wiring,
            service,
            metrics: prometheus,
            gateway,
            site,
            ready,
            drain: settings.times.drain,
            flusher,
        })
    }

    /// The use cases.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The metrics of this server, without the gauges of [`Service::gauges`].
    pub fn metrics(&self) -> &Arc<PrometheusMetrics> {
        &self.metrics
    }

    /// On a database without apps: creates the app `default`, and a token for it. `None`: there are apps.
    pub async fn first_app(&self) -> Result<Option<FirstApp>, StartError> {
        if !self.service.apps(0, 1).await?.is_empty() {
            return Ok(None);
        }
        let app = self
            .service
            .create_app(NewApp {
                name: "default".to_owned(),
                ..NewApp::default()
            })
            .await?;
        let token = self.service.make_token(&app.ident).await?;
        Ok(Some(FirstApp { app, token }))
    }

    /// Serves until `stop`, then drains; returns when everything is closed and what was accepted is stored.
    pub async fn serve(self, listeners: Vec<Listening>, stop: CancellationToken) {
        // What must outlive the sessions ends by this one.
        let last = CancellationToken::new();
        let background = TaskTracker::new();
        let bus = self.wiring.run();
        let spawn = |work: Work| drop(background.spawn(work));
        let writing = task(&self.service, &last, |service, stop| async move {
            service.write(stop.cancelled()).await
        });
        spawn(Box::pin(Corked::new(writing, Arc::clone(&self.flusher))));
        let announcing = task(&self.service, &last, |service, stop| async move {
            service.announce(stop.cancelled()).await
        });
        spawn(Box::pin(Corked::new(announcing, Arc::clone(&self.flusher))));
        spawn(task(&self.service, &stop, |service, stop| async move {
            service.retain(stop.cancelled()).await
        }));
        spawn(task(&self.service, &stop, |service, stop| async move {
            service.follow_apps(stop.cancelled()).await
        }));
        spawn(task(&self.gateway, &last, |gateway, stop| async move {
            gateway.keep_alive(stop.cancelled()).await
        }));
        spawn(task(&self.service, &last, |service, stop| async move {
            service.record(stop.cancelled()).await
        }));
        spawn(task(&self.service, &last, |service, stop| async move {
            service.deliver(stop.cancelled()).await
        }));
        spawn(task(&self.service, &stop, |service, stop| async move {
            service.review(stop.cancelled()).await
        }));

        let acceptors = TaskTracker::new();
        for Listening { bound, role, tls } in listeners {
            acceptors.spawn(listen::serve(
                bound,
                role,
                tls,
                Arc::clone(&self.site),
                stop.clone(),
            ));
        }
        stop.cancelled().await;
        self.ready.store(false, Ordering::Relaxed);
        self.gateway.stop();
        acceptors.close();
        self.close_sessions().await;
        acceptors.wait().await;
        self.site.sessions.close();
        self.site.sessions.wait().await;
        last.cancel();
        background.close();
        background.wait().await;
        // The writer's last events go out before the node says farewell to the others.
        bus.stop().await;
        self.close().await;
    }

    /// Closes the store of a server that does not serve.
    pub async fn close(self) {
        self.stores.database.close().await;
    }

    /// Closes the connections spread over the drain time, so that their clients do not all come back at once.
    async fn close_sessions(&self) {
        let mailboxes = self.service.hub().mailboxes();
        let begun = Instant::now();
        let count = u32::try_from(mailboxes.len()).unwrap_or(u32::MAX).max(1);
        for (index, mailbox) in mailboxes.iter().enumerate() {
            let share = self.drain / count * u32::try_from(index).unwrap_or(u32::MAX);
            sleep_until(begun + share).await;
            mailbox.close(CloseReason::Stopping);
        }
        // Whoever connected while the others were being closed.
        for mailbox in self.service.hub().mailboxes() {
            mailbox.close(CloseReason::Stopping);
        }
    }
}

/// What a request publishes goes out when its turn ends.
fn corked<E: Endpoint<Output = poem::Response> + 'static>(
    endpoint: E,
    flusher: &Arc<dyn FlushScheduler>,
) -> BoxEndpoint<'static> {
    let flusher = Arc::clone(flusher);
    let call = move |endpoint: Arc<E>, request| {
        Corked::new(
            async move { endpoint.call(request).await },
            Arc::clone(&flusher),
        )
    };
    endpoint.around(call).boxed()
}

type Work = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn task<T, F, Fut>(part: &Arc<T>, stop: &CancellationToken, work: F) -> Work
where
    F: FnOnce(Arc<T>, CancellationToken) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    Box::pin(work(Arc::clone(part), stop.clone()))
}

fn rules(settings: &Settings) -> Rules {
    Rules {
        limits: settings.limits.clone(),
        session_ttl: settings.access.session_ttl,
        allowed_origins: settings.access.allowed_origins.clone(),
        retention: settings.store.retention,
        retention_events: settings.store.retention_events,
        webhooks: WebhookRules {
            timeout: settings.webhooks.timeout,
            retry: settings.webhooks.retry,
            alone: settings.bus.is_none(),
        },
    }
}

fn rest_rules(settings: &Settings, ready: &Arc<AtomicBool>) -> RestRules {
    RestRules {
        admin_token: settings.access.admin_token.clone(),
        open_registration: settings.access.open_registration,
        allowed_origins: settings.access.allowed_origins.clone(),
        websocket_address: websocket_address(&settings.listen),
        ready: Arc::clone(ready),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        demo: settings.access.demo.then(|| {
            settings
                .access
                .app
                .as_ref()
                .map_or(DemoApp::First, |app| DemoApp::Named(app.ident.clone()))
        }),
    }
}

/// Where WebSocket clients come in, as configured; `None` where the system chooses the port.
fn websocket_address(listen: &ListenSettings) -> Option<String> {
    let Listener { host, port, .. } = listen.server.as_ref().unwrap_or(&listen.api);
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    (*port != 0).then(|| format!("{host}:{port}"))
}

/// Creates the configured app, or gives the stored one the configured key, secret and name.
async fn ensure_app(service: &Service, app: &AppOfStart) -> Result<(), StartError> {
    match service.app(&app.ident).await {
        Ok(stored) => Ok(service
            .adopt_credentials(&stored.ident, &app.key, &app.secret, app.name.as_deref())
            .await?),
        Err(AppError::NotFound) => {
            let name = app.name.clone().unwrap_or_else(|| app.ident.to_string());
            let new = NewApp {
                name,
                ident: Some(app.ident.clone()),
                key: Some(app.key.clone()),
                secret: Some(app.secret.clone()),
                ..NewApp::default()
            };
            match service.create_app(new).await {
                // Another node of the same configuration was quicker.
                Err(AppError::Taken("ident")) | Ok(_) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}
