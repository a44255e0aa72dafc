//! Requests of the listener for streams.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::open;
use super::pending::PendingStream;
use super::request::StreamTexts;
use crate::inbound::listen::{
    AcceptedStream, ClientStream, SessionFuture, StreamHandler, StreamHead,
};
use crate::inbound::websocket::Gateway;

/// The folder of the streams' addresses; the key of an app follows.
const FOLDER: &str = "/stream/";

/// The listener's handler of requests for streams.
pub struct StreamRequests {
    gateway: Arc<Gateway>,
    /// The path below which a proxy serves the streams, too.
    path_prefix: Option<String>,
}

impl StreamRequests {
    /// A handler of streams of the apps of `gateway`.
    pub fn new(gateway: Arc<Gateway>, path_prefix: Option<String>) -> Self {
        Self {
            gateway,
            path_prefix,
        }
    }
}

/// The key in the path of a stream; `None`: it is the path of something else.
fn app_key(path: &str, prefix: Option<&str>) -> Option<String> {
    let below = prefix
        .and_then(|prefix| path.strip_prefix(prefix))
        .filter(|rest| rest.starts_with('/'));
    let key = below.unwrap_or(path).strip_prefix(FOLDER)?;
    let is_key = !key.is_empty() && !key.contains('/');
    let decoded = percent_decode_str(key).decode_utf8().ok()?;
    is_key.then(|| decoded.into_owned())
}

impl StreamHandler for StreamRequests {
    fn accept(&self, head: &StreamHead<'_>) -> Option<Box<dyn AcceptedStream>> {
        let key = app_key(head.path, self.path_prefix.as_deref())?;
        Some(Box::new(PendingStream {
            gateway: Arc::clone(&self.gateway),
            key,
            texts: StreamTexts {
                query: head.query.map(str::to_owned),
                accept: head.accept.clone(),
                last_event_id: head.last_event_id.as_deref().map(str::to_owned),
                authorization: head.authorization.as_deref().map(str::to_owned),
            },
            origin: head.origin.as_deref().map(str::to_owned),
            is_browser: head.is_browser,
            ip: Some(head.ip),
            encryption: head.encryption,
        }))
    }
}

impl AcceptedStream for PendingStream {
    fn run(self: Box<Self>, stream: ClientStream) -> SessionFuture {
        let direct_writer = stream.direct_writer();
        let hub = Arc::clone(self.gateway.service().hub());
        // Most streams are idle most of the time: the phases before are freed when they end.
        let opening = Box::pin(open::open(self, direct_writer, stream));
        Box::pin(hub.cork(async move {
            if let Some(session) = opening.await {
                session.run().await;
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_segment_is_the_key() {
        let key = |path| app_key(path, Some("/realtime"));
        assert_eq!(key("/stream/k1").as_deref(), Some("k1"));
        assert_eq!(key("/realtime/stream/a%2Fb").as_deref(), Some("a/b"));
        for path in [
            "/stream",
            "/stream/",
            "/stream/a/b",
            "/x/stream/a",
            "/realtimestream/a",
            "/a",
        ] {
            assert_eq!(key(path), None, "{path}");
        }
    }
}
