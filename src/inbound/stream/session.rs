//! One stream: the loop between its mailbox and its socket.

use std::future::poll_fn;
use std::io;
use std::mem::{MaybeUninit, take};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::positions::Positions;
use crate::core::auth::random_53_bits;
use crate::core::hub::{CloseReason, Connection, MailboxItem};
use crate::core::model::ChannelName;
use crate::core::ports::ClosedBy;
use crate::core::service::{HistoryError, ReplayedEvents};
use crate::inbound::websocket::{Gateway, close_code, close_label};

/// The bytes of events that one write should have.
pub(super) const WRITE_BYTES: usize = 64 * 1024;

/// The time that a client has to read the last events.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// The same for a client that was closed because it did not read.
const SLOW_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The time for which, and the bytes up to which, the socket is read after the last event: dropping a
/// socket with unread bytes resets it, and the reset can discard the last event at the client.
const LINGER: Duration = Duration::from_secs(2);
const MAX_LINGER_BYTES: usize = 64 * 1024;

/// The seconds after which clients reconnect when the server stops.
const SPREAD: Range<u64> = 1..11;

/// Why a stream ends.
pub(super) enum StreamEnd {
    /// The client has closed it.
    Gone,
    /// The server closes it.
    Close(CloseReason),
    /// Stored events cannot be read: the client reconnects and continues.
    Failed(HistoryError),
}

/// What a session acts upon.
enum StreamTurn {
    End(StreamEnd),
    /// The channels that the user of this personal channel follows have changed.
    Follow(ChannelName),
}

/// One client of a stream.
pub(super) struct StreamSession<S> {
    gateway: Arc<Gateway>,
    connection: Connection,
    positions: Arc<Positions>,
    stream: S,
    out: Vec<u8>,
    /// How many bytes of `out` are written.
    written: usize,
    /// The personal channel whose aliases are read again; boxed, because most streams have none.
    changed: Option<Box<ChannelName>>,
    /// Whether publishers may write while this task is idle.
    direct_writes: bool,
    /// They may now.
    parked: bool,
}

/// A random number of milliseconds within these seconds, so that clients do not reconnect at once.
pub(super) fn reconnect_delay(seconds: Range<u64>) -> u64 {
    let (begin, end) = (seconds.start * 1000, seconds.end * 1000);
    // Without random numbers nothing else works either.
    begin + random_53_bits().unwrap_or(0) % (end - begin).max(1)
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> StreamSession<S> {
    /// A session that begins with the bytes of `out`.
    pub(super) fn new(
        gateway: Arc<Gateway>,
        (connection, positions): (Connection, Arc<Positions>),
        stream: S,
        out: Vec<u8>,
        direct_writes: bool,
    ) -> Self {
        Self {
            gateway,
            connection,
            positions,
            stream,
            out,
            written: 0,
            changed: None,
            direct_writes,
            parked: false,
        }
    }

    /// Serves the client until the stream ends.
    pub(super) async fn run(mut self: Box<Self>) {
        // The shutdown may have closed all connections before this one was registered.
        if self.gateway.is_stopping() {
            self.connection.mailbox().close(CloseReason::Stopping);
        }
        let end = match Box::pin(self.catch_up()).await {
            Ok(()) => loop {
                match poll_fn(|cx| self.poll_end(cx)).await {
                    StreamTurn::End(end) => break end,
                    StreamTurn::Follow(channel) => Box::pin(self.follow(&channel)).await,
                }
            },
            Err(end) => end,
        };
        Box::pin(self.finish(end)).await;
    }

    /// Receives the events of the channels that a user follows now. Where the store is unavailable, those
    /// of before stay.
    async fn follow(&mut self, channel: &ChannelName) {
        let (service, connection) = (self.gateway.service(), &self.connection);
        let mut left = Vec::new();
        let followed = service.refresh_personal(connection, channel, &mut left);
        if let Err(error) = followed.await {
            tracing::debug!(%error, "followed channels not read");
        }
    }

    /// Sends the stored events that the client has missed.
    async fn catch_up(&mut self) -> Result<(), StreamEnd> {
        self.flush().await?;
        while let Some((channel, since)) = self.positions.next_behind() {
            let service = Arc::clone(self.gateway.service());
            let page = service.missed(&self.connection, &channel, since).await;
            let page = page.map_err(StreamEnd::Failed)?;
            let ReplayedEvents {
                events,
                recovered,
                serial,
                more,
                permit,
                ..
            } = page;
            if !recovered {
                let first = events
                    .first()
                    .map_or(serial, |event| event.position.serial.saturating_sub(1));
                let from = if serial < since {
                    serial
                } else {
                    first.max(since)
                };
                self.positions.skip_to(&channel, from, &mut self.out);
            }
            let count = events.len() as u64;
            for event in events {
                let before = self.out.len();
                self.positions.push_stored(&event, &mut self.out);
                let bytes = self.out.len() - before;
                service.hub().metrics().sent(0, bytes as u64);
                if self.out.len() >= WRITE_BYTES {
                    self.flush().await?;
                }
            }
            service.hub().metrics().sent(count, 0);
            if !more {
                self.positions.end_behind(&channel, serial, &mut self.out);
            }
            self.flush().await?;
            drop(permit);
            self.drain().await?;
        }
        Ok(())
    }

    /// Takes what the mailbox has, so that it is not full of events that later pages contain.
    async fn drain(&mut self) -> Result<(), StreamEnd> {
        while let Poll::Ready(taken) = poll_fn(|cx| Poll::Ready(self.poll_take(cx))).await {
            taken.map_err(StreamEnd::Close)?;
            self.flush().await?;
        }
        if self.positions.is_overfull() {
            return Err(StreamEnd::Close(CloseReason::SlowReader));
        }
        Ok(())
    }

    /// Writes everything that is in `out`; a client that takes nothing for too long is closed.
    async fn flush(&mut self) -> Result<(), StreamEnd> {
        let limit = self.gateway.answer_time();
        while !self.out.is_empty() {
            let progress = poll_fn(|cx| match self.poll_write(cx) {
                Poll::Ready(result) => Poll::Ready(result.map_err(|_| StreamEnd::Gone)),
                Poll::Pending => {
                    let mailbox = self.connection.mailbox();
                    mailbox
                        .poll_closed(cx)
                        .map(|reason| Err(StreamEnd::Close(reason)))
                }
            });
            match timeout(limit, progress).await {
                Ok(result) => result?,
                Err(_) => return Err(StreamEnd::Close(CloseReason::SlowReader)),
            }
        }
        Ok(())
    }

    /// Writes once; ready when something was written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let rest = self.out.get(self.written..).unwrap_or_default();
        if !rest.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        if self.written == self.out.len() {
            // Freed: most streams are idle most of the time.
            self.out = Vec::new();
            self.written = 0;
            return Pin::new(&mut self.stream).poll_flush(cx);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes items of the mailbox into `out`, which is empty.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        let mut others = Vec::new();
        let mailbox = self.connection.mailbox();
        let events = match ready!(mailbox.poll_render(cx, WRITE_BYTES, &mut self.out, &mut others))
        {
            Ok(events) => events,
            Err(reason) => return Poll::Ready(Err(reason)),
        };
        if events > 0 {
            let metrics = self.gateway.service().hub().metrics();
            metrics.sent(events, self.out.len() as u64);
        }
        for item in others {
            match item {
                MailboxItem::Ping => {
                    // The next comment follows after as many seconds.
                    mailbox.record_received();
                    let comment = self.positions.format().keep_alive();
                    self.out.extend_from_slice(comment);
                }
                MailboxItem::AliasesChanged(channel) => self.changed = Some(channel),
                _ => {}
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<StreamTurn> {
        if take(&mut self.parked) {
            self.connection.mailbox().unpark();
        }
        let end = self.poll_both(cx);
        if end.is_pending() && self.out.is_empty() && self.direct_writes {
            self.connection.mailbox().park();
            self.parked = true;
        }
        end
    }

    fn poll_both(&mut self, cx: &mut Context<'_>) -> Poll<StreamTurn> {
        let ended = |end| Poll::Ready(StreamTurn::End(end));
        loop {
            while !self.out.is_empty() {
                match self.poll_write(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return ended(StreamEnd::Gone),
                    // The client does not read; it may be closed for that.
                    Poll::Pending => {
                        let mailbox = self.connection.mailbox();
                        let closed = mailbox.poll_closed(cx);
                        return closed.map(|reason| StreamTurn::End(StreamEnd::Close(reason)));
                    }
                }
            }
            if let Some(channel) = self.changed.take() {
                return Poll::Ready(StreamTurn::Follow(*channel));
            }
            match self.poll_take(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(reason)) => return ended(StreamEnd::Close(reason)),
                Poll::Pending => match ready!(poll_discard(&mut self.stream, cx)) {
                    Ok(1..) => {}
                    Ok(0) | Err(_) => return ended(StreamEnd::Gone),
                },
            }
        }
    }

    async fn finish(self: Box<Self>, end: StreamEnd) {
        let Self {
            gateway,
            connection,
            positions,
            mut stream,
            mut out,
            written,
            ..
        } = *self;
        let service = gateway.service();
        let metrics = service.hub().metrics();
        let (reason, (code, text)) = match &end {
            StreamEnd::Gone => {
                metrics.closed("gone");
                let text = "the client has closed the connection";
                service.record_close(&connection, 1006, text, ClosedBy::Client);
                service.disconnect(&connection).await;
                return;
            }
            StreamEnd::Close(CloseReason::NotSignedIn) => {
                let text = "the token has expired: connect again with a new one";
                (CloseReason::NotSignedIn, (4009, text))
            }
            StreamEnd::Close(reason) => (*reason, close_code(*reason)),
            StreamEnd::Failed(error) => {
                tracing::debug!(%error, "missed events cannot be read");
                let text = "stored events cannot be read: connect again and continue";
                (CloseReason::SlowReader, (4320, text))
            }
        };
        tracing::debug!(stream = %connection.id(), code, "closing");
        metrics.closed(close_label(Some(code)));
        metrics.error_sent(code);
        service.record_close(&connection, code, text, ClosedBy::Server);
        service.disconnect(&connection).await;
        // Frees its slot before the last event, which a client can delay.
        drop(connection);
        let last = positions
            .format()
            .last_event((code, text), reason, reconnect_delay(SPREAD));
        out.drain(..written);
        out.extend_from_slice(last.as_bytes());
        let limit = match end {
            StreamEnd::Close(CloseReason::SlowReader) => SLOW_FLUSH_TIMEOUT,
            _ => FLUSH_TIMEOUT,
        };
        let cut_off = gateway.end_of_drain();
        let write = timeout(limit, stream.write_all(&out));
        if let Some(Ok(Ok(()))) = cut_off.run_until_cancelled(write).await {
            linger(stream, cut_off).await;
        }
    }
}

/// Reads and discards; `Ok(0)` is the end.
pub(super) fn poll_discard(
    stream: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    // On the stack, so that no stream's task keeps it.
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut buffer = ReadBuf::uninit(&mut buffer);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// Closes a connection whose last bytes are written.
pub(super) async fn linger(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    cut_off: &CancellationToken,
) {
    let closing = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut read = 0;
        while let Ok(count) = poll_fn(|cx| poll_discard(&mut stream, cx)).await {
            read += count;
            if count == 0 || read > MAX_LINGER_BYTES {
                return;
            }
        }
    };
    cut_off.run_until_cancelled(timeout(LINGER, closing)).await;
}
