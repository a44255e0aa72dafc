//! From a connection's mailbox to its socket: what is dropped, what is held back, what is written.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::dialect::pusher;
use super::seen::Seen;
use super::socket::Socket;
use crate::core::hub::{Broadcast, CloseReason, Connection, MailboxItem, Receipt};
use crate::core::model::{ChannelName, Mid, PeerChannel, SocketId};
use crate::core::ports::{DialectId, Metrics};

/// Bytes gathered before a write; what waits behind stays shared in the mailbox's parcels until then.
const CHUNK: usize = 64 * 1024;

/// So many channels that were just left, or all that were left at once, are remembered: what was on its way from them is
/// dropped.
const LEFT: usize = 16;

/// Parcels' memory that an idle connection may keep.
const KEPT_PARCELS: usize = 16;

/// What the session has to do itself.
pub enum Turn {
    /// The client said something.
    Message(Result<Message, Error>),
    /// A publish of this socket has been settled.
    Receipt(Box<Receipt>),
    /// The user of this personal channel follows other channels now.
    AliasesChanged(Box<ChannelName>),
    /// The app's limit for messages changed.
    LimitChanged,
    /// The server ends the connection.
    Close(CloseReason),
    /// The socket is broken.
    Broken,
}

/// What is held back while an answer is prepared that must come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Nothing.
    Nothing,
    /// What is about this channel; of a presence channel, about the peer channels that follow from it, too.
    Channel(ChannelName),
    /// What is about any channel but these, and the peer channels that follow from them.
    AllBut(HashSet<ChannelName>),
}

/// Cache channels whose last event came with the subscription; apart, since most clients need none.
#[derive(Default)]
struct LastHad(HashMap<ChannelName, Had>);

/// The event that came with a subscription.
struct Had {
    mid: Mid,
    /// What it covers is past; only itself can still come, by way of another node.
    past: bool,
    /// It has come, and was dropped.
    seen: bool,
}

impl LastHad {
    /// Whether the client has had this event, or a later one.
    fn covers(&mut self, channel: &ChannelName, mid: &Mid) -> bool {
        let Some(had) = self.0.get_mut(channel) else {
            return false;
        };
        let is_it = had.mid == *mid;
        had.seen |= is_it;
        let covers = is_it || !had.past;
        if had.seen && had.past {
            self.0.remove(channel);
        }
        covers
    }

    fn pass(&mut self, channel: &ChannelName) {
        if let Some(had) = self.0.get_mut(channel) {
            had.past = true;
            if had.seen {
                self.0.remove(channel);
            }
        }
    }
}

/// From a connection's mailbox to its socket.
pub struct Link<S> {
    /// The socket.
    pub socket: Socket<S>,
    /// Up to which serial a channel's events have been answered; only of channels subscribed with `since`.
    pub covered: HashMap<ChannelName, u64>,
    /// Up to which version a presence channel's changes have been answered.
    pub versions: HashMap<ChannelName, u64>,
    /// Up to which version the changes of watched users have been answered.
    pub watched: u64,
    /// The last events of cache channels that came with their subscriptions.
    had: Option<Box<LastHad>>,
    taken: VecDeque<MailboxItem>,
    /// Whether others may write while nothing is to be done here.
    shares: bool,
    /// They may now.
    parked: bool,
    closing: Option<CloseReason>,
    seen: Seen,
    left: VecDeque<ChannelName>,
    hold: Hold,
    held: Vec<MailboxItem>,
    held_bytes: usize,
    held_limit: usize,
    metrics: Arc<dyn Metrics>,
    /// Frames and bytes sent since they were last counted.
    sent: (u64, u64),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Around a socket. What is held back may have `held_limit` bytes (0: no bound). With `shares` others may write while
    /// nothing is to be done here: by the outlet that the mailbox has.
    pub fn new(
        socket: Socket<S>,
        held_limit: u64,
        shares: bool,
        metrics: Arc<dyn Metrics>,
    ) -> Self {
        let held_limit = if held_limit == 0 {
            usize::MAX
        } else {
            usize::try_from(held_limit).unwrap_or(usize::MAX)
        };
        Self {
            socket,
            covered: HashMap::new(),
            versions: HashMap::new(),
            watched: 0,
            had: None,
            taken: VecDeque::new(),
            shares,
            parked: false,
            closing: None,
            seen: Seen::default(),
            left: VecDeque::new(),
            hold: Hold::Nothing,
            held: Vec::new(),
            held_bytes: 0,
            held_limit,
            metrics,
            sent: (0, 0),
        }
    }

    /// Notes that the client has left channels: nothing of them comes after the answer that says so.
    pub fn leave(&mut self, channels: &[ChannelName]) {
        for channel in channels {
            self.covered.remove(channel);
            self.versions.remove(channel);
            if let Some(had) = &mut self.had {
                had.0.remove(channel);
            }
        }
        let kept = LEFT.saturating_sub(channels.len());
        self.left.drain(..self.left.len().saturating_sub(kept));
        self.left.extend(channels.iter().cloned());
    }

    /// Notes that the client is going on a channel.
    pub fn enter(&mut self, channel: &ChannelName) {
        self.left.retain(|left| left != channel);
    }

    /// Holds frames back from now on.
    pub fn hold(&mut self, hold: Hold) {
        self.hold = hold;
    }

    /// Lets go of what was held back, in its order.
    pub fn release(&mut self) {
        self.hold = Hold::Nothing;
        self.held_bytes = 0;
        for parcel in self.held.drain(..).rev() {
            self.taken.push_front(parcel);
        }
        self.held.shrink_to_fit();
    }

    /// Notes that the client has had a cache channel's last event: neither it comes again, nor what it covers.
    pub fn had_last(&mut self, channel: &ChannelName, mid: &Mid) {
        let had = Had {
            mid: mid.clone(),
            past: false,
            seen: false,
        };
        self.had
            .get_or_insert_default()
            .0
            .insert(channel.clone(), had);
    }

    /// Moves frames until there is something that the session has to do. With `listen` the client is heard, too.
    pub async fn turn(&mut self, connection: &Connection, listen: bool) -> Turn {
        poll_fn(|cx| self.poll_turn(cx, connection, listen)).await
    }

    fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        listen: bool,
    ) -> Poll<Turn> {
        if std::mem::take(&mut self.parked) {
            connection.mailbox().unpark();
        }
        let turn = self.poll_moves(cx, connection, listen);
        if turn.is_pending() && self.shares && self.is_plain() {
            connection.mailbox().park();
            self.parked = true;
        }
        turn
    }

    /// Whether what comes next needs no look from here: it can go out as it is.
    fn is_plain(&self) -> bool {
        self.socket.queued() == 0
            && self.taken.is_empty()
            && self.covered.is_empty()
            && self.left.is_empty()
            && self.had.is_none()
            && self.hold == Hold::Nothing
    }

    fn poll_moves(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        listen: bool,
    ) -> Poll<Turn> {
        loop {
            // Nothing is taken while the client does not read: it waits in the mailbox, where it is counted.
            if let Poll::Ready(turn) = self.poll_outgoing(cx, connection) {
                return Poll::Ready(turn);
            }
            if !listen || self.socket.queued() > CHUNK {
                return Poll::Pending;
            }
            match self.socket.poll_message(cx) {
                Poll::Ready(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    connection.mailbox().record_received()
                }
                Poll::Ready(message) => return Poll::Ready(Turn::Message(message)),
                // The state machine answers a ping when it is asked for what comes next.
                Poll::Pending if self.socket.queued() > 0 => {
                    let broken = matches!(self.socket.poll_flush(cx), Poll::Ready(Err(_)));
                    return if broken {
                        Poll::Ready(Turn::Broken)
                    } else {
                        Poll::Pending
                    };
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_outgoing(&mut self, cx: &mut Context<'_>, connection: &Connection) -> Poll<Turn> {
        loop {
            match self.socket.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Turn::Broken),
                // The client does not read; it may be closed for that.
                Poll::Pending => return connection.mailbox().poll_closed(cx).map(Turn::Close),
            }
            if let Some(turn) = self.fill(connection.mailbox().dialect(), connection.id()) {
                return Poll::Ready(turn);
            }
            if self.socket.queued() > 0 {
                continue;
            }
            if let Some(reason) = self.closing {
                return Poll::Ready(Turn::Close(reason));
            }
            let mut taken = Vec::from(std::mem::take(&mut self.taken));
            let closing = connection.poll_take(cx, &mut taken);
            self.taken = VecDeque::from(taken);
            match closing {
                Poll::Ready(closing) => self.closing = closing,
                Poll::Pending => {
                    if self.sent.0 > 0 {
                        self.metrics.sent(self.sent.0, self.sent.1);
                        self.sent = (0, 0);
                    }
                    if self.taken.capacity() > KEPT_PARCELS {
                        self.taken = VecDeque::new();
                    }
                    return Poll::Pending;
                }
            }
            if self.closing == Some(CloseReason::SlowReader) {
                return Poll::Ready(Turn::Close(CloseReason::SlowReader));
            }
        }
    }

    /// Puts taken parcels into the socket's output until that is enough for one write.
    fn fill(&mut self, dialect: DialectId, id: SocketId) -> Option<Turn> {
        while self.socket.queued() < CHUNK {
            match self.taken.pop_front()? {
                MailboxItem::Broadcast(delivery) => {
                    if self.holds(&delivery) {
                        self.held_bytes += delivery.size(dialect).unwrap_or(0);
                        self.held.push(MailboxItem::Broadcast(delivery));
                        if self.held_bytes > self.held_limit {
                            return Some(Turn::Close(CloseReason::SlowReader));
                        }
                    } else if delivery.is_batch() {
                        self.fill_several(&delivery, dialect, id);
                    } else if self.is_wanted(&delivery, dialect)
                        && let Some(frame) = delivery.frame(dialect)
                    {
                        self.sent = (self.sent.0 + 1, self.sent.1 + frame.len() as u64);
                        self.socket.queue(frame);
                    }
                }
                MailboxItem::PartialFrame(rest) => self.socket.queue(&rest),
                MailboxItem::Ping => match dialect {
                    DialectId::Pushi => self.socket.queue_ping(),
                    DialectId::Pusher => self.socket.queue(&pusher::ping()),
                },
                MailboxItem::CacheRead(channel) => match (&self.hold, &mut self.had) {
                    (Hold::Nothing, Some(had)) => had.pass(&channel),
                    (Hold::Nothing, None) => {}
                    _ => self.held.push(MailboxItem::CacheRead(channel)),
                },
                MailboxItem::Receipt(receipt) => return Some(Turn::Receipt(receipt)),
                MailboxItem::AliasesChanged(channel) => return Some(Turn::AliasesChanged(channel)),
                MailboxItem::LimitChanged => return Some(Turn::LimitChanged),
            }
        }
        None
    }

    /// The same with several changes of a presence channel that are said together.
    fn fill_several(&mut self, delivery: &Broadcast, dialect: DialectId, id: SocketId) {
        let Some(channel) = delivery
            .channel()
            .filter(|channel| !self.left.contains(channel))
        else {
            return;
        };
        let known = self.versions.get(channel).copied();
        let wanted = || {
            delivery
                .changes(dialect)
                .filter(|(change, _)| change.is_for(id, known))
        };
        let (mut count, mut bytes) = (0, 0);
        for (_, frame) in wanted() {
            (count, bytes) = (count + 1, bytes + frame.len());
        }
        self.sent = (self.sent.0 + count, self.sent.1 + bytes as u64);
        match delivery.frame(dialect) {
            Some(frames) if frames.len() == bytes => self.socket.queue(frames),
            _ => wanted().for_each(|(_, frame)| self.socket.queue(frame)),
        }
    }

    fn holds(&self, delivery: &Broadcast) -> bool {
        let Some(channel) = delivery.channel() else {
            return matches!(self.hold, Hold::AllBut(_));
        };
        let follows_from = || PeerChannel::parse(channel.as_str()).map(|peer| peer.presence());
        match &self.hold {
            Hold::Nothing => false,
            Hold::Channel(held) => {
                held == channel || follows_from().is_some_and(|presence| presence == held.as_str())
            }
            Hold::AllBut(known) => {
                !known.contains(channel)
                    && !follows_from().is_some_and(|presence| known.contains(presence.as_str()))
            }
        }
    }

    /// Whether the client has not had it: by an answer that covered it, or as a copy on another channel.
    fn is_wanted(&mut self, delivery: &Broadcast, dialect: DialectId) -> bool {
        let Some(channel) = delivery.channel() else {
            return delivery
                .users_version()
                .is_none_or(|version| version > self.watched);
        };
        if self.left.contains(channel) {
            return false;
        }
        if let Some(version) = delivery.presence_version() {
            return self
                .versions
                .get(channel)
                .is_none_or(|known| version > *known);
        }
        if let (Some(had), Some(mid)) = (&mut self.had, delivery.mid())
            && had.covers(channel, mid)
        {
            return false;
        }
        let covered = if self.covered.is_empty() {
            None
        } else {
            self.covered.get(channel)
        };
        if let (Some(covered), Some(serial)) = (covered, delivery.serial()) {
            return serial > *covered;
        }
        // A Pusher client hears each channel of its own.
        let copy = delivery
            .publish()
            .filter(|_| covered.is_none() && dialect == DialectId::Pushi);
        copy.is_none_or(|publish| self.seen.is_first(publish))
    }
}
