//! A server put together as the binary does it, without its listeners.

use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use pushi::core::auth::random_53_bits;
use pushi::core::hub::Hub;
use pushi::core::model::{
    App, AppSettings, ChannelName, Limits, NewApp, Payload, Timestamp, UserId,
};
use pushi::core::ports::{BusSink, Clock, Nodes, Stores};
use pushi::core::service::{
    AppError, Ports, PublishError, Publishing, Rules, Service, WebhookRules,
};
use pushi::inbound::websocket::{Destination, Gateway, KeepaliveTiming, dialects};
use pushi::outbound::local::{LocalBus, LocalPresence, LocalRoster};
use pushi::outbound::metrics::PrometheusMetrics;
use pushi::outbound::webhook::WebhookSender;
use tokio::io::{AsyncRead, AsyncWrite, duplex};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::client::Client;
use crate::env::{PATIENCE, Site};

/// A clock that stands still, a microsecond a look aside, until it is moved.
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn forward(&self, by: Duration) {
        self.0
            .fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// How a server is to be.
pub struct Setup {
    pub ports: Ports,
    pub hub: Arc<Hub>,
    pub metrics: Arc<PrometheusMetrics>,
    pub bus: Arc<LocalBus>,
    pub clock: Arc<TestClock>,
    pub rules: Rules,
    pub timing: KeepaliveTiming,
    pub settings: AppSettings,
    /// Whether silent connections are looked after.
    pub keeps: bool,
    /// Whether what happens is written for webhooks, and whether they are told.
    pub records: bool,
    pub delivers: bool,
    /// Bytes that the connection to a client holds in each direction.
    pub buffer: usize,
}

impl Setup {
    pub fn over(stores: &Stores) -> Self {
        let bus = Arc::new(LocalBus::default());
        let clock = Arc::new(TestClock(AtomicI64::new(1_795_337_089_420_000)));
        let metrics = Arc::new(PrometheusMetrics::new().unwrap());
        let hub = Arc::new(Hub::new(
            random_53_bits().unwrap(),
            dialects(),
            metrics.clone(),
        ));
        let ports = Ports {
            stores: stores.clone(),
            nodes: Nodes {
                presence: Arc::new(LocalPresence::new(Arc::clone(&bus))),
                roster: Arc::new(LocalRoster::new(Arc::clone(&hub), Arc::clone(&bus))),
                bus: bus.clone(),
            },
            notifier: Arc::new(WebhookSender::new(Duration::from_secs(5), true)),
            clock: clock.clone(),
        };
        let rules = Rules {
            limits: Limits::default(),
            session_ttl: Duration::from_secs(3600),
            allowed_origins: Vec::new(),
            retention: None,
            retention_events: None,
            webhooks: WebhookRules::default(),
        };
        let timing = KeepaliveTiming {
            activity: Duration::from_secs(120),
            idle: Duration::ZERO,
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
            keeps: true,
            records: false,
            delivers: false,
            buffer: 64 * 1024,
        }
    }
}

/// A server with one app.
pub struct House<'a> {
    pub site: &'a Site,
    pub service: Arc<Service>,
    metrics: Arc<PrometheusMetrics>,
    pub gateway: Arc<Gateway>,
    pub clock: Arc<TestClock>,
    /// The app as it was made.
    pub app: Arc<App>,
    buffer: usize,
}

impl<'a> House<'a> {
    pub async fn open(site: &'a Site, setup: Setup) -> Self {
        let Setup {
            ports,
            hub,
            metrics,
            bus,
            clock,
            rules,
            timing,
            settings,
            keeps,
            records,
            delivers,
            buffer,
        } = setup;
        let service = Arc::new(Service::new(ports, rules, hub).unwrap());
        let sink: Weak<dyn BusSink> = Arc::downgrade(&service) as Weak<dyn BusSink>;
        bus.set_sink(sink);
        let gateway = Arc::new(Gateway::new(Arc::clone(&service), clock.clone(), timing));
        let parts = service.parts().clone();
        let stop = || site.stop.clone().cancelled_owned();
        let (first, second, third) = (stop(), stop(), stop());
        site.spawn(async move { parts.member_changes.run(first).await });
        site.spawn(async move { parts.appends.run(second).await });
        site.spawn(async move { parts.apps.run(third).await });
        if keeps {
            let (keeper, stop) = (Arc::clone(&gateway), stop());
            site.spawn(async move { keeper.keep_alive(stop).await });
        }
        if records {
            let (first, second) = (stop(), stop());
            site.spawn(async move { parts.webhooks.run(first).await });
            site.spawn(async move { parts.reconciler.run(second).await });
        }
        let app = service
            .create_app(NewApp {
                name: "Test".to_owned(),
                settings,
                ..NewApp::default()
            })
            .await
            .unwrap();
        let house = Self {
            site,
            service,
            metrics,
            gateway,
            clock,
            app,
            buffer,
        };
        if delivers {
            house.deliver();
        }
        house
    }

    /// The metrics in the Prometheus text format.
    pub fn metrics(&self) -> String {
        self.metrics.render(self.service.gauges())
    }

    /// What time it is for the server.
    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Tells webhooks from now on.
    pub fn deliver(&self) {
        let (teller, stop) = (Arc::clone(&self.service), self.site.stop.clone());
        self.site
            .spawn(async move { teller.parts().sender.run(stop.cancelled()).await });
    }

    /// A client that has been greeted.
    pub async fn client(&self) -> Client {
        self.client_of(&self.app).await
    }

    /// So many of them.
    pub async fn clients<const N: usize>(&self) -> [Client; N] {
        let mut clients = Vec::with_capacity(N);
        for _ in 0..N {
            clients.push(self.client().await);
        }
        clients.try_into().unwrap_or_else(|_| unreachable!())
    }

    /// A client that is on a channel.
    pub async fn subscribed(&self, channel: &str) -> Client {
        let mut client = self.client().await;
        client.subscribe(channel).await;
        client
    }

    /// A client of another app.
    pub async fn client_of(&self, app: &Arc<App>) -> Client {
        let mut client = self.caller(app, None, false).await;
        client.greeted().await;
        client
    }

    /// A client that has not read anything yet.
    pub async fn caller(&self, app: &Arc<App>, origin: Option<&str>, secure: bool) -> Client {
        self.caller_with(app, &app.key, origin, secure).await
    }

    /// A client that names any key.
    pub async fn caller_with(
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

    /// Serves the server's end of a stream; the receiver hears of its end.
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
        destination: Destination,
        origin: Option<&str>,
        secure: bool,
        stream: S,
    ) -> oneshot::Receiver<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (gateway, origin) = (Arc::clone(&self.gateway), origin.map(str::to_owned));
        let (said, ended) = oneshot::channel();
        self.site.spawn(async move {
            gateway
                .serve(destination, origin, secure, None, stream)
                .await;
            // Nobody may be listening.
            let _ = said.send(());
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

    /// Stores, and sends, one event a text.
    pub async fn say(&self, channel: &str, texts: &[&str]) {
        for text in texts {
            self.publish(&[channel], "message", text, true).await;
        }
    }

    /// Sends something that is not stored.
    pub async fn call(&self, channel: &str, text: &str) {
        self.publish(&[channel], "call", text, false).await;
    }

    /// Publishes until the store takes it again, as a back end that is told to try later.
    pub async fn until_stored(&self, channel: &str) {
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

    /// Changes the app's settings; connections have heard of it when this returns.
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
    pub async fn follow(&self, user: &str, channel: &str) {
        self.service
            .add_subscription(&self.app.ident, &self::user(user), &self::channel(channel))
            .await
            .unwrap();
    }

    /// Ends that.
    pub async fn unfollow(&self, user: &str, channel: &str) {
        self.service
            .remove_subscription(&self.app.ident, &self::user(user), &self::channel(channel))
            .await
            .unwrap();
    }
}

pub fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name, 0).unwrap()
}

pub fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub fn publishing(channels: &[&str], event: &str, data: &str, persist: bool) -> Publishing {
    let payload = Payload {
        event: event.into(),
        data: data.into(),
        extra: "".into(),
    };
    Publishing {
        channels: channels.iter().map(|name| channel(name)).collect(),
        payload,
        persist,
        idempotency_key: None,
    }
}
