//! One accepted connection: TLS handshake, first request head, then a session or HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::context::ListenerContext;
use super::error_response::ErrorResponse;
use super::head;
use super::http;
use super::http_limit::HttpConnectionPermit;
use super::stream::ClientStream;
use super::takeover::{self, AcceptedStream};
use super::upgrade::{AcceptedUpgrade, UpgradeError, UpgradeRequest};

/// The use of a connection after its first request head.
enum Established {
    /// An ordinary request; its head is unread again.
    Http(ClientStream, HttpConnectionPermit),
    /// An upgrade that was answered with `101`.
    WebSocket(Box<dyn AcceptedUpgrade>, ClientStream),
    /// A stream over plain HTTP, which is not answered yet.
    Stream(Box<dyn AcceptedStream>, ClientStream),
    /// Answered with an error, or closed by the client.
    Closed,
}

/// Serves a connection. A session is spawned as a separate task, HTTP is served to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, context: Arc<ListenerContext>) {
    // With Nagle's algorithm, each response to a pipelined request waits for the client's delayed
    // acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
    }
    let handlers = &context.handlers;
    let handshake = match handlers.handshakes.open(peer.ip(), &handlers.proxies) {
        Ok(permit) => permit,
        Err(refusal) => {
            tracing::debug!(%peer, limit = refusal.name(), "connection closed");
            return;
        }
    };
    // Each phase is boxed, so that the task is not as large as the largest of them.
    let establishing = Box::pin(timeout(
        handlers.handshake_timeout,
        establish(stream, peer, &context),
    ));
    let established = context.stop.run_until_cancelled(establishing).await;
    drop(handshake);
    match established {
        None => {}
        Some(Err(_)) => tracing::debug!(%peer, "handshake timeout"),
        Some(Ok(Err(error))) => tracing::debug!(%peer, %error, "handshake failed"),
        Some(Ok(Ok(Established::Closed))) => {}
        Some(Ok(Ok(Established::WebSocket(accepted, stream)))) => {
            handlers.sessions.spawn(accepted.run(stream));
        }
        Some(Ok(Ok(Established::Stream(accepted, stream)))) => {
            handlers.sessions.spawn(accepted.run(stream));
        }
        Some(Ok(Ok(Established::Http(stream, _permit)))) => {
            Box::pin(http::serve(stream, peer, context)).await;
        }
    }
}

/// Completes the TLS handshake, reads the first request head and answers it if it is an upgrade.
async fn establish(
    stream: TcpStream,
    peer: SocketAddr,
    context: &ListenerContext,
) -> io::Result<Established> {
    let mut stream = match &context.tls {
        Some(tls) => tls.accept(stream).await?,
        None => ClientStream::plain(stream),
    };
    let mut bytes = Vec::new();
    if !head::read(&mut stream, &mut bytes).await? {
        return Ok(Established::Closed);
    }
    match classify(&bytes, &stream, peer, context) {
        Ok(RequestKind::Http) => {
            let handlers = &context.handlers;
            match handlers.http_connections.open(peer.ip(), &handlers.proxies) {
                Ok(permit) => {
                    stream.push_back(bytes);
                    Ok(Established::Http(stream, permit))
                }
                Err(refusal) => {
                    tracing::debug!(%peer, limit = refusal.name(), "HTTP connection refused");
                    let response = ErrorResponse::too_many_connections(refusal).to_bytes();
                    respond_and_close(stream, &response).await
                }
            }
        }
        Ok(RequestKind::Upgrade {
            mut accepted,
            accept_key,
            head_length,
        }) => {
            if let Some(check) = accepted.check()
                && let Some(refusal) = check.await
            {
                let response = upgrade_error(peer, &UpgradeError::Refused(refusal));
                return respond_and_close(stream, &response).await;
            }
            bytes.drain(..head_length);
            bytes.shrink_to_fit();
            stream.push_back(bytes);
            let response = format!(
                "HTTP/1.1 101 Switching Protocols\r\n\
                 connection: Upgrade\r\n\
                 upgrade: websocket\r\n\
                 sec-websocket-accept: {accept_key}\r\n\r\n"
            );
            stream.write_all(response.as_bytes()).await?;
            stream.flush().await?;
            tracing::debug!(%peer, "upgraded");
            Ok(Established::WebSocket(accepted, stream))
        }
        Ok(RequestKind::Stream {
            accepted,
            head_length,
        }) => {
            bytes.drain(..head_length);
            bytes.shrink_to_fit();
            stream.push_back(bytes);
            Ok(Established::Stream(accepted, stream))
        }
        Err(response) => respond_and_close(stream, &response).await,
    }
}

async fn respond_and_close(mut stream: ClientStream, response: &[u8]) -> io::Result<Established> {
    stream.write_all(response).await?;
    stream.lingering_close(ClientStream::ERROR_LINGER).await;
    Ok(Established::Closed)
}

fn upgrade_error(peer: SocketAddr, error: &UpgradeError) -> Vec<u8> {
    let response = ErrorResponse::for_upgrade(error);
    tracing::debug!(%peer, status = response.status().as_u16(), "upgrade refused");
    response.to_bytes()
}

enum RequestKind {
    Http,
    Stream {
        accepted: Box<dyn AcceptedStream>,
        /// In bytes; what follows is not used.
        head_length: usize,
    },
    Upgrade {
        accepted: Box<dyn AcceptedUpgrade>,
        /// The value of `Sec-WebSocket-Accept`.
        accept_key: String,
        /// In bytes; what follows belongs to the session.
        head_length: usize,
    },
}

/// Parses a request head and decides who serves the request. `Err` is a complete error response,
/// after which the connection is closed.
fn classify(
    bytes: &[u8],
    stream: &ClientStream,
    peer: SocketAddr,
    context: &ListenerContext,
) -> Result<RequestKind, Vec<u8>> {
    let head = match head::parse(bytes) {
        Ok(Some(head)) => head,
        // Unreachable: `head::read` returns a complete head or an invalid one.
        Ok(None) => return Err(ErrorResponse::malformed("incomplete request head").to_bytes()),
        Err(response) => return Err(response.to_bytes()),
    };
    let handlers = &context.handlers;
    let (client, encryption) =
        handlers
            .proxies
            .client_info(peer.ip(), stream.is_tls(), &head.headers);
    let Some(upgrade) =
        UpgradeRequest::detect(&head.method, &head.uri, head.version, &head.headers)
    else {
        let accepted = takeover::detect(
            &*handlers.streams,
            (&head.method, &head.uri),
            &head.headers,
            client,
            encryption,
        );
        return Ok(match accepted {
            None => RequestKind::Http,
            Some(accepted) => RequestKind::Stream {
                accepted,
                head_length: head.length,
            },
        });
    };
    match upgrade.accept(&*handlers.upgrades, client, encryption) {
        Ok((accept_key, accepted)) => Ok(RequestKind::Upgrade {
            accepted,
            accept_key,
            head_length: head.length,
        }),
        Err(error) => Err(upgrade_error(peer, &error)),
    }
}
