//! Request bodies: the limit on their total time, and the part that no handler has read.
//!
//! A response may be ready before its request's body has arrived. hyper then closes the connection
//! without an announcement, unless the body arrives with its next read. Here the rest of a body is
//! read and dropped, so that the connection can go on, or the response announces the close.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, EXPECT};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Version};
use parking_lot::Mutex;
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

/// How often the rest of a body of unknown length is polled without progress. hyper passes on one
/// piece per turn, so the second poll finds whatever has been received.
const IDLE_TURNS: usize = 2;

/// The body of a request, for its handler and for the connection that drops the rest.
pub(super) struct RequestBody {
    shared: Arc<Mutex<ReceivedBody>>,
    /// Whether the client wants the connection to go on.
    keep_alive: bool,
}

struct ReceivedBody {
    incoming: Incoming,
    /// The total time, from when the body is first waited for.
    timeout: Duration,
    /// Created when the body is waited for.
    timer: Option<Pin<Box<Sleep>>>,
    /// The client sends the body only after `100 Continue`, which hyper sends at the first poll.
    awaits_continue: bool,
    /// The body cannot be read to its end.
    failed: bool,
    ended: bool,
    /// In bytes.
    received: u64,
}

/// What happens with the connection after the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterResponse {
    /// The body has ended, or is read to its end.
    KeepAlive,
    /// The rest of the body is not read: the response must announce the close.
    Close,
}

impl RequestBody {
    /// The body of the request with this head; `timeout` is its total time.
    pub(super) fn new(incoming: Incoming, head: &Parts, timeout: Duration) -> Self {
        let received = ReceivedBody {
            awaits_continue: head.headers.contains_key(EXPECT),
            failed: false,
            ended: incoming.is_end_stream(),
            received: 0,
            timeout,
            timer: None,
            incoming,
        };
        Self {
            shared: Arc::new(Mutex::new(received)),
            keep_alive: head.version == Version::HTTP_11 && !asks_to_close(&head.headers),
        }
    }

    /// The body for the handler. A read after the total time fails with `TimedOut`.
    pub(super) fn for_handler(&self) -> poem::Body {
        BoxBody::new(HandlerBody(Arc::clone(&self.shared))).into()
    }

    /// Decides about the rest of the body once its response is ready. Up to `limit` bytes are read
    /// and dropped, by a task where they have not been received yet.
    pub(super) async fn finish(self, limit: u64, stop: &CancellationToken) -> AfterResponse {
        let left = {
            let body = self.shared.lock();
            if body.is_complete() {
                return AfterResponse::KeepAlive;
            }
            if body.failed || body.awaits_continue || !self.keep_alive {
                return AfterResponse::Close;
            }
            body.incoming.size_hint().exact()
        };
        match left {
            Some(left) if left <= limit => {
                let (body, stop) = (self.shared, stop.clone());
                // It ends with the connection, too, which then drops the sender.
                tokio::spawn(async move { stop.run_until_cancelled(discard(&body)).await });
                AfterResponse::KeepAlive
            }
            Some(_) => AfterResponse::Close,
            // Chunked: the length is known when all has been received.
            None => discard_received(&self.shared, limit).await,
        }
    }
}

fn asks_to_close(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// Reads and drops the body to its end, its failure or its deadline.
async fn discard(body: &Mutex<ReceivedBody>) {
    while let Some(Ok(_)) = std::future::poll_fn(|cx| body.lock().poll(cx)).await {}
}

/// Reads and drops what has been received of a body, at most `limit` bytes.
async fn discard_received(body: &Mutex<ReceivedBody>, limit: u64) -> AfterResponse {
    let mut idle_turns = 0;
    while idle_turns < IDLE_TURNS {
        let polled = std::future::poll_fn(|cx| Poll::Ready(body.lock().poll(cx))).await;
        match polled {
            Poll::Ready(None) => return AfterResponse::KeepAlive,
            Poll::Ready(Some(Err(_))) => return AfterResponse::Close,
            Poll::Ready(Some(Ok(_))) if body.lock().received > limit => {
                return AfterResponse::Close;
            }
            Poll::Ready(Some(Ok(_))) => idle_turns = 0,
            Poll::Pending => {
                idle_turns += 1;
                yield_now().await;
            }
        }
    }
    AfterResponse::Close
}

impl ReceivedBody {
    fn is_complete(&self) -> bool {
        self.ended || (self.incoming.is_end_stream() && !self.failed)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.awaits_continue = false;
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.received = self
                    .received
                    .saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.failed = true;
                Poll::Ready(Some(Err(io::Error::other(error))))
            }
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Pending => {
                let timeout = self.timeout;
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.failed = true;
                Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
            }
        }
    }
}

/// The handler's share of a [`RequestBody`].
struct HandlerBody(Arc<Mutex<ReceivedBody>>);

impl Body for HandlerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.lock().poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_complete()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().incoming.size_hint()
    }
}
