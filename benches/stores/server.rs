//! The server on a store, assembled as in the binary, without its listeners.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pushi::config::{Raw, StoreUrl, resolve};
use pushi::core::model::{App, AppIdent, ChannelName, NewApp, Payload};
use pushi::core::service::{Publishing, Service};
use pushi::outbound::metrics::PrometheusMetrics;
use pushi::server::Server;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::workload::{APP, DATA};

/// A running server.
pub(crate) struct BenchServer {
    pub service: Arc<Service>,
    metrics: Arc<PrometheusMetrics>,
    pub app: Arc<App>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl BenchServer {
    pub(crate) async fn open(store: StoreUrl) -> Self {
        let mut settings = resolve(&Raw::default())
            .unwrap_or_else(|_| panic!("the defaults are no configuration"))
            .settings;
        settings.store.url = store;
        // A stand-in for MongoDB on a busy machine may be slow.
        settings.store.timeout = Duration::from_secs(60);
        // Unlimited, so that a thousand events can be requested at once.
        settings.limits.history = 0;
        let server = Server::open(&settings).await.unwrap();
        let service = Arc::clone(server.service());
        let metrics = Arc::clone(server.metrics());
        let new = NewApp {
            name: "Bench".to_owned(),
            ident: Some(AppIdent::trusted(APP)),
            ..NewApp::default()
        };
        let app = service.create_app(new).await.unwrap();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(Vec::new(), stop.clone()));
        Self {
            service,
            metrics,
            app,
            stop,
            serving,
        }
    }

    /// Publishes `count` events with `publishers` concurrent publishers, distributed over the channels in turn.
    pub(crate) async fn publish(
        &self,
        count: u64,
        publishers: usize,
        channels: &Arc<[ChannelName]>,
    ) {
        let next = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..publishers {
            let (service, app, channels, next) = (
                Arc::clone(&self.service),
                Arc::clone(&self.app),
                Arc::clone(channels),
                Arc::clone(&next),
            );
            tasks.spawn(async move {
                loop {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    if turn >= count {
                        return;
                    }
                    let channel = channels[(turn % channels.len() as u64) as usize].clone();
                    let payload = Payload {
                        event: "message".into(),
                        data: DATA.into(),
                        extra: Default::default(),
                    };
                    let publishing = Publishing {
                        channels: vec![channel],
                        payload,
                        persist: true,
                        idempotency_key: None,
                    };
                    service.publish(&app, publishing).await.unwrap();
                }
            });
        }
        while let Some(published) = tasks.join_next().await {
            published.unwrap();
        }
    }

    /// The server's count of commits.
    pub(crate) fn commits(&self) -> u64 {
        let metrics = self.metrics.render(self.service.gauges());
        let count = metrics
            .lines()
            .find_map(|line| line.strip_prefix("pushi_call_seconds_count{call=\"append\"} "));
        count.map_or(0, |count| count.parse().unwrap())
    }

    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
    }
}

/// The channels `room-0`, `room-1` and so on.
pub(crate) fn rooms(count: usize) -> Arc<[ChannelName]> {
    (0..count)
        .map(|n| ChannelName::trusted(&format!("room-{n}")))
        .collect()
}
