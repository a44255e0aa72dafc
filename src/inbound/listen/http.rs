//! HTTP on a connection whose first request is not an upgrade, served by hyper.
//!
//! A later request on the connection may be an upgrade. hyper then returns the stream with the
//! bytes that it has read ahead.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use hyper::http::uri::Scheme;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Response};

use super::context::ListenerContext;
use super::error_response::ErrorResponse;
use super::head::{MAX_HEAD, MAX_HEADERS};
use super::headers::Headers;
use super::idle::{IdleTimeoutStream, ReusableTimer};
use super::stream::ClientStream;
use super::upgrade::{AcceptedUpgrade, UpgradeError, UpgradeRequest};

/// Serves requests until the client closes, the idle limit passes, a request is an upgrade, or the
/// server stops.
pub(super) async fn serve(stream: ClientStream, peer: SocketAddr, context: Arc<ListenerContext>) {
    let secure = stream.is_tls();
    let service = service_fn(|request| {
        let context = Arc::clone(&context);
        async move {
            Ok::<_, Infallible>(hyper::Response::from(
                respond(request, peer, secure, context).await,
            ))
        }
    });
    let idle = context.handlers.http_idle_timeout;
    let mut connection = http1::Builder::new()
        .timer(ReusableTimer::default())
        .header_read_timeout(idle)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        // Most responses are small: copying the body behind the head costs less than a vectored
        // write.
        .writev(false)
        // A client may shut down its side before it reads the response.
        .half_close(true)
        .serve_connection(TokioIo::new(IdleTimeoutStream::new(stream, idle)), service)
        .with_upgrades();
    let until_closed = async {
        let running = context.stop.run_until_cancelled(&mut connection);
        if let Some(result) = running.await {
            return result;
        }
        Pin::new(&mut connection).graceful_shutdown();
        (&mut connection).await
    };
    match context.abort.run_until_cancelled(until_closed).await {
        None => return,
        Some(Err(error)) => tracing::debug!(%peer, %error, "HTTP connection failed"),
        Some(Ok(())) => {}
    }
    // A response to a request whose body was not read must not be lost in a TCP reset.
    if let Some(parts) = connection.into_parts() {
        let closing = parts.io.into_inner().into_inner().lingering_close();
        context.stop.run_until_cancelled(closing).await;
    }
}

async fn respond(
    mut request: Request<Incoming>,
    peer: SocketAddr,
    secure: bool,
    context: Arc<ListenerContext>,
) -> Response {
    let headers = Headers::new(
        request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes())),
    );
    let handlers = &context.handlers;
    let client = handlers.proxies.client_info(peer.ip(), secure, &headers);
    let (method, uri, version) = (request.method(), request.uri(), request.version());
    if let Some(upgrade) = UpgradeRequest::detect(method, uri, version, &headers) {
        return match upgrade.accept(&*handlers.upgrades, client) {
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
    request.extensions_mut().insert(client);
    request.extensions_mut().insert(context.role);
    let scheme = if client.secure {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    };
    let request = poem::Request::from((
        request,
        LocalAddr(context.local_addr.into()),
        RemoteAddr(peer.into()),
        scheme,
    ));
    match AssertUnwindSafe(handlers.endpoint.get_response(request))
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
