//! One commit of the append queue: append, release, reply.

use std::sync::Arc;

use super::AppendQueue;
use super::pending::PendingAppend;
use crate::core::error::StorageError;
use crate::core::model::{NewEvent, Position, SocketId};
use crate::core::service::release::release;

/// An event whose append failed without a definite result: it may be stored.
pub(super) struct InDoubt {
    pub event: Arc<NewEvent>,
    pub except: Option<SocketId>,
}

impl AppendQueue {
    pub(super) async fn commit(&self, entries: Vec<PendingAppend>, in_doubt: &mut Vec<InDoubt>) {
        let results = self.append(&entries).await;
        let _guards = self.cache_channels.keep(released(&entries, &results)).await;
        let mut results = results.into_iter();
        for entry in entries {
            let own = if entry.persist {
                results.by_ref().take(entry.events.len()).collect()
            } else {
                Vec::new()
            };
            self.finish(entry, own, in_doubt).await;
        }
    }

    /// Appends all persisted entries with one commit. Where one of them was stored before, a store may have rolled back the
    /// others, too: those are appended again, with one commit for each entry.
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
                    .for_each(|event| self.bus.exclude(&event.mid, socket));
            }
        }
        let is_conflict = |result: &Result<_, _>| matches!(result, Err(StorageError::Conflict(_)));
        let results = self.events.append(&batch).await;
        if persisted().count() == 1 || !results.iter().any(is_conflict) {
            return results;
        }
        let mut results = results.into_iter();
        let mut each = Vec::with_capacity(batch.len());
        for entry in persisted() {
            let own: Vec<_> = results.by_ref().take(entry.events.len()).collect();
            let rolled_back = own.iter().all(is_conflict);
            each.extend(if rolled_back {
                self.events.append(&events(entry)).await
            } else {
                own
            });
        }
        each
    }

    /// Whether the app has the event. A `mid` in conflict may also be that of a deleted app whose events are being removed.
    async fn is_stored(&self, event: &NewEvent) -> bool {
        let mids = std::slice::from_ref(&event.mid);
        let positions = self.events.positions(&event.app, mids).await;
        // Unknown counts as stored: the event must not be delivered twice.
        !matches!(positions, Ok(found) if found.contains(&None))
    }

    /// Releases the stored events, in order, and replies to the publisher.
    async fn finish(
        &self,
        entry: PendingAppend,
        results: Vec<Result<Position, StorageError>>,
        in_doubt: &mut Vec<InDoubt>,
    ) {
        if !entry.persist {
            self.pass(entry).await;
            return;
        }
        let mut positions = Vec::with_capacity(results.len());
        let mut failure = None;
        for (event, result) in entry.events.iter().zip(results) {
            let is_conflict = matches!(result, Err(StorageError::Conflict(_)));
            let is_repeated = is_conflict && entry.repeatable && self.is_stored(event).await;
            match result {
                Ok(position) => {
                    positions.push(position);
                    release(&*self.bus, Arc::clone(event), Some(position), entry.except).await;
                }
                // The same publish was stored, and delivered, before.
                Err(_) if is_repeated => {}
                Err(error) => {
                    in_doubt.push(InDoubt {
                        event: Arc::clone(event),
                        except: entry.except,
                    });
                    failure.get_or_insert(error);
                }
            }
        }
        match failure {
            None => entry.reply(Ok(positions)),
            Some(error) => {
                tracing::error!(error = error.chain(), "append failed or in doubt");
                entry.reply(Err(error));
            }
        }
    }
}

/// The events that are released now, with their serials where they are stored.
fn released<'a>(
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
