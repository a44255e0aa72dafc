//! HTTP on a connection whose first request is not an upgrade, served by hyper.
//!
//! A later request on the connection may be an upgrade. hyper then returns the stream with the
//! bytes that it has read ahead.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use hyper::http::uri::Scheme;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use poem::endpoint::BoxEndpoint;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Body, Endpoint, RequestParts, Response};
use tokio::time::sleep;

use super::body::{AfterResponse, RequestBody};
use super::context::ListenerContext;
use super::error_response::ErrorResponse;
use super::forwarded_host::ForwardedHosts;
use super::handlers::UnknownRoute;
use super::head::{MAX_HEAD, MAX_HEADERS};
use super::headers::Headers;
use super::idle::{IdleTimeoutStream, ReusableTimer};
use super::stream::ClientStream;
use super::takeover::{self, AcceptedStream};
use super::upgrade::{AcceptedUpgrade, UpgradeError, UpgradeRequest, has_handshake_headers};

const NOT_UPGRADED: &str = "this is the address of a WebSocket, and the request is not an upgrade: connect with a WebSocket client; \
    a proxy in front must use HTTP/1.1 and pass on the headers Upgrade and Connection";

/// The size of a connection's read buffer, in bytes. hyper's default of some 400 KiB is reached by a
/// client that sends one large body and then keeps the connection.
const MAX_READ_BUFFER: usize = 64 * 1024;

/// How long the close of a connection lingers without an unread body: for a malformed head, or bytes
/// that cross the end of the connection. Also the limit with one while the server stops;
/// without one, a stop does not wait.
const LINGER_WITHOUT_BODY: Duration = Duration::from_secs(1);

/// Serves requests until the client closes, the idle limit passes, a request is an upgrade, or the
/// server stops.
pub(super) async fn serve(stream: ClientStream, peer: SocketAddr, context: Arc<ListenerContext>) {
    let secure = stream.is_tls();
    // The last response was given before its request's body had been received.
    let unread = AtomicBool::new(false);
    // A request for a stream, whose session takes the connection over from hyper.
    let takeover = Takeover::default();
    let write_blocked = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request| {
        let (context, unread, takeover) = (Arc::clone(&context), &unread, &takeover);
        async move {
            Ok::<_, Infallible>(hyper::Response::from(
                respond(request, peer, secure, &context, unread, takeover).await,
            ))
        }
    });
    let idle = context.handlers.http_idle_timeout;
    let mut connection = http1::Builder::new()
        .timer(ReusableTimer::default())
        .header_read_timeout(idle)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_READ_BUFFER)
        .max_headers(MAX_HEADERS)
        // Most responses are small: copying the body behind the head costs less than a vectored
        // write.
        .writev(false)
        // A client may shut down its side before it reads the response.
        .half_close(true)
        .serve_connection(
            TokioIo::new(IdleTimeoutStream::new(
                stream,
                idle,
                Arc::clone(&write_blocked),
            )),
            service,
        )
        .with_upgrades();
    let until_closed = async {
        let mut stopped = pin!(context.stop.cancelled());
        let mut draining = false;
        poll_fn(|cx| {
            if !draining && stopped.as_mut().poll(cx).is_ready() {
                draining = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            match Pin::new(&mut connection).poll(cx) {
                // A session takes over once hyper has written its earlier responses.
                Poll::Pending if takeover.is_due() && !write_blocked.load(Ordering::Relaxed) => {
                    Poll::Ready(Ok(()))
                }
                polled => polled,
            }
        })
        .await
    };
    let ended = context.abort.run_until_cancelled(until_closed).await;
    if let Some(accepted) = takeover.take() {
        if let Some(parts) = connection.into_parts() {
            let mut stream = parts.io.into_inner().into_inner();
            stream.push_back(parts.read_buf.into());
            context.handlers.sessions.spawn(accepted.run(stream));
        }
        return;
    }
    match ended {
        None => return,
        Some(Err(error)) => tracing::debug!(%peer, %error, "HTTP connection failed"),
        Some(Ok(())) => {}
    }
    // The response to a request whose body was not read must not be lost in a TCP reset.
    if let Some(parts) = connection.into_parts() {
        let linger = if unread.load(Ordering::Relaxed) {
            context.handlers.body_timeout
        } else {
            LINGER_WITHOUT_BODY
        };
        let stream = parts.io.into_inner().into_inner();
        let stopped = async {
            context.stop.cancelled().await;
            if unread.load(Ordering::Relaxed) {
                sleep(LINGER_WITHOUT_BODY).await;
            }
        };
        tokio::select! {
            () = stream.lingering_close(linger) => {}
            () = stopped => {}
            () = context.abort.cancelled() => {}
        }
    }
}

/// A request that is answered by the session of a stream.
#[derive(Default)]
struct Takeover(Mutex<Option<Box<dyn AcceptedStream>>>);

impl Takeover {
    fn set(&self, accepted: Box<dyn AcceptedStream>) {
        *self.0.lock() = Some(accepted);
    }

    fn is_due(&self) -> bool {
        self.0.lock().is_some()
    }

    fn take(&self) -> Option<Box<dyn AcceptedStream>> {
        self.0.lock().take()
    }
}

async fn respond(
    mut request: Request<Incoming>,
    peer: SocketAddr,
    secure: bool,
    context: &ListenerContext,
    unread: &AtomicBool,
    takeover: &Takeover,
) -> Response {
    let headers = Headers::new(
        request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes())),
    );
    let handlers = &context.handlers;
    let (client, encryption) = handlers.proxies.client_info(peer.ip(), secure, &headers);
    let forwarded_hosts = ForwardedHosts::of(&handlers.proxies, peer.ip(), &headers);
    let (method, uri, version) = (request.method(), request.uri(), request.version());
    if let Some(upgrade) = UpgradeRequest::detect(method, uri, version, &headers) {
        return match upgrade.accept(&*handlers.upgrades, client, encryption) {
            Ok((accept_key, mut accepted)) => {
                if let Some(check) = accepted.check()
                    && let Some(refusal) = check.await
                {
                    return ErrorResponse::for_upgrade(&UpgradeError::Refused(refusal))
                        .to_response();
                }
                let upgrading = hyper::upgrade::on(&mut request);
                handlers.sessions.spawn(run_session(upgrading, accepted));
                Response::builder()
                    .status(StatusCode::SWITCHING_PROTOCOLS)
                    .header(CONNECTION, "Upgrade")
                    .header(UPGRADE, "websocket")
                    .header(SEC_WEBSOCKET_ACCEPT, accept_key)
                    .finish()
            }
            Err(error) => ErrorResponse::for_upgrade(&error).to_response(),
        };
    }
    let streams = &*handlers.streams;
    if let Some(accepted) = takeover::detect(streams, (method, uri), &headers, client, encryption) {
        takeover.set(accepted);
        return std::future::pending().await;
    }
    let asked = (*method == Method::GET).then(|| (uri.clone(), has_handshake_headers(&headers)));
    request.extensions_mut().insert(client);
    if let Some(hosts) = forwarded_hosts {
        request.extensions_mut().insert(hosts);
    }
    request.extensions_mut().insert(context.role);
    let scheme = if client.secure {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    };
    let (head, incoming) = request.into_parts();
    let body = (!incoming.is_end_stream())
        .then(|| RequestBody::new(incoming, &head, handlers.body_timeout));
    let handler_body = body
        .as_ref()
        .map_or_else(Body::empty, RequestBody::for_handler);
    let head = RequestParts::from((
        head,
        LocalAddr(context.local_addr.into()),
        RemoteAddr(peer.into()),
        scheme,
    ));
    let request = poem::Request::from_parts(head, handler_body);
    let mut response = answer(&handlers.endpoint, request).await;
    if response.extensions().get::<UnknownRoute>().is_some()
        && let Some((uri, handshake)) = asked
        && (handshake || handlers.upgrades.is_address(uri.path()).await)
    {
        response = ErrorResponse::upgrade_required(NOT_UPGRADED).to_response();
    }
    if let Some(body) = body
        && body
            .finish(handlers.dropped_body_bytes, &context.stop)
            .await
            == AfterResponse::Close
    {
        unread.store(true, Ordering::Relaxed);
        let close = HeaderValue::from_static("close");
        response.headers_mut().append(CONNECTION, close);
    }
    response
}

async fn answer(endpoint: &BoxEndpoint<'static>, request: poem::Request) -> Response {
    match AssertUnwindSafe(endpoint.get_response(request))
        .catch_unwind()
        .await
    {
        Ok(response) => response,
        // The panic hook has logged the panic.
        Err(_) => {
            let message = "internal error: please report it together with the server's log";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            ErrorResponse::new(status, "Internal", message).to_response()
        }
    }
}

/// Waits until hyper has written `101`, then runs the session.
async fn run_session(upgrading: OnUpgrade, accepted: Box<dyn AcceptedUpgrade>) {
    let Ok(upgraded) = upgrading.await else {
        return;
    };
    if let Some(stream) = into_client_stream(upgraded) {
        accepted.run(stream).await;
    }
}

/// Returns the stream that hyper served, with the bytes that hyper read ahead pushed back.
fn into_client_stream(upgraded: Upgraded) -> Option<ClientStream> {
    let parts = upgraded.downcast::<TokioIo<IdleTimeoutStream>>().ok()?;
    let mut stream = parts.io.into_inner().into_inner();
    stream.push_back(parts.read_buf.into());
    Some(stream)
}
