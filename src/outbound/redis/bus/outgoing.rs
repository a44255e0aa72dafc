//! What this node publishes, until it has come back.

use std::collections::{BTreeMap, HashMap, VecDeque};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

use crate::core::model::{AppIdent, ChannelName};
use crate::core::ordered_drain::{OrderedQueue, drain};
use crate::core::ports::{BusMessage, BusSink};
use crate::outbound::redis::connection::{Body, Frame};

/// How much is kept for the other nodes while Redis is away.
const MOST_KEPT: usize = 10_000;

/// How old a message that is not stored may be when Redis is back; older ones mean nothing any more.
const FRESH: Duration = Duration::from_secs(10);

/// Messages sent at once.
const BATCH: usize = 256;

/// What goes out.
#[derive(Debug, Clone)]
pub enum OutgoingItem {
    /// A message.
    Message(BusMessage),
    /// Heard by this node alone: what was sent to the server before it has come back, or never will.
    Echo,
}

/// One that is on its way out.
#[derive(Debug, Clone)]
pub struct Outbound {
    number: u64,
    again: bool,
    since: Instant,
    /// What.
    pub parcel: OutgoingItem,
    /// Where it is published, and on which server.
    pub topic: String,
    /// The server.
    pub line: usize,
}

impl Outbound {
    /// Its text; `None`: it cannot be said.
    pub fn text(&self, node: u64) -> Option<Vec<u8>> {
        let body = match &self.parcel {
            OutgoingItem::Message(message) => Body::of(message)?,
            OutgoingItem::Echo => Body::Echo,
        };
        serde_json::to_vec(&Frame {
            node,
            number: self.number,
            again: self.again,
            body,
        })
        .ok()
    }
}

/// What this node publishes. While Redis is there everything comes back through it; while it is away the node hears
/// itself at once, and the others get what they can still use when Redis is back.
#[derive(Default)]
pub struct Outgoing {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    /// Redis is there.
    up: bool,
    queue: VecDeque<Outbound>,
    /// Sent, but it is not known whether Redis took it.
    sent: VecDeque<Outbound>,
    /// What will come back.
    returning: BTreeMap<u64, (usize, Instant, BusMessage)>,
    /// All up to here (not included) has been delivered here without Redis.
    delivered: u64,
    /// Of each channel the newest stored event that was too much to keep: who hears it reads the rest from the store.
    hints: HashMap<(AppIdent, ChannelName), Outbound>,
    local: OrderedQueue,
}

impl Outgoing {
    /// Takes a message. `heard`: this node listens on its topic. While Redis is away it is delivered to `sink` at once.
    pub fn publish(
        &self,
        message: BusMessage,
        topic: String,
        heard: bool,
        route: impl FnOnce(&str) -> usize,
        sink: &dyn BusSink,
    ) {
        let mut state = self.state.lock();
        let line = if state.up { route(&topic) } else { 0 };
        let (number, up) = (state.number(), state.up);
        if heard && up {
            state
                .returning
                .insert(number, (line, Instant::now(), message.clone()));
        } else if heard {
            state.local.push(message.clone());
            state.delivered = state.next;
        }
        state.queue.push_back(Outbound {
            number,
            again: false,
            since: Instant::now(),
            parcel: OutgoingItem::Message(message),
            topic,
            line,
        });
        if up {
            drop(state);
            self.filled.notify_one();
        } else {
            state.bound();
            drop(state);
            self.drain(sink);
        }
    }

    /// Sends something that only this node hears.
    pub fn echo(&self, topic: String, line: usize) {
        let mut state = self.state.lock();
        if state.up {
            let number = state.number();
            state.queue.push_back(Outbound {
                number,
                again: false,
                since: Instant::now(),
                parcel: OutgoingItem::Echo,
                topic,
                line,
            });
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Waits until there is something to send, and answers it; [`Outgoing::taken`] must follow when Redis took it.
    pub async fn next(&self) -> Vec<Outbound> {
        loop {
            {
                let mut state = self.state.lock();
                let count = state.queue.len().min(BATCH);
                if count > 0 {
                    let batch: Vec<Outbound> = state.queue.drain(..count).collect();
                    state.sent.extend(batch.iter().cloned());
                    return batch;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Redis took what [`Outgoing::next`] answered.
    pub fn taken(&self) {
        self.state.lock().sent.clear();
    }

    /// A message of this node came back from a server. Answers it where it has not been delivered yet, and how long it took.
    pub fn returned(&self, number: u64, line: usize) -> Option<(BusMessage, Duration)> {
        let mut state = self.state.lock();
        // Servers keep the order: what was sent to this one earlier was not heard here, and will not be.
        let stale: Vec<u64> = state
            .returning
            .range(..number)
            .filter(|(_, (other, ..))| *other == line)
            .map(|(n, _)| *n)
            .collect();
        for number in stale {
            state.returning.remove(&number);
        }
        if number < state.delivered {
            return None;
        }
        state
            .returning
            .remove(&number)
            .map(|(_, since, message)| (message, since.elapsed()))
    }

    /// Redis is there again; `route` says which server has a topic. What is kept goes out first.
    pub fn rise(&self, route: impl Fn(&str) -> usize) {
        let mut state = self.state.lock();
        let hints = std::mem::take(&mut state.hints);
        let kept = std::mem::take(&mut state.queue);
        let useful = |outbound: &Outbound| match &outbound.parcel {
            OutgoingItem::Message(message) => {
                message.serial().is_some() || outbound.since.elapsed() < FRESH
            }
            OutgoingItem::Echo => false,
        };
        state
            .queue
            .extend(hints.into_values().chain(kept.into_iter().filter(useful)));
        for outbound in &mut state.queue {
            outbound.line = route(&outbound.topic);
        }
        state.up = true;
        drop(state);
        self.filled.notify_one();
    }

    /// Redis is away: what has not come back is delivered now. Answers how long each of those was waited for.
    pub fn fall(&self, sink: &dyn BusSink) -> Vec<Duration> {
        let waited = {
            let mut state = self.state.lock();
            state.up = false;
            let returning = std::mem::take(&mut state.returning);
            let waited = returning
                .values()
                .map(|(_, since, _)| since.elapsed())
                .collect();
            for (.., message) in returning.into_values() {
                state.local.push(message);
            }
            state.delivered = state.next;
            let sent = std::mem::take(&mut state.sent);
            for mut outbound in sent.into_iter().rev() {
                outbound.again = true;
                state.queue.push_front(outbound);
            }
            state.bound();
            waited
        };
        self.drain(sink);
        waited
    }

    /// Everything is sent.
    pub fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.queue.is_empty() && state.sent.is_empty()
    }

    /// Delivers what is delivered without Redis, in its order, unless somebody is at it.
    fn drain(&self, sink: &dyn BusSink) {
        drain(&self.state, |state| &mut state.local, sink);
    }
}

impl State {
    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Keeps no more than is allowed while Redis is away.
    fn bound(&mut self) {
        while self.queue.len() > MOST_KEPT {
            let Some(outbound) = self.queue.pop_front() else {
                return;
            };
            let OutgoingItem::Message(message) = &outbound.parcel else {
                continue;
            };
            let (Some((app, channel)), Some(_)) = (message.channel(), message.serial()) else {
                continue;
            };
            let place = (app.clone(), channel.clone());
            if self.hints.len() < MOST_KEPT || self.hints.contains_key(&place) {
                self.hints.insert(place, outbound);
            }
        }
    }
}
