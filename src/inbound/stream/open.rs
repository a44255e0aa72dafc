//! The beginning of a stream: the client is connected, subscribed, and answered.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::format::StreamFormat;
use super::head::head;
use super::pending::{Opened, PendingStream};
use super::poll;
use super::positions::Positions;
use super::refusal::StreamRefusal;
use super::request::{MAX_CHANNELS, StreamRequest, StreamStart};
use super::session::{StreamSession, linger, reconnect_delay};
use crate::core::hub::{Connection, DirectWriter};
use crate::core::model::{ChannelKind, ChannelName};
use crate::core::ports::DialectId;
use crate::core::service::{ConnectError, Connecting, Service, Since, Subscribe};

/// How long a client has to take the answer to a request that is refused.
const REFUSAL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Answers a request for a stream. `None`: it was refused, was a poll, or the client has gone.
pub(super) async fn open<S: AsyncRead + AsyncWrite + Unpin + Send>(
    pending: Box<PendingStream>,
    direct_writer: Option<Arc<dyn DirectWriter>>,
    mut stream: S,
) -> Option<Box<StreamSession<S>>> {
    let opened = match subscribe(&pending).await {
        Ok(opened) => opened,
        Err((refusal, is_readable)) => {
            let origin = pending.origin.as_deref().filter(|_| is_readable);
            let answer = refusal.to_bytes(origin);
            let written = timeout(REFUSAL_TIMEOUT, stream.write_all(&answer)).await;
            if matches!(written, Ok(Ok(()))) {
                linger(stream, pending.gateway.end_of_drain()).await;
            }
            return None;
        }
    };
    if let Some(seconds) = opened.request.wait {
        Box::pin(poll::answer(*pending, opened, seconds, stream)).await;
        return None;
    }
    let Opened {
        connection,
        request,
        positions,
        gap,
    } = opened;
    let cursor = positions.cursor();
    let origin = pending.origin.as_deref();
    let mut out = head(request.format, (connection.id(), &cursor), origin, None).into_bytes();
    if request.format == StreamFormat::EventStream {
        out.extend_from_slice(format!("retry: {}\n", reconnect_delay(1..4)).as_bytes());
        // A browser keeps the position also where no event follows. Other parsers may report an event
        // without data; their users read the header.
        if pending.is_browser {
            out.extend_from_slice(format!("id: {cursor}\n\n").as_bytes());
        }
    }
    if !gap.is_empty() {
        positions.push_gap(&gap, &mut out);
    }
    let direct_writes = direct_writer.is_some();
    if let Some(writer) = direct_writer {
        connection.mailbox().set_writer(writer);
    }
    let gateway = Arc::clone(&pending.gateway);
    Some(Box::new(StreamSession::new(
        gateway,
        (connection, positions),
        stream,
        out,
        direct_writes,
    )))
}

/// Connects the client and subscribes it to its channels. The error is with whether a page of another
/// origin may read it.
async fn subscribe(pending: &PendingStream) -> Result<Opened, (StreamRefusal, bool)> {
    let gateway = &pending.gateway;
    let service = gateway.service();
    if gateway.is_stopping() {
        let message = "the server is stopping: connect again";
        return Err((StreamRefusal::unavailable(message), true));
    }
    let limits = &service.rules().limits;
    let request =
        StreamRequest::parse(&pending.texts, limits).map_err(|refusal| (refusal, true))?;
    let connecting = Connecting {
        key: &pending.key,
        origin: pending.origin.as_deref(),
        encryption: pending.encryption,
        dialect: DialectId::Stream,
        address: pending.ip,
    };
    let connection = service.connect(connecting).await.map_err(|error| {
        tracing::debug!(code = error.code(), "stream refused");
        match &error {
            ConnectError::Storage(cause) => {
                tracing::error!(error = cause.chain(), "app lookup failed");
            }
            ConnectError::TlsUnstated => gateway.warn_of_unstated_tls(),
            _ => {}
        }
        let is_readable = !matches!(error, ConnectError::Origin);
        (StreamRefusal::connect(&error), is_readable)
    })?;
    match join(service, &connection, &request).await {
        Ok((positions, gap)) => Ok(Opened {
            connection,
            request,
            positions,
            gap,
        }),
        Err(refusal) => {
            service.hub().metrics().closed("not_authorised");
            service.disconnect(&connection).await;
            Err((refusal, true))
        }
    }
}

/// Subscribes a connection to the channels of a request, and determines its positions.
async fn join(
    service: &Arc<Service>,
    connection: &Connection,
    request: &StreamRequest,
) -> Result<(Arc<Positions>, Vec<ChannelName>), StreamRefusal> {
    if let Some(token) = &request.token {
        let mut ended = Vec::new();
        let held = service.hold_token(connection, token, &mut ended);
        let left = held
            .await
            .map_err(|error| StreamRefusal::token(&error))?
            .left;
        // The stream ends with its token. The first second of the shared timer is shorter.
        let seconds = u32::try_from(left.as_secs()).unwrap_or(u32::MAX);
        let mailbox = connection.mailbox();
        mailbox.set_sign_in_deadline(seconds.saturating_add(1));
    }
    if connection.app().settings.require_signin && connection.signed_in().is_none() {
        return Err(StreamRefusal::not_signed_in());
    }
    let mut versions = Vec::new();
    let mut followed = Vec::new();
    for channel in &request.channels {
        let subscribe = Subscribe {
            channel: channel.clone(),
            auth: None,
            channel_data: None,
            since: (channel.kind() == ChannelKind::Personal).then_some(Since::Now),
            follow: false,
            paging: false,
        };
        let subscribed = service
            .subscribe(connection, &subscribe, &mut Vec::new())
            .await
            .map_err(|error| StreamRefusal::subscribe(&error, request.token.is_some()))?;
        versions.extend(subscribed.versions);
        followed.extend(subscribed.alias);
    }
    let channels = positioned(&request.channels, followed);
    let heads = service
        .serials(connection, &channels)
        .await
        .map_err(|error| StreamRefusal::history(&error))?;
    let mut start = request.start.clone();
    let mut gap = Vec::new();
    let channels = channels.iter().zip(heads).map(|(channel, head)| {
        let (since, continues) = match &mut start {
            StreamStart::Now => (None, false),
            StreamStart::Unknown => (None, true),
            StreamStart::After(cursor) => (cursor.take(channel), true),
            StreamStart::Serials(serials) => {
                let since = serials.get(channel.as_str()).copied();
                (since, since.is_some())
            }
        };
        match since {
            Some(since) if since <= head => (channel.clone(), since, since < head),
            _ => {
                gap.extend(continues.then(|| channel.clone()));
                (channel.clone(), head, false)
            }
        }
    });
    let channels: Vec<_> = channels.collect();
    let max_held = service.rules().limits.pending_bytes;
    let positions = Positions::new(connection.id(), request.format, max_held, channels);
    for (channel, version) in &versions {
        positions.set_version(channel, *version);
    }
    let positions = Arc::new(positions);
    connection
        .mailbox()
        .set_renderer(Arc::clone(&positions) as Arc<_>);
    Ok((positions, gap))
}

/// The channels with a position, sorted by name: those of the request, and as many that its users follow.
fn positioned(named: &[ChannelName], followed: Vec<ChannelName>) -> Vec<ChannelName> {
    let by_name = |one: &ChannelName, other: &ChannelName| one.as_str().cmp(other.as_str());
    let mut followed: Vec<_> = followed
        .into_iter()
        .filter(|channel| !named.contains(channel))
        .collect();
    followed.sort_unstable_by(by_name);
    followed.dedup();
    followed.truncate(MAX_CHANNELS.saturating_sub(named.len()));
    let mut channels = [named, followed.as_slice()].concat();
    channels.sort_unstable_by(by_name);
    channels
}
