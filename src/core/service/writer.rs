//! The append queue: what is to be stored, in order, so that concurrent publishes share a commit.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::Service;
use crate::core::error::StorageError;
use crate::core::hub::{Mailbox, Outcome, Parcel, Receipt};
use crate::core::model::{Mid, NewEvent, Position, SocketId};
use crate::core::ports::BusMessage;

/// Events in one commit at most; a publish to several channels is never split.
const BATCH: usize = 1000;

/// Events that may wait for the store; over it, publishes are refused rather than memory spent.
const MOST_QUEUED: usize = 100_000;

/// How long to wait before asking a store again that was away.
const RETRY: Duration = Duration::from_millis(100);

/// Who wants to know what became of a publish.
pub(super) enum Answer {
    /// A request that waits.
    Request(oneshot::Sender<Result<Vec<Position>, StorageError>>),
    /// A socket that goes on.
    Socket {
        /// The socket's.
        mailbox: Arc<Mailbox>,
        /// What the client called the publish.
        reference: Option<String>,
    },
}

/// One publish on its way into the store.
pub(super) struct Entry {
    /// One copy a channel; one commit.
    pub events: Vec<Arc<NewEvent>>,
    /// A socket that must not get it.
    pub except: Option<SocketId>,
    /// What is not stored only waits for what the same socket published before.
    pub persist: bool,
    /// Whether the `mid`s may be there already: then that counts as stored, and nobody is told twice.
    pub repeatable: bool,
    /// Who wants to know.
    pub answer: Answer,
}

/// The append queue.
#[derive(Default)]
pub(super) struct Writer {
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Default)]
struct Queue {
    entries: VecDeque<Entry>,
    events: usize,
}

/// An entry whose append ended without an answer that can be relied on.
struct InDoubt {
    events: Vec<Arc<NewEvent>>,
    except: Option<SocketId>,
}

impl Writer {
    /// Enters a publish. `Err` gives it back: too much waits already.
    pub fn enter(&self, entry: Entry) -> Result<(), Entry> {
        let mut queue = self.queue.lock();
        if queue.events + entry.events.len() > MOST_QUEUED {
            return Err(entry);
        }
        queue.events += entry.events.len();
        queue.entries.push_back(entry);
        drop(queue);
        self.filled.notify_one();
        Ok(())
    }

    fn take(&self) -> Vec<Entry> {
        let mut queue = self.queue.lock();
        let mut count = 0;
        let mut taken = Vec::new();
        while let Some(entry) = queue.entries.front() {
            count += entry.events.len();
            if count > BATCH && !taken.is_empty() {
                break;
            }
            taken.extend(queue.entries.pop_front());
        }
        queue.events -= taken.iter().map(|entry| entry.events.len()).sum::<usize>();
        taken
    }
}

impl Service {
    /// Commits what gathers in the append queue and releases it to the bus in order, until `stop` ends and the queue is
    /// empty: what was accepted is stored.
    pub async fn write(&self, stop: impl Future<Output = ()>) {
        let mut doubts: Vec<InDoubt> = Vec::new();
        let mut stopping = false;
        tokio::pin!(stop);
        loop {
            if !doubts.is_empty() {
                self.settle(&mut doubts).await;
            }
            let taken = self.writer.take();
            if !taken.is_empty() {
                self.commit(taken, &mut doubts).await;
                continue;
            }
            if stopping {
                return;
            }
            tokio::select! {
                () = self.writer.filled.notified() => {}
                () = tokio::time::sleep(RETRY), if !doubts.is_empty() => {}
                () = &mut stop => stopping = true,
            }
        }
    }

    /// Finds out what became of appends that ended without an answer. What proves stored is delivered now, before
    /// anything later on its channel.
    async fn settle(&self, doubts: &mut Vec<InDoubt>) {
        while let Some(doubt) = doubts.first() {
            let Some(app) = doubt.events.first().map(|event| event.app.clone()) else { return };
            let mids: Vec<Mid> = doubt.events.iter().map(|event| event.mid.clone()).collect();
            let Ok(positions) = self.ports.events.positions(&app, &mids).await else { return };
            let doubt = doubts.remove(0);
            let found = doubt.events.iter().zip(&positions);
            self.keep_last(found.filter_map(|(event, position)| Some((event, Some(position.as_ref()?.serial))))).await;
            for (event, position) in doubt.events.into_iter().zip(positions) {
                if position.is_some() {
                    self.release(event, position, doubt.except).await;
                }
            }
        }
    }

    async fn commit(&self, entries: Vec<Entry>, doubts: &mut Vec<InDoubt>) {
        // While it is unknown what is stored, nothing later may be: it would take the place of what may still prove stored.
        if !doubts.is_empty() {
            for entry in entries {
                self.refuse_or_pass(entry).await;
            }
            return;
        }
        let mut fresh = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.repeatable && self.is_stored(&entry).await {
                entry.settle(Ok(Vec::new()));
            } else {
                fresh.push(entry);
            }
        }
        let results = self.append(&fresh).await;
        self.keep_last(stored(&fresh, &results)).await;
        let mut results = results.into_iter();
        for entry in fresh {
            let own = if entry.persist { results.by_ref().take(entry.events.len()).collect() } else { Vec::new() };
            self.finish(entry, own, doubts).await;
        }
    }

    /// One commit for all; where a repeated publish of another node came between, one for each, so that only that one fails.
    async fn append(&self, entries: &[Entry]) -> Vec<Result<Position, StorageError>> {
        let events = |entry: &Entry| entry.events.iter().map(|event| NewEvent::clone(event)).collect::<Vec<_>>();
        let batch: Vec<NewEvent> = entries.iter().filter(|entry| entry.persist).flat_map(events).collect();
        if batch.is_empty() {
            return Vec::new();
        }
        let results = self.ports.events.append(&batch).await;
        let conflict = results.iter().any(|result| matches!(result, Err(StorageError::Conflict(_))));
        if !conflict || entries.len() == 1 {
            return results;
        }
        let mut each = Vec::with_capacity(batch.len());
        for entry in entries.iter().filter(|entry| entry.persist) {
            each.extend(self.ports.events.append(&events(entry)).await);
        }
        each
    }

    async fn is_stored(&self, entry: &Entry) -> bool {
        let Some(first) = entry.events.first() else { return false };
        let mids: Vec<Mid> = entry.events.iter().map(|event| event.mid.clone()).collect();
        matches!(self.ports.events.positions(&first.app, &mids).await, Ok(positions) if positions.iter().all(Option::is_some))
    }

    /// Releases what was stored, in its order, and tells the publisher.
    async fn finish(&self, entry: Entry, results: Vec<Result<Position, StorageError>>, doubts: &mut Vec<InDoubt>) {
        if !entry.persist {
            self.pass(entry).await;
            return;
        }
        let mut positions = Vec::with_capacity(results.len());
        let mut failure = None;
        for (event, result) in entry.events.iter().zip(results) {
            match result {
                Ok(position) => {
                    positions.push(position);
                    self.release(Arc::clone(event), Some(position), entry.except).await;
                }
                // Another node stored, and delivered, the same publish.
                Err(StorageError::Conflict(_)) if entry.repeatable => {}
                Err(error) => {
                    doubts.push(InDoubt { events: vec![Arc::clone(event)], except: entry.except });
                    failure.get_or_insert(error);
                }
            }
        }
        match failure {
            None => entry.settle(Ok(positions)),
            Some(error) => {
                tracing::error!(error = error.chain(), "an event was not stored, or not known to be");
                entry.settle(Err(error));
            }
        }
    }

    async fn refuse_or_pass(&self, entry: Entry) {
        if entry.persist {
            entry.settle(Err(StorageError::unavailable("an earlier append has not been settled")));
        } else {
            self.keep_last(entry.events.iter().map(|event| (event, None))).await;
            self.pass(entry).await;
        }
    }

    async fn pass(&self, entry: Entry) {
        for event in &entry.events {
            self.release(Arc::clone(event), None, entry.except).await;
        }
        entry.settle(Ok(Vec::new()));
    }

    /// Hands an event to the bus. A bus that is away says so itself, and catches up from the store.
    pub(super) async fn release(&self, event: Arc<NewEvent>, position: Option<Position>, except: Option<SocketId>) {
        let _ = self.ports.bus.publish(BusMessage::Event { event, position, except }).await;
    }
}

/// The events that are to be released now, with their serials where they are stored.
fn stored<'a>(
    entries: &'a [Entry],
    results: &'a [Result<Position, StorageError>],
) -> impl Iterator<Item = (&'a Arc<NewEvent>, Option<u64>)> {
    let mut results = results.iter();
    let events = entries.iter().flat_map(|entry| entry.events.iter().map(|event| (event, entry.persist)));
    events.filter_map(move |(event, persist)| match persist {
        false => Some((event, None)),
        true => results.next()?.as_ref().ok().map(|position| (event, Some(position.serial))),
    })
}

impl Entry {
    /// Tells the publisher what became of it.
    pub fn settle(self, result: Result<Vec<Position>, StorageError>) {
        match self.answer {
            // A request that has gone needs no answer.
            Answer::Request(sender) => drop(sender.send(result)),
            Answer::Socket { mailbox, reference } => {
                let Some(event) = self.events.first() else { return };
                let outcome = match (result, self.persist) {
                    (Err(_), _) => Outcome::Failed,
                    (Ok(_), false) => Outcome::Passed,
                    (Ok(positions), true) => match positions.first() {
                        Some(position) => Outcome::Stored(event.mid.clone(), position.serial, event.timestamp),
                        None => Outcome::Failed,
                    },
                };
                let (channel, event) = (event.channel.clone(), Arc::clone(&event.payload.event));
                mailbox.tell(Parcel::Receipt(Box::new(Receipt { reference, channel, event, outcome })));
            }
        }
    }
}
