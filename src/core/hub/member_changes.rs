//! Who comes and goes on large presence channels is told together, a moment later.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::core::model::{AppIdent, ChannelKind, ChannelName, PeerChannel};
use crate::core::ports::BusMessage;

/// A presence channel.
pub(super) type ChannelKey = (AppIdent, ChannelName);

/// What is to be told of large presence channels, for each in its order. Told at once, every arrival on a channel of ten
/// thousand would wake ten thousand tasks before the one who came is answered; told together, those who come in the same
/// moment wake them once.
#[derive(Default)]
pub(super) struct MemberChangeBatcher {
    lines: Mutex<HashMap<ChannelKey, Line>>,
    /// Whether there is any line: most messages need no look at them.
    any: AtomicBool,
    /// Something was put in since it was last asked, and who asked.
    grown: Mutex<(bool, Option<Waker>)>,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<BusMessage>,
    /// Somebody is telling.
    busy: bool,
}

/// What is told in one go.
pub(super) enum ChangeChunk {
    /// Who came and went.
    Changes(Vec<BusMessage>),
    /// Something else that came behind that.
    Other(BusMessage),
}

impl MemberChangeBatcher {
    /// Puts a change in its place.
    pub fn put(&self, spot: ChannelKey, change: BusMessage) {
        let mut lines = self.lines.lock();
        lines.entry(spot).or_default().waiting.push_back(change);
        self.any.store(true, Ordering::Release);
        drop(lines);
        let waker = {
            let mut grown = self.grown.lock();
            grown.0 = true;
            grown.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether something gathers for a channel.
    pub fn has(&self, spot: &ChannelKey) -> bool {
        self.any.load(Ordering::Acquire) && self.lines.lock().contains_key(spot)
    }

    /// An event must not overtake what gathers for its channel: where something does it is put behind, and the answer says
    /// what to tell now. `Err`: nothing does, and the message is given back.
    pub fn behind(&self, message: BusMessage) -> Result<ChannelKey, BusMessage> {
        if !self.any.load(Ordering::Acquire) {
            return Err(message);
        }
        let Some(spot) = spot_of(&message) else {
            return Err(message);
        };
        match self.lines.lock().get_mut(&spot) {
            Some(line) => line.waiting.push_back(message),
            None => return Err(message),
        }
        Ok(spot)
    }

    /// Ready once something was put in since it was last ready; one at a time can wait.
    pub fn poll_grown(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut grown = self.grown.lock();
        if std::mem::take(&mut grown.0) {
            return Poll::Ready(());
        }
        grown.1 = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The channels for which something gathers.
    pub fn spots(&self) -> Vec<ChannelKey> {
        self.lines.lock().keys().cloned().collect()
    }

    /// What is to be told next; `None`: nothing, or somebody else is at it. `mine`: whether the caller has begun.
    pub fn take(&self, spot: &ChannelKey, mine: &mut bool) -> Option<ChangeChunk> {
        let mut lines = self.lines.lock();
        let line = lines.get_mut(spot)?;
        if line.busy && !*mine {
            return None;
        }
        (line.busy, *mine) = (true, true);
        let count = line
            .waiting
            .iter()
            .take_while(|message| is_change(message))
            .count();
        if count > 0 {
            return Some(ChangeChunk::Changes(line.waiting.drain(..count).collect()));
        }
        if let Some(other) = line.waiting.pop_front() {
            return Some(ChangeChunk::Other(other));
        }
        lines.remove(spot);
        if lines.is_empty() {
            *lines = HashMap::new();
            self.any.store(false, Ordering::Release);
        }
        None
    }
}

fn is_change(message: &BusMessage) -> bool {
    matches!(message, BusMessage::Broadcast { event, .. } if event.is_member_change())
}

/// The presence channel whose members hear a message.
fn spot_of(message: &BusMessage) -> Option<ChannelKey> {
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
