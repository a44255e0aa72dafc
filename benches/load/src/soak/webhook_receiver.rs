//! A receiver of web hooks on this machine, which counts events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{Endpoint, Request, Response, Server, endpoint};
use serde_json::Value;

use crate::error::BenchError;

/// Counts until the process ends.
pub(super) struct WebhookReceiver {
    pub(super) url: String,
    events: Arc<AtomicU64>,
}

impl WebhookReceiver {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub(super) async fn start() -> Result<Self, BenchError> {
        let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await;
        let acceptor = acceptor.map_err(BenchError::start)?;
        let address = acceptor
            .local_addr()
            .iter()
            .find_map(|address| address.as_socket_addr().copied())
            .ok_or_else(|| BenchError::start("the receiver of web hooks has no address"))?;
        let events = Arc::new(AtomicU64::new(0));
        tokio::spawn(Server::new_with_acceptor(acceptor).run(counting(Arc::clone(&events))));
        Ok(Self {
            url: format!("http://{address}/soak"),
            events,
        })
    }

    /// The number of events so far.
    pub(super) fn count(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }
}

fn counting(events: Arc<AtomicU64>) -> impl Endpoint {
    endpoint::make(move |mut request: Request| {
        let events = Arc::clone(&events);
        async move {
            let body = request.take_body().into_bytes().await?;
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            let count = body["events"].as_array().map_or(0, Vec::len);
            events.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
            Ok::<_, poem::Error>(Response::builder().finish())
        }
    })
}
