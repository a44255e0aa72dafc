//! A poll: an answer with the events that came, once there is one or the time is over.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::format::poll_body;
use super::head::head;
use super::pending::{Opened, PendingStream};
use super::refusal::StreamRefusal;
use super::session::{WRITE_BYTES, linger, poll_discard};
use crate::core::answers::AnswerPermit;
use crate::core::hub::CloseReason;
use crate::inbound::websocket::close_code;

/// The bytes of stored events after which an answer is complete; the last page may exceed them. The next
/// poll continues behind.
const ENOUGH_BYTES: usize = 256 * 1024;

/// What an answer contains.
#[derive(Default)]
struct Collected {
    events: Vec<u8>,
    gap: Vec<String>,
    /// The bytes of stored events, given back when the client has taken them.
    permits: Vec<AnswerPermit>,
}

/// Answers a poll and closes the connection.
pub(super) async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send>(
    pending: PendingStream,
    opened: Opened,
    seconds: u64,
    mut stream: S,
) {
    let gateway = &pending.gateway;
    let service = gateway.service();
    let mut collected = Collected::default();
    collected
        .gap
        .extend(opened.gap.iter().map(ToString::to_string));
    let result = match collect_stored(&pending, &opened, &mut collected).await {
        Ok(()) => {
            let wait = match collected.events.is_empty() && collected.gap.is_empty() {
                true => Duration::from_secs(seconds),
                false => Duration::ZERO,
            };
            let live = collect_live(&opened, &mut collected.events, &mut stream);
            timeout(wait, live).await.unwrap_or(Some(Ok(())))
        }
        Err(refusal) => Some(Err(refusal)),
    };
    let Opened {
        connection,
        request,
        positions,
        ..
    } = opened;
    let origin = pending.origin.as_deref();
    let answer = match &result {
        None => Vec::new(),
        Some(Err(refusal)) => refusal.to_bytes(origin),
        Some(Ok(())) => {
            let cursor = positions.cursor();
            let body = poll_body(&cursor, &collected.events, &collected.gap);
            let id = (connection.id(), cursor.as_str());
            let head = head(request.format, id, origin, Some(body.len()));
            [head.into_bytes(), body].concat()
        }
    };
    service.hub().metrics().closed(match result {
        None => "gone",
        Some(_) => "client",
    });
    service.disconnect(&connection).await;
    drop(connection);
    if result.is_none() {
        return;
    }
    service.hub().metrics().sent(0, answer.len() as u64);
    let cut_off = gateway.end_of_drain();
    let write = timeout(gateway.answer_time(), stream.write_all(&answer));
    if let Some(Ok(Ok(()))) = cut_off.run_until_cancelled(write).await {
        linger(stream, cut_off).await;
    }
}

/// Collects the stored events that the client has missed, as far as one answer has room.
async fn collect_stored(
    pending: &PendingStream,
    opened: &Opened,
    collected: &mut Collected,
) -> Result<(), StreamRefusal> {
    let (service, positions) = (pending.gateway.service(), &opened.positions);
    while let Some((channel, since)) = positions.next_behind() {
        if collected.events.len() >= ENOUGH_BYTES {
            return Ok(());
        }
        let page = service
            .missed(&opened.connection, &channel, since)
            .await
            .map_err(|error| StreamRefusal::history(&error))?;
        if !page.recovered {
            let first = page.events.first();
            let first = first.map_or(page.serial, |event| event.position.serial.saturating_sub(1));
            let from = if page.serial < since {
                page.serial
            } else {
                first.max(since)
            };
            positions.skip_to(&channel, from, &mut collected.events);
            collected.gap.push(channel.to_string());
        }
        for event in &page.events {
            positions.push_stored(event, &mut collected.events);
        }
        collected.permits.extend(page.permit);
        if !page.more {
            positions.end_behind(&channel, page.serial, &mut collected.events);
        }
    }
    Ok(())
}

/// Waits for live events. `None`: the client has gone.
async fn collect_live<S: AsyncRead + AsyncWrite + Unpin>(
    opened: &Opened,
    events: &mut Vec<u8>,
    stream: &mut S,
) -> Option<Result<(), StreamRefusal>> {
    poll_fn(|cx| {
        loop {
            let mut others = Vec::new();
            let mut live = Vec::new();
            let mailbox = opened.connection.mailbox();
            match mailbox.poll_render(cx, WRITE_BYTES, &mut live, &mut others) {
                Poll::Ready(Ok(_)) => {
                    if live.is_empty() {
                        continue;
                    }
                    if !events.is_empty() {
                        events.push(b',');
                    }
                    events.extend_from_slice(&live);
                    return Poll::Ready(Some(Ok(())));
                }
                // The client polls again, at another server.
                Poll::Ready(Err(CloseReason::Stopping)) => return Poll::Ready(Some(Ok(()))),
                Poll::Ready(Err(reason)) => {
                    let (_, text) = close_code(reason);
                    return Poll::Ready(Some(Err(StreamRefusal::closed(reason, text))));
                }
                Poll::Pending => {}
            }
            match poll_discard(stream, cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}
