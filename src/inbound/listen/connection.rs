//! One connection, until it is known what it is for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer::Problem;
use super::head;
use super::http;
use super::site::{ListenerRole, Site};
use super::stream::ClientStream;
use super::tls::TlsSource;
use super::upgrade::{Admitted, Declined, UpgradeRequest};

/// What all connections of a listener share.
pub struct Door {
    pub site: Arc<Site>,
    pub role: ListenerRole,
    pub tls: Option<TlsSource>,
    pub local: SocketAddr,
    /// No further request is taken.
    pub stop: CancellationToken,
    /// Nothing is waited for any more.
    pub kill: CancellationToken,
}

/// What a connection turned out to be for.
enum Purpose {
    Http(ClientStream),
    Session(Box<dyn Admitted>, ClientStream),
    /// It has been answered, or has gone.
    Nothing,
}

/// Serves a connection: a session is spawned, HTTP is served to its end.
pub async fn serve(stream: TcpStream, peer: SocketAddr, door: Arc<Door>) {
    // Without it every answer to a pipelined request waits for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "TCP_NODELAY cannot be set");
    }
    // The phases are boxed apart, so that none carries the other's size.
    let greeting = Box::pin(timeout(door.site.handshake, greet(stream, peer, &door)));
    match door.stop.run_until_cancelled(greeting).await {
        None => {}
        Some(Err(_)) => {
            tracing::debug!(%peer, "closed: the TLS handshake and request head took too long")
        }
        Some(Ok(Err(error))) => tracing::debug!(%peer, %error, "closed before a request"),
        Some(Ok(Ok(Purpose::Nothing))) => {}
        Some(Ok(Ok(Purpose::Session(admitted, stream)))) => {
            door.site.sessions.spawn(admitted.run(stream));
        }
        Some(Ok(Ok(Purpose::Http(stream)))) => Box::pin(http::serve(stream, peer, door)).await,
    }
}

/// TLS, and the first request head.
async fn greet(stream: TcpStream, peer: SocketAddr, door: &Door) -> io::Result<Purpose> {
    let mut stream = match &door.tls {
        Some(tls) => tls.accept(stream).await?,
        None => ClientStream::plain(stream),
    };
    let mut bytes = Vec::new();
    if !head::read(&mut stream, &mut bytes).await? {
        return Ok(Purpose::Nothing);
    }
    match judge(&bytes, &stream, peer, door) {
        Ok(Verdict::Http) => {
            stream.unread(bytes);
            Ok(Purpose::Http(stream))
        }
        Ok(Verdict::Upgrade {
            mut admitted,
            accept,
            length,
        }) => {
            if let Some(asking) = admitted.refusal()
                && let Some(refusal) = asking.await
            {
                return send_off(stream, &declined_bytes(peer, &Declined::Refused(refusal))).await;
            }
            bytes.drain(..length);
            bytes.shrink_to_fit();
            stream.unread(bytes);
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await?;
            tracing::debug!(%peer, "upgraded");
            Ok(Purpose::Session(admitted, stream))
        }
        Err(answer) => send_off(stream, &answer).await,
    }
}

/// The last answer on a connection.
async fn send_off(mut stream: ClientStream, answer: &[u8]) -> io::Result<Purpose> {
    stream.write_all(answer).await?;
    stream.close_gently().await;
    Ok(Purpose::Nothing)
}

fn declined_bytes(peer: SocketAddr, declined: &Declined) -> Vec<u8> {
    let problem = Problem::declined(declined);
    tracing::debug!(%peer, status = problem.status().as_u16(), "upgrade declined");
    problem.to_bytes()
}

enum Verdict {
    Http,
    Upgrade {
        admitted: Box<dyn Admitted>,
        accept: String,
        length: usize,
    },
}

/// What the head asks for; `Err` is an answer that ends the connection.
fn judge(
    bytes: &[u8],
    stream: &ClientStream,
    peer: SocketAddr,
    door: &Door,
) -> Result<Verdict, Vec<u8>> {
    let head = match head::parse(bytes) {
        Ok(Some(head)) => head,
        // `head::read` has read a whole head or what cannot be one.
        Ok(None) => return Err(Problem::malformed("the request head is not whole").to_bytes()),
        Err(problem) => return Err(problem.to_bytes()),
    };
    let Some(upgrade) = UpgradeRequest::of(&head.method, &head.uri, head.version, &head.headers)
    else {
        return Ok(Verdict::Http);
    };
    let client = door
        .site
        .proxies
        .client(peer.ip(), stream.is_tls(), &head.headers);
    match upgrade.judge(&*door.site.sockets, client) {
        Ok((accept, admitted)) => Ok(Verdict::Upgrade {
            admitted,
            accept,
            length: head.length,
        }),
        Err(declined) => Err(declined_bytes(peer, &declined)),
    }
}
