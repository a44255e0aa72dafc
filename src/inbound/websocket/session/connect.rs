//! The start of a session: the client is connected to its app or refused.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;

use super::ClientSession;
use super::close::SessionEnd;
use super::link::Link;
use super::state::SessionState;
use crate::core::hub::DirectWriter;
use crate::core::model::Secret;
use crate::core::ports::DialectId;
use crate::core::service::{ConnectError, Connecting};
use crate::inbound::websocket::Gateway;
use crate::inbound::websocket::dialect::{self, ErrorFrame, RequestContext};
use crate::inbound::websocket::stream::{self, WebSocketStream};

/// The largest message in bytes where no limit is configured: a frame header must not make the
/// server reserve all memory.
const MAX_MESSAGE: usize = 256 * 1024 * 1024;

/// How long the close with 4000 is delayed. pusher-js connects again by TLS without a pause; where a
/// proxy states plain HTTP for each connection, that would be a loop.
const TLS_ONLY_DELAY: Duration = Duration::from_secs(1);

/// A message limit for the stream; 0 means none.
pub(super) fn message_limit(limit: u64) -> usize {
    match usize::try_from(limit) {
        Ok(0) | Err(_) => MAX_MESSAGE,
        Ok(limit) => limit.min(MAX_MESSAGE),
    }
}

/// Connects a client to its app; `None`: it was refused. With `token`, the client holds it from the
/// start. With `direct_writer`, publishers may write to the client.
pub(crate) async fn connect<S: AsyncRead + AsyncWrite + Unpin + Send>(
    gateway: Arc<Gateway>,
    connecting: Connecting<'_>,
    token: Option<Secret>,
    direct_writer: Option<Arc<dyn DirectWriter>>,
    stream: S,
) -> Option<Box<ClientSession<S>>> {
    let limits = &gateway.service.rules().limits;
    let mut stream = WebSocketStream::new(stream, message_limit(limits.message_bytes));
    let connection = match gateway.service.connect(connecting).await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(code = error.code(), "connection refused");
            match &error {
                ConnectError::Storage(cause) => {
                    tracing::error!(error = cause.chain(), "app lookup failed");
                }
                ConnectError::TlsUnstated => gateway.warn_of_unstated_tls(),
                ConnectError::TlsOnly => sleep(TLS_ONLY_DELAY).await,
                _ => {}
            }
            let (dialect, message) = (connecting.dialect, error.to_string());
            refuse(&gateway, stream, dialect, error.code(), message).await;
            return None;
        }
    };
    tracing::debug!(socket = %connection.id(), "connected");
    stream.queue(&dialect::connection_established(
        connecting.dialect,
        connection.id(),
        gateway.activity_timeout(),
    ));
    let direct_writes = direct_writer.is_some();
    if let Some(writer) = direct_writer {
        connection.mailbox().set_writer(writer);
    }
    let mut session = Box::new(ClientSession {
        link: Link::new(stream, direct_writes),
        state: SessionState::new(limits.pending_bytes),
        gateway: Arc::clone(&gateway),
        connection,
    });
    if let Some(token) = token
        && let Some(end) = session.hold_token(&token, RequestContext::default()).await
    {
        session.finish(end).await;
        return None;
    }
    Some(session)
}

/// Refuses a client before its app is looked up.
pub(crate) async fn reject<S>(
    gateway: Arc<Gateway>,
    dialect: DialectId,
    code: u16,
    message: String,
    stream: S,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let limit = message_limit(gateway.service.rules().limits.message_bytes);
    let stream = WebSocketStream::new(stream, limit);
    refuse(&gateway, stream, dialect, code, message).await;
}

/// Sends an error frame and the close frame.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    gateway: &Gateway,
    mut stream: WebSocketStream<S>,
    dialect: DialectId,
    code: u16,
    message: String,
) {
    let error = ErrorFrame::new(code, message.as_str());
    stream.queue(&dialect::error(dialect, &error));
    if let SessionEnd::Close(frame) = SessionEnd::close(code, message) {
        Box::pin(stream::close(stream, frame, &gateway.cut_off)).await;
    }
}
