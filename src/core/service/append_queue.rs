//! The append queue: what is to be stored, in order, so that concurrent publishes share a commit.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::Service;
use crate::core::error::StorageError;
use crate::core::hub::{Mailbox, MailboxItem, Outcome, Receipt};
use crate::core::model::{Mid, NewEvent, Position, SocketId};
use crate::core::ports::BusMessage;

/// Events in one commit at most; a publish to several channels is never split.
const BATCH: usize = 1000;

/// Events that may wait for the store; over it, publishes are refused rather than memory spent.
const MOST_QUEUED: usize = 100_000;

/// How long to wait before asking a store again that was away.
const RETRY: Duration = Duration::from_millis(100);

/// Who wants to know what became of a publish.
pub(super) enum ReplyTo {
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
pub(super) struct PendingAppend {
    /// One copy a channel; one commit.
    pub events: Vec<Arc<NewEvent>>,
    /// A socket that must not get it.
    pub except: Option<SocketId>,
    /// What is not stored only waits for what the same socket published before.
    pub persist: bool,
    /// Whether the `mid`s may be there already: then that counts as stored, and nobody is told twice.
    pub repeatable: bool,
    /// Who wants to know.
    pub answer: ReplyTo,
}

/// The append queue.
#[derive(Default)]
pub(super) struct AppendQueue {
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Default)]
struct Queue {
    entries: VecDeque<PendingAppend>,
    events: usize,
    /// Nobody takes anything out any more.
    closed: bool,
}

/// An event whose append ended without an answer that can be relied on.
struct InDoubt {
    event: Arc<NewEvent>,
    except: Option<SocketId>,
}

impl AppendQueue {
    /// Enters a publish. `Err` says why not: too much waits already, or the server is stopping.
    pub fn enter(&self, entry: PendingAppend) -> Result<(), StorageError> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(StorageError::unavailable("the server is stopping"));
        }
        if queue.events + entry.events.len() > MOST_QUEUED {
            return Err(StorageError::unavailable(
                "too many publishes wait for the store",
            ));
        }
        queue.events += entry.events.len();
        queue.entries.push_back(entry);
        drop(queue);
        self.filled.notify_one();
        Ok(())
    }

    /// What goes into the next commit. The same `mid` never comes twice in one.
    fn take(&self) -> Vec<PendingAppend> {
        let mut queue = self.queue.lock();
        let mut count = 0;
        let mut taken = Vec::new();
        let mut repeatable = HashSet::new();
        while let Some(entry) = queue.entries.front() {
            count += entry.events.len();
            if count > BATCH && !taken.is_empty() {
                break;
            }
            if entry.repeatable
                && !entry
                    .events
                    .iter()
                    .all(|event| repeatable.insert(event.mid.clone()))
            {
                break;
            }
            taken.extend(queue.entries.pop_front());
        }
        queue.events -= taken.iter().map(|entry| entry.events.len()).sum::<usize>();
        taken
    }

    /// The next entry alone, as soon as there is one.
    async fn next(&self) -> PendingAppend {
        loop {
            if let Some(entry) = self.pop() {
                return entry;
            }
            self.filled.notified().await;
        }
    }

    fn pop(&self) -> Option<PendingAppend> {
        let mut queue = self.queue.lock();
        let entry = queue.entries.pop_front()?;
        queue.events -= entry.events.len();
        Some(entry)
    }

    /// Takes nothing more in, unless something waits.
    fn close(&self) -> bool {
        let mut queue = self.queue.lock();
        queue.closed = queue.entries.is_empty();
        queue.closed
    }
}

impl Service {
    /// Commits what gathers in the append queue and releases it to the bus in order, until `stop` ends and the queue is
    /// empty: what was accepted is stored. What is published after that is refused.
    pub async fn write(&self, stop: impl Future<Output = ()>) {
        let mut doubts: Vec<InDoubt> = Vec::new();
        let mut stopping = false;
        tokio::pin!(stop);
        loop {
            if doubts.is_empty() {
                let taken = self.writer.take();
                if !taken.is_empty() {
                    self.commit(taken, &mut doubts).await;
                } else if !stopping {
                    tokio::select! {
                        () = self.writer.filled.notified() => {}
                        () = &mut stop => stopping = true,
                    }
                } else if self.writer.close() {
                    return;
                }
                continue;
            }
            self.refusing(self.settle(&mut doubts)).await;
            if doubts.is_empty() {
                continue;
            }
            if stopping {
                // What is in doubt stays so: nobody is there any more who could be told.
                while !self.writer.close() {
                    self.refuse_waiting().await;
                }
                return;
            }
            let pause = async {
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => false,
                    () = &mut stop => true,
                }
            };
            stopping = self.refusing(pause).await;
        }
    }

    /// Awaits `until`. While it is unknown what is stored, nothing later may be: it would take the place of what may still
    /// prove stored. So meanwhile all that is to be stored is refused, and the rest passes.
    async fn refusing<T>(&self, until: impl Future<Output = T>) -> T {
        tokio::pin!(until);
        loop {
            let entry = tokio::select! {
                biased;
                done = &mut until => return done,
                entry = self.writer.next() => entry,
            };
            // Both go on: one may hold a connection to the store that the other waits for.
            let pass = self.refuse_or_pass(entry);
            tokio::pin!(pass);
            tokio::select! {
                biased;
                done = &mut until => {
                    pass.await;
                    return done;
                }
                () = &mut pass => {}
            }
        }
    }

    async fn refuse_waiting(&self) {
        while let Some(entry) = self.writer.pop() {
            self.refuse_or_pass(entry).await;
        }
    }

    /// Finds out what became of appends that ended without an answer. What proves stored is delivered now, before
    /// anything later on its channel.
    async fn settle(&self, doubts: &mut Vec<InDoubt>) {
        while let Some(app) = doubts.first().map(|doubt| doubt.event.app.clone()) {
            let mids: Vec<Mid> = doubts
                .iter()
                .take(BATCH)
                .take_while(|doubt| doubt.event.app == app)
                .map(|doubt| doubt.event.mid.clone())
                .collect();
            let Ok(positions) = self.ports.stores.events.positions(&app, &mids).await else {
                return;
            };
            let found = doubts.iter().zip(&positions);
            let lanes = self
                .keep_last(found.filter_map(|(doubt, position)| {
                    Some((&doubt.event, Some(position.as_ref()?.serial)))
                }))
                .await;
            for (doubt, position) in doubts.drain(..mids.len()).zip(positions) {
                if position.is_some() {
                    self.release(doubt.event, position, doubt.except).await;
                }
            }
            drop(lanes);
        }
    }

    async fn commit(&self, entries: Vec<PendingAppend>, doubts: &mut Vec<InDoubt>) {
        let results = self.append(&entries).await;
        let _lanes = self.keep_last(stored(&entries, &results)).await;
        let mut results = results.into_iter();
        for entry in entries {
            let own = if entry.persist {
                results.by_ref().take(entry.events.len()).collect()
            } else {
                Vec::new()
            };
            self.finish(entry, own, doubts).await;
        }
    }

    /// One commit for all. Where one of them was stored before, a store may have undone the others, too: then one commit for
    /// each.
    async fn append(&self, entries: &[PendingAppend]) -> Vec<Result<Position, StorageError>> {
        let events = |entry: &PendingAppend| {
            entry
                .events
                .iter()
                .map(|event| NewEvent::clone(event))
                .collect::<Vec<_>>()
        };
        let persisted = || entries.iter().filter(|entry| entry.persist);
        let batch: Vec<NewEvent> = persisted().flat_map(events).collect();
        if batch.is_empty() {
            return Vec::new();
        }
        for entry in persisted() {
            if let Some(socket) = entry.except {
                entry
                    .events
                    .iter()
                    .for_each(|event| self.ports.nodes.bus.exclude(&event.mid, socket));
            }
        }
        let is_conflict = |result: &Result<_, _>| matches!(result, Err(StorageError::Conflict(_)));
        let results = self.ports.stores.events.append(&batch).await;
        if persisted().count() == 1 || !results.iter().any(is_conflict) {
            return results;
        }
        let mut results = results.into_iter();
        let mut each = Vec::with_capacity(batch.len());
        for entry in persisted() {
            let own: Vec<_> = results.by_ref().take(entry.events.len()).collect();
            let undone = own.iter().all(is_conflict);
            each.extend(if undone {
                self.ports.stores.events.append(&events(entry)).await
            } else {
                own
            });
        }
        each
    }

    /// Releases what was stored, in its order, and tells the publisher.
    async fn finish(
        &self,
        entry: PendingAppend,
        results: Vec<Result<Position, StorageError>>,
        doubts: &mut Vec<InDoubt>,
    ) {
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
                    self.release(Arc::clone(event), Some(position), entry.except)
                        .await;
                }
                // The same publish was stored, and delivered, before.
                Err(StorageError::Conflict(_)) if entry.repeatable => {}
                Err(error) => {
                    doubts.push(InDoubt {
                        event: Arc::clone(event),
                        except: entry.except,
                    });
                    failure.get_or_insert(error);
                }
            }
        }
        match failure {
            None => entry.settle(Ok(positions)),
            Some(error) => {
                tracing::error!(
                    error = error.chain(),
                    "an event was not stored, or not known to be"
                );
                entry.settle(Err(error));
            }
        }
    }

    async fn refuse_or_pass(&self, entry: PendingAppend) {
        if entry.persist {
            entry.settle(Err(StorageError::unavailable(
                "an earlier append has not been settled",
            )));
        } else {
            let _lanes = self
                .keep_last(entry.events.iter().map(|event| (event, None)))
                .await;
            self.pass(entry).await;
        }
    }

    async fn pass(&self, entry: PendingAppend) {
        for event in &entry.events {
            self.release(Arc::clone(event), None, entry.except).await;
        }
        entry.settle(Ok(Vec::new()));
    }

    /// Hands an event to the bus. A bus that is away says so itself, and catches up from the store.
    pub(super) async fn release(
        &self,
        event: Arc<NewEvent>,
        position: Option<Position>,
        except: Option<SocketId>,
    ) {
        let _ = self
            .ports
            .nodes
            .bus
            .publish(BusMessage::published(event, position, except))
            .await;
    }
}

/// The events that are to be released now, with their serials where they are stored.
fn stored<'a>(
    entries: &'a [PendingAppend],
    results: &'a [Result<Position, StorageError>],
) -> impl Iterator<Item = (&'a Arc<NewEvent>, Option<u64>)> {
    let mut results = results.iter();
    let events = entries
        .iter()
        .flat_map(|entry| entry.events.iter().map(|event| (event, entry.persist)));
    events.filter_map(move |(event, persist)| match persist {
        false => Some((event, None)),
        true => results
            .next()?
            .as_ref()
            .ok()
            .map(|position| (event, Some(position.serial))),
    })
}

impl PendingAppend {
    /// Tells the publisher what became of it.
    pub fn settle(self, result: Result<Vec<Position>, StorageError>) {
        match self.answer {
            // A request that has gone needs no answer.
            ReplyTo::Request(sender) => drop(sender.send(result)),
            ReplyTo::Socket { mailbox, reference } => {
                let Some(event) = self.events.first() else {
                    return;
                };
                let outcome = match (result, self.persist) {
                    (Err(_), _) => Outcome::Failed,
                    (Ok(_), false) => Outcome::Passed,
                    (Ok(positions), true) => match positions.first() {
                        Some(position) => {
                            Outcome::Stored(event.mid.clone(), position.serial, event.timestamp)
                        }
                        None => Outcome::Failed,
                    },
                };
                let (channel, event) = (event.channel.clone(), Arc::clone(&event.payload.event));
                mailbox.tell(MailboxItem::Receipt(Box::new(Receipt {
                    reference,
                    channel,
                    event,
                    outcome,
                })));
            }
        }
    }
}
