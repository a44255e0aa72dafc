//! A server in process, composed as the binary does it, without its listeners.

use std::sync::Arc;
use std::time::Duration;

use pushi::core::auth::random_53_bits;
use pushi::core::hub::Hub;
use pushi::core::model::{App, AppSettings, Limits, NewApp, ReportedPresence};
use pushi::core::ports::{Nodes, Stores};
use pushi::core::service::{
    AppError, MessageRules, NotificationRules, Ports, PublishError, Publishing, Rules, Service,
    WebhookRules,
};
use pushi::inbound::websocket::{Destination, Gateway, KeepaliveTiming, UpgradeTarget, dialects};
use pushi::inbound::wire::{event_json, event_push_content, read_further_members};
use pushi::outbound::jwt::JwtTokens;
use pushi::outbound::local::{LocalBus, LocalPresence, LocalRoster};
use pushi::outbound::message_format::OriginalFormat;
use pushi::outbound::metrics::PrometheusMetrics;
use tokio::io::{AsyncRead, AsyncWrite, duplex};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::client::Client;
use crate::clock::ManualClock;
use crate::env::{PATIENCE, TestEnv, until};
use crate::senders::{senders, webhook_sender};
use crate::values::{self, publishing};

/// The parts and settings of a test server; a test changes them before the server is built.
pub struct ServerSetup {
    pub ports: Ports,
    pub hub: Arc<Hub>,
    pub metrics: Arc<PrometheusMetrics>,
    pub bus: Arc<LocalBus>,
    pub clock: Arc<ManualClock>,
    pub rules: Rules,
    pub timing: KeepaliveTiming,
    pub settings: AppSettings,
    /// Whether silent connections are pinged and closed.
    pub keep_alive: bool,
    /// Whether webhook events are recorded, and whether they are sent.
    pub record_webhooks: bool,
    pub send_webhooks: bool,
    /// Whether targets are notified.
    pub notify: bool,
    /// Bytes that the connection to a client holds in each direction.
    pub buffer: usize,
}

impl ServerSetup {
    /// The defaults, on these stores.
    pub fn over(stores: &Stores) -> Self {
        let bus = Arc::new(LocalBus::default());
        let clock = Arc::new(ManualClock::stepping(1_795_337_089_420_000));
        let metrics = Arc::new(PrometheusMetrics::new().unwrap());
        let process = random_53_bits().unwrap();
        let hub = Arc::new(Hub::new(process, dialects(), metrics.clone()));
        let ports = Ports {
            stores: stores.clone(),
            nodes: Nodes {
                presence: Arc::new(LocalPresence::new(Arc::clone(&bus))),
                roster: Arc::new(LocalRoster::new(Arc::clone(&hub), Arc::clone(&bus))),
                bus: bus.clone(),
            },
            notifier: webhook_sender(true, Duration::from_secs(5)),
            senders: senders(true, Duration::from_secs(10)),
            format: Arc::new(OriginalFormat),
            render_event: event_json,
            read_extra: read_further_members,
            read_event_push: event_push_content,
            tokens: Arc::new(JwtTokens::new()),
            clock: clock.clone(),
        };
        let rules = Rules {
            limits: Limits::default(),
            session_ttl: Duration::from_secs(3600),
            max_token_ttl: Duration::from_secs(86_400),
            allowed_origins: Vec::new(),
            retention: None,
            retention_events: None,
            publish_rows: false,
            webhooks: WebhookRules::default(),
            messages: MessageRules::default(),
            notifications: NotificationRules::default(),
        };
        let timing = KeepaliveTiming {
            activity: Duration::from_secs(120),
            idle: Duration::ZERO,
            answer: Duration::from_secs(30),
        };
        Self {
            ports,
            hub,
            metrics,
            bus,
            clock,
            rules,
            timing,
            settings: AppSettings::default(),
            keep_alive: true,
            record_webhooks: false,
            send_webhooks: false,
            notify: false,
            buffer: 64 * 1024,
        }
    }
}

/// A service with its bus connected, before any task runs.
pub struct Composition {
    pub service: Arc<Service>,
    pub metrics: Arc<PrometheusMetrics>,
    pub clock: Arc<ManualClock>,
}

impl ServerSetup {
    /// Builds the service and connects the bus to it.
    pub fn compose(self) -> Composition {
        let service = Arc::new(Service::new(self.ports, self.rules, self.hub).unwrap());
        let sink = Arc::downgrade(&service);
        self.bus.set_sink(sink);
        Composition {
            service,
            metrics: self.metrics,
            clock: self.clock,
        }
    }
}

/// A running server with one app.
pub struct TestServer<'a> {
    pub env: &'a TestEnv,
    pub service: Arc<Service>,
    pub(crate) metrics: Arc<PrometheusMetrics>,
    pub gateway: Arc<Gateway>,
    pub clock: Arc<ManualClock>,
    /// The app as it was created.
    pub app: Arc<App>,
    buffer: usize,
}

impl<'a> TestServer<'a> {
    pub async fn open(env: &'a TestEnv, setup: ServerSetup) -> Self {
        let (timing, settings, buffer) = (setup.timing, setup.settings.clone(), setup.buffer);
        let (keep_alive, record_webhooks, send_webhooks) =
            (setup.keep_alive, setup.record_webhooks, setup.send_webhooks);
        let notify = setup.notify;
        let Composition {
            service,
            metrics,
            clock,
        } = setup.compose();
        let gateway = Arc::new(Gateway::new(Arc::clone(&service), clock.clone(), timing));
        let parts = service.parts().clone();
        let stop = || env.stop.clone().cancelled_owned();
        let (first, second, third) = (stop(), stop(), stop());
        env.spawn(async move { parts.member_changes.run(first).await });
        env.spawn(async move { parts.appends.run(second).await });
        env.spawn(async move { parts.apps.run(third).await });
        if keep_alive {
            let (keeper, stop) = (Arc::clone(&gateway), stop());
            env.spawn(async move { keeper.keep_alive(stop).await });
        }
        if record_webhooks {
            let (first, second) = (stop(), stop());
            env.spawn(async move { parts.webhooks.run(first).await });
            env.spawn(async move { parts.reconciler.run(second).await });
        }
        let app = service
            .create_app(NewApp {
                name: "Test".to_owned(),
                settings,
                ..NewApp::default()
            })
            .await
            .unwrap();
        let server = Self {
            env,
            service,
            metrics,
            gateway,
            clock,
            app,
            buffer,
        };
        if send_webhooks {
            server.send_webhooks();
        }
        if notify {
            server.notify();
        }
        server
    }

    /// Sends webhooks from now on.
    pub fn send_webhooks(&self) {
        let (service, stop) = (Arc::clone(&self.service), self.env.stop.clone());
        self.env
            .spawn(async move { service.parts().sender.run(stop.cancelled()).await });
    }

    /// A client that has read the greeting.
    pub async fn client(&self) -> Client {
        self.client_of(&self.app).await
    }

    /// `N` clients that have read the greeting.
    pub async fn clients<const N: usize>(&self) -> [Client; N] {
        let mut clients = Vec::with_capacity(N);
        for _ in 0..N {
            clients.push(self.client().await);
        }
        clients.try_into().unwrap_or_else(|_| unreachable!())
    }

    /// A client that is subscribed to a channel.
    pub async fn subscribed(&self, channel: &str) -> Client {
        let mut client = self.client().await;
        client.subscribe(channel).await;
        client
    }

    /// A client of another app.
    pub async fn client_of(&self, app: &Arc<App>) -> Client {
        let mut client = self.connect(app, None, false).await;
        client.read_greeting().await;
        client
    }

    /// A client that has not read anything yet.
    pub async fn connect(&self, app: &Arc<App>, origin: Option<&str>, secure: bool) -> Client {
        self.connect_with_key(app, &app.key, origin, secure).await
    }

    /// A client that connects with any key.
    pub async fn connect_with_key(
        &self,
        app: &Arc<App>,
        key: &str,
        origin: Option<&str>,
        secure: bool,
    ) -> Client {
        let (near, far) = duplex(self.buffer);
        let ended = self.serve(key, origin, secure, far);
        Client::over(near, app, ended).await
    }

    /// Serves the server's end of a stream; the receiver resolves when the session ends.
    pub fn serve<S>(
        &self,
        key: &str,
        origin: Option<&str>,
        secure: bool,
        stream: S,
    ) -> oneshot::Receiver<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.serve_at(Destination::Pushi(key.to_owned()), origin, secure, stream)
    }

    /// The same in any dialect.
    pub fn serve_at<S>(
        &self,
        target: impl Into<UpgradeTarget>,
        origin: Option<&str>,
        secure: bool,
        stream: S,
    ) -> oneshot::Receiver<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (gateway, origin) = (Arc::clone(&self.gateway), origin.map(str::to_owned));
        let target = target.into();
        let (done, ended) = oneshot::channel();
        self.env.spawn(async move {
            gateway
                .serve(target, origin, secure, None, None, stream)
                .await;
            // The test may have dropped the receiver.
            let _ = done.send(());
        });
        ended
    }

    /// Publishes as a back end.
    pub async fn publish(&self, channels: &[&str], event: &str, data: &str, persist: bool) {
        self.try_publish(publishing(channels, event, data, persist))
            .await
            .unwrap();
    }

    pub async fn try_publish(&self, publishing: Publishing) -> Result<(), PublishError> {
        self.service.publish(&self.app, publishing).await
    }

    /// Publishes one persisted event per text.
    pub async fn publish_texts(&self, channel: &str, texts: &[&str]) {
        for text in texts {
            self.publish(&[channel], "message", text, true).await;
        }
    }

    /// Publishes an event that is not persisted.
    pub async fn publish_transient(&self, channel: &str, text: &str) {
        self.publish(&[channel], "call", text, false).await;
    }

    /// Publishes until the store accepts it, as a back end that retries.
    pub async fn publish_until_stored(&self, channel: &str) {
        let tries = async {
            while self
                .try_publish(publishing(&[channel], "stored", "", true))
                .await
                .is_err()
            {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, tries)
            .await
            .expect("the store does not recover");
    }

    /// Waits until `count` events are in the webhook queue.
    pub async fn queued_webhook_events(&self, count: u64) {
        // MongoDB writes an event before it registers its address as due.
        let queued = async || {
            let queues = self
                .env
                .stores
                .deliveries
                .waiting(&self.app.ident)
                .await
                .unwrap();
            let due: u64 = queues.iter().map(|queue| queue.events).sum();
            due == count && self.env.stores.outbox.depth().await.unwrap() == count
        };
        until("webhook events are not queued", queued).await;
    }

    /// The presence that was last reported to webhooks.
    pub async fn reported_presence(&self) -> Vec<ReportedPresence> {
        self.env
            .stores
            .outbox
            .reported_presence(&self.app.ident, None, 1000)
            .await
            .unwrap()
    }

    /// Changes the app's settings; connections have been notified when this returns.
    pub async fn set(&self, change: impl Fn(&mut AppSettings) + Sync) {
        let change = |app: &mut App| {
            change(&mut app.settings);
            Ok::<(), AppError>(())
        };
        self.service
            .update_app(&self.app.ident, &change)
            .await
            .unwrap();
    }

    /// Subscribes a user persistently.
    pub async fn add_subscription(&self, user: &str, channel: &str) {
        self.service
            .add_subscription(
                &self.app.ident,
                &values::user(user),
                &values::channel(channel),
            )
            .await
            .unwrap();
    }

    /// Ends a persistent subscription.
    pub async fn remove_subscription(&self, user: &str, channel: &str) {
        self.service
            .remove_subscription(
                &self.app.ident,
                &values::user(user),
                &values::channel(channel),
            )
            .await
            .unwrap();
    }
}
