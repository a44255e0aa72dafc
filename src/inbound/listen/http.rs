//! HTTP on a connection whose first request is not an upgrade.

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

use super::alarm::Alarm;
use super::answer::Problem;
use super::connection::Door;
use super::head::{MAX_HEAD, MAX_HEADERS};
use super::headers::Headers;
use super::patience::Patient;
use super::stream::ClientStream;
use super::upgrade::{Admitted, Declined, UpgradeRequest};

/// Serves requests until the client closes, is still for too long, upgrades, or the server stops.
pub async fn serve(stream: ClientStream, peer: SocketAddr, door: Arc<Door>) {
    let secure = stream.is_tls();
    let service = service_fn(|request| {
        let door = Arc::clone(&door);
        async move {
            Ok::<_, Infallible>(hyper::Response::from(
                answer(request, peer, secure, door).await,
            ))
        }
    });
    let idle = door.site.http_idle;
    let mut connection = http1::Builder::new()
        .timer(Alarm::default())
        .header_read_timeout(idle)
        .max_header_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        // Most answers are small: copied behind their heads they cost less than as a second part of the write.
        .writev(false)
        // A client that has said its last word still gets its answer, and what it asked for is not broken off.
        .half_close(true)
        .serve_connection(TokioIo::new(Patient::new(stream, idle)), service)
        .with_upgrades();
    let to_its_end = async {
        if let Some(ended) = door.stop.run_until_cancelled(&mut connection).await {
            return ended;
        }
        Pin::new(&mut connection).graceful_shutdown();
        (&mut connection).await
    };
    match door.kill.run_until_cancelled(to_its_end).await {
        None => return,
        Some(Err(error)) => tracing::debug!(%peer, %error, "HTTP connection broke off"),
        Some(Ok(())) => {}
    }
    // An answer to a request whose body was not read must not be lost in a reset.
    if let Some(parts) = connection.into_parts() {
        let closing = parts.io.into_inner().into_inner().close_gently();
        door.stop.run_until_cancelled(closing).await;
    }
}

async fn answer(
    mut request: Request<Incoming>,
    peer: SocketAddr,
    secure: bool,
    door: Arc<Door>,
) -> Response {
    let headers = Headers::of(
        request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes())),
    );
    let client = door.site.proxies.client(peer.ip(), secure, &headers);
    if let Some(upgrade) =
        UpgradeRequest::of(request.method(), request.uri(), request.version(), &headers)
    {
        return match upgrade.judge(&*door.site.sockets, client) {
            Ok((accept, mut admitted)) => {
                if let Some(asking) = admitted.refusal()
                    && let Some(refusal) = asking.await
                {
                    return Problem::declined(&Declined::Refused(refusal)).to_response();
                }
                door.site
                    .sessions
                    .spawn(session(hyper::upgrade::on(&mut request), admitted));
                let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
                answer
                    .header(CONNECTION, "Upgrade")
                    .header(UPGRADE, "websocket")
                    .header(SEC_WEBSOCKET_ACCEPT, accept)
                    .finish()
            }
            Err(declined) => Problem::declined(&declined).to_response(),
        };
    }
    request.extensions_mut().insert(client);
    request.extensions_mut().insert(door.role);
    let scheme = if client.secure {
        Scheme::HTTPS
    } else {
        Scheme::HTTP
    };
    let request = poem::Request::from((
        request,
        LocalAddr(door.local.into()),
        RemoteAddr(peer.into()),
        scheme,
    ));
    match AssertUnwindSafe(door.site.endpoint.get_response(request))
        .catch_unwind()
        .await
    {
        Ok(answer) => answer,
        // The panic itself was logged by the panic hook.
        Err(_) => {
            let message =
                "this should not have happened: please report it with what the server logged";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", message).to_response()
        }
    }
}

/// Waits until `101` is written, then runs the session.
async fn session(upgrading: OnUpgrade, admitted: Box<dyn Admitted>) {
    let Ok(upgraded) = upgrading.await else {
        return;
    };
    if let Some(stream) = client_stream(upgraded) {
        admitted.run(stream).await;
    }
}

/// The stream that was given to hyper, with what it read ahead.
fn client_stream(upgraded: Upgraded) -> Option<ClientStream> {
    let parts = upgraded.downcast::<TokioIo<Patient>>().ok()?;
    let mut stream = parts.io.into_inner().into_inner();
    stream.unread(parts.read_buf.into());
    Some(stream)
}
