//! Member changes of large presence channels, sent in batches.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::core::model::{AppIdent, ChannelKind, ChannelName, PeerChannel, ServerEvent};
use crate::core::ports::BusMessage;

/// A presence channel.
pub(super) type ChannelKey = (AppIdent, ChannelName);

/// Member changes of large presence channels that are not sent yet, in their order. Sent one by
/// one, every join on a channel of ten thousand would wake ten thousand tasks before the join is
/// answered; in a batch, all joins of one moment wake them once.
#[derive(Default)]
pub(super) struct MemberChangeBatcher {
    queues: Mutex<HashMap<ChannelKey, ChangeQueue>>,
    /// Whether there is any queue: most messages need not lock them.
    any: AtomicBool,
    wakeup: Mutex<Wakeup>,
}

#[derive(Default)]
struct Wakeup {
    /// A change was pushed since the last poll.
    changed: bool,
    waker: Option<Waker>,
}

/// The bytes of a channel's member changes above which they are sent at once.
const MAX_BATCH_BYTES: usize = 256 * 1024;

/// The bytes of a member change besides its texts, about.
const CHANGE_BYTES: usize = 200;

#[derive(Default)]
struct ChangeQueue {
    messages: VecDeque<BusMessage>,
    /// The bytes of the member changes, at most about [`MAX_BATCH_BYTES`].
    bytes: usize,
    /// A task is sending from this queue.
    draining: bool,
}

/// The content of one broadcast.
pub(super) enum ChangeChunk {
    /// Consecutive member changes.
    Changes(Vec<BusMessage>),
    /// An event that was published after them.
    Other(BusMessage),
}

impl MemberChangeBatcher {
    /// Appends a member change to its channel's queue. `true`: the queue has to be flushed now.
    pub(super) fn push(&self, key: ChannelKey, change: BusMessage) -> bool {
        let mut queues = self.queues.lock();
        let queue = queues.entry(key).or_default();
        queue.bytes += bytes(&change);
        queue.messages.push_back(change);
        let is_full = queue.bytes > MAX_BATCH_BYTES;
        self.any.store(true, Ordering::Release);
        drop(queues);
        let waker = {
            let mut wakeup = self.wakeup.lock();
            wakeup.changed = true;
            wakeup.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        is_full
    }

    /// Whether the channel has a queue.
    pub(super) fn contains(&self, key: &ChannelKey) -> bool {
        self.any.load(Ordering::Acquire) && self.queues.lock().contains_key(key)
    }

    /// Appends an event behind the member changes of its channel, which it must not overtake, and
    /// returns the queue to flush. `Err`: there are none, and the message is returned.
    pub(super) fn push_behind(&self, message: BusMessage) -> Result<ChannelKey, BusMessage> {
        if !self.any.load(Ordering::Acquire) {
            return Err(message);
        }
        let Some(key) = presence_channel(&message) else {
            return Err(message);
        };
        match self.queues.lock().get_mut(&key) {
            Some(queue) => queue.messages.push_back(message),
            None => return Err(message),
        }
        Ok(key)
    }

    /// Ready once a change was pushed since it was last ready; one task at a time can wait.
    pub(super) fn poll_changed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut wakeup = self.wakeup.lock();
        if mem::take(&mut wakeup.changed) {
            return Poll::Ready(());
        }
        wakeup.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The channels that have a queue.
    pub(super) fn keys(&self) -> Vec<ChannelKey> {
        self.queues.lock().keys().cloned().collect()
    }

    /// Removes the next broadcast; `None`: the queue is empty and removed, or another task drains
    /// it. `draining` is whether the caller drains it already; false at the first call.
    pub(super) fn take(&self, key: &ChannelKey, draining: &mut bool) -> Option<ChangeChunk> {
        let mut queues = self.queues.lock();
        let queue = queues.get_mut(key)?;
        if queue.draining && !*draining {
            return None;
        }
        (queue.draining, *draining) = (true, true);
        let count = queue
            .messages
            .iter()
            .take_while(|message| is_member_change(message))
            .count();
        if count > 0 {
            queue.bytes = 0;
            return Some(ChangeChunk::Changes(
                queue.messages.drain(..count).collect(),
            ));
        }
        if let Some(other) = queue.messages.pop_front() {
            return Some(ChangeChunk::Other(other));
        }
        queues.remove(key);
        if queues.is_empty() {
            *queues = HashMap::new();
            self.any.store(false, Ordering::Release);
        }
        None
    }
}

fn bytes(message: &BusMessage) -> usize {
    let texts = match message {
        BusMessage::Broadcast {
            event:
                ServerEvent::MemberAdded { member, .. } | ServerEvent::MemberRemoved { member, .. },
            ..
        } => member.user_id.as_str().len() + member.data.len(),
        _ => 0,
    };
    CHANGE_BYTES + texts
}

fn is_member_change(message: &BusMessage) -> bool {
    matches!(message, BusMessage::Broadcast { event, .. } if event.is_member_change())
}

/// The presence channel whose members receive a message.
fn presence_channel(message: &BusMessage) -> Option<ChannelKey> {
    let (app, channel) = message.channel()?;
    let presence = match channel.kind() {
        ChannelKind::Presence => channel.clone(),
        ChannelKind::Peer => {
            ChannelName::trusted(&PeerChannel::parse(channel.as_str())?.presence())
        }
        _ => return None,
    };
    Some((app.clone(), presence))
}
