//! The link between a connection's mailbox and its stream: polls both, writes frames, and returns
//! what the session handles.

use std::future::poll_fn;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::delivery::{DeliveryQueue, DeliveryStep};
use crate::core::answers::AnswerPermit;
use crate::core::hub::{Broadcast, CloseReason, Connection, Mailbox, Receipt};
use crate::core::model::{ChannelName, SocketId};
use crate::core::ports::DialectId;
use crate::inbound::websocket::dialect::pusher;
use crate::inbound::websocket::stream::WebSocketStream;

/// The number of queued bytes that one write should have; further items stay shared with other
/// mailboxes until then.
const WRITE_BYTES: usize = 64 * 1024;

/// What the session handles.
pub(super) enum LinkEvent {
    /// A message of the client, or why it could not be read.
    Message(Result<Message, Error>),
    /// A publish of this socket was settled.
    Receipt(Box<Receipt>),
    /// The channels that the user of this personal channel follows changed.
    AliasesChanged(Box<ChannelName>),
    /// The app's limit for messages changed.
    LimitChanged,
    /// The server closes the connection.
    Close(CloseReason),
    /// The stream cannot be written.
    Broken,
}

/// The bytes of an answer that a client must take within the answer timeout.
pub(super) const ANSWER_PART: usize = 64 * 1024;

/// Answers that the client has not taken yet.
pub(super) struct UnreadAnswer {
    /// Their bytes, given back once all are taken: with the drop.
    permits: Vec<AnswerPermit>,
    /// The answer timeout in seconds.
    seconds: u16,
    /// The bytes that were queued when the deadline was set last.
    queued: usize,
}

/// The stream of one connection, and what has been written to it.
pub(super) struct Link<S> {
    stream: WebSocketStream<S>,
    /// Whether publishers may write while this task is idle.
    direct_writes: bool,
    /// They may now.
    parked: bool,
    closing: Option<CloseReason>,
    /// Frames and bytes that are not yet counted in the metrics.
    sent: (u64, u64),
    unread: Option<Box<UnreadAnswer>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// With `direct_writes`, publishers may write while this task is idle, through the mailbox's
    /// direct writer.
    pub(super) fn new(stream: WebSocketStream<S>, direct_writes: bool) -> Self {
        Self {
            stream,
            direct_writes,
            parked: false,
            closing: None,
            sent: (0, 0),
            unread: None,
        }
    }

    /// The stream, to queue frames of the session itself.
    pub(super) fn stream(&mut self) -> &mut WebSocketStream<S> {
        &mut self.stream
    }

    /// Ends the link.
    pub(super) fn into_parts(self) -> (WebSocketStream<S>, Option<Box<UnreadAnswer>>) {
        (self.stream, self.unread)
    }

    /// An answer of `bytes` was queued. They are pending bytes of the mailbox, which closes the connection when the client
    /// does not take [`ANSWER_PART`] of them in `seconds`.
    pub(super) fn start_answer(
        &mut self,
        mailbox: &Mailbox,
        bytes: usize,
        permits: impl IntoIterator<Item = AnswerPermit>,
        seconds: u16,
    ) {
        mailbox.add_answer(bytes);
        let unread = self.unread.get_or_insert_with(|| {
            Box::new(UnreadAnswer {
                permits: Vec::new(),
                seconds,
                queued: usize::MAX,
            })
        });
        unread.permits.extend(permits);
    }

    /// Sends items of the mailbox until there is something for the session. Messages are read only
    /// with `read`.
    pub(super) fn next(
        &mut self,
        connection: &Connection,
        deliveries: &mut DeliveryQueue,
        read: bool,
    ) -> impl Future<Output = LinkEvent> {
        poll_fn(move |cx| self.poll_next(cx, connection, deliveries, read))
    }

    /// See [`Link::next`].
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        deliveries: &mut DeliveryQueue,
        read: bool,
    ) -> Poll<LinkEvent> {
        if std::mem::take(&mut self.parked) {
            connection.mailbox().unpark();
        }
        let event = self.poll_both(cx, connection, deliveries, read);
        let idle = event.is_pending() && self.stream.queued() == 0 && deliveries.is_pass_through();
        if idle && self.direct_writes {
            connection.mailbox().park();
            self.parked = true;
        }
        event
    }

    fn poll_both(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        deliveries: &mut DeliveryQueue,
        read: bool,
    ) -> Poll<LinkEvent> {
        loop {
            // Items stay in the mailbox, where their bytes are counted, while the client does not
            // read.
            if let Poll::Ready(event) = self.poll_mailbox(cx, connection, deliveries) {
                return Poll::Ready(event);
            }
            if !read || self.stream.queued() > WRITE_BYTES {
                return Poll::Pending;
            }
            match self.stream.poll_message(cx) {
                Poll::Ready(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    connection.mailbox().record_received()
                }
                Poll::Ready(message) => return Poll::Ready(LinkEvent::Message(message)),
                // tungstenite queues the answer to a ping when it is polled for the next message.
                Poll::Pending if self.stream.queued() > 0 => {
                    let broken = matches!(self.stream.poll_flush(cx), Poll::Ready(Err(_)));
                    return if broken {
                        Poll::Ready(LinkEvent::Broken)
                    } else {
                        Poll::Pending
                    };
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_mailbox(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        deliveries: &mut DeliveryQueue,
    ) -> Poll<LinkEvent> {
        let mailbox = connection.mailbox();
        loop {
            match self.stream.poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    if self.unread.take().is_some() {
                        mailbox.set_answer_deadline(0);
                    }
                }
                Poll::Ready(Err(_)) => return Poll::Ready(LinkEvent::Broken),
                // The client does not read; it may be closed for that.
                Poll::Pending => {
                    self.watch_answer(mailbox);
                    return mailbox.poll_closed(cx).map(LinkEvent::Close);
                }
            }
            if let Some(event) = self.queue_items(deliveries, mailbox.dialect(), connection.id()) {
                return Poll::Ready(event);
            }
            if self.stream.queued() > 0 {
                continue;
            }
            if let Some(reason) = self.closing {
                return Poll::Ready(LinkEvent::Close(reason));
            }
            match deliveries.fill(|taken| connection.poll_take(cx, taken)) {
                Poll::Ready(closing) => self.closing = closing,
                Poll::Pending => {
                    if self.sent.0 > 0 {
                        connection.metrics().sent(self.sent.0, self.sent.1);
                        self.sent = (0, 0);
                    }
                    deliveries.shrink();
                    return Poll::Pending;
                }
            }
            if self.closing == Some(CloseReason::SlowReader) {
                return Poll::Ready(LinkEvent::Close(CloseReason::SlowReader));
            }
        }
    }

    /// Sets the deadline for the next part of an answer, once the client has taken the part before.
    fn watch_answer(&mut self, mailbox: &Mailbox) {
        let Some(unread) = &mut self.unread else {
            return;
        };
        let queued = self.stream.queued();
        if queued <= unread.queued.saturating_sub(ANSWER_PART) {
            unread.queued = queued;
            mailbox.set_answer_deadline(unread.seconds);
        }
    }

    /// Queues frames until there are enough bytes for one write, or something for the session.
    fn queue_items(
        &mut self,
        deliveries: &mut DeliveryQueue,
        dialect: DialectId,
        id: SocketId,
    ) -> Option<LinkEvent> {
        while self.stream.queued() < WRITE_BYTES {
            match deliveries.pop(dialect)? {
                DeliveryStep::Frame(broadcast) => {
                    if let Some(frame) = broadcast.frame(dialect) {
                        self.sent = (self.sent.0 + 1, self.sent.1 + frame.len() as u64);
                        self.stream.queue(frame);
                    }
                }
                DeliveryStep::MemberChanges(broadcast, known) => {
                    self.queue_changes(&broadcast, known, dialect, id)
                }
                DeliveryStep::Rest(rest) => self.stream.queue(&rest),
                DeliveryStep::Ping => match dialect {
                    DialectId::Pushi | DialectId::Stream => self.stream.queue_ping(),
                    DialectId::Pusher => self.stream.queue(&pusher::ping()),
                },
                DeliveryStep::Receipt(receipt) => return Some(LinkEvent::Receipt(receipt)),
                DeliveryStep::AliasesChanged(channel) => {
                    return Some(LinkEvent::AliasesChanged(channel));
                }
                DeliveryStep::LimitChanged => return Some(LinkEvent::LimitChanged),
                DeliveryStep::Overflow => return Some(LinkEvent::Close(CloseReason::SlowReader)),
            }
        }
        None
    }

    /// Queues the changes of a presence channel that the client does not have; all of them are one
    /// piece of memory.
    fn queue_changes(
        &mut self,
        broadcast: &Broadcast,
        known: Option<u64>,
        dialect: DialectId,
        id: SocketId,
    ) {
        let wanted = || {
            broadcast
                .changes(dialect)
                .filter(|(change, _)| change.is_for(id, known))
        };
        let (mut count, mut bytes) = (0, 0);
        for (_, frame) in wanted() {
            (count, bytes) = (count + 1, bytes + frame.len());
        }
        self.sent = (self.sent.0 + count, self.sent.1 + bytes as u64);
        match broadcast.frame(dialect) {
            Some(frames) if frames.len() == bytes => self.stream.queue(frames),
            _ => wanted().for_each(|(_, frame)| self.stream.queue(frame)),
        }
    }
}
