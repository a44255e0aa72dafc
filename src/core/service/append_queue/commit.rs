//! One commit of the append queue: append, release, reply.

use std::sync::Arc;

use tokio::time::Instant;

use super::AppendQueue;
use super::pending::PendingAppend;
use crate::core::error::StorageError;
use crate::core::model::{Mid, NewEvent, Position, SocketId};
use crate::core::service::release::release;

/// An event whose append failed without a definite result: it may be stored.
pub(super) struct InDoubt {
    pub event: Arc<NewEvent>,
    pub except: Option<SocketId>,
}

impl AppendQueue {
    pub(super) async fn commit(&self, entries: Vec<PendingAppend>, in_doubt: &mut Vec<InDoubt>) {
        if entries.first().is_some_and(|entry| !entry.rows.is_empty()) {
            return self.commit_rows(entries, in_doubt).await;
        }
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
        let due: Vec<Option<Arc<str>>> = persisted().flat_map(due_of).collect();
        let begun = Instant::now();
        let results = self.events.append_due(&batch, &due).await;
        self.notifications
            .committed(begun.elapsed(), due.iter().any(Option::is_some));
        if !results.iter().any(is_conflict) {
            return results;
        }
        let is_alone = persisted().count() == 1;
        let mut results = results.into_iter();
        let mut each = Vec::with_capacity(batch.len());
        for entry in persisted() {
            let mut own: Vec<_> = results.by_ref().take(entry.events.len()).collect();
            if !is_alone && own.iter().all(is_conflict) {
                let due: Vec<_> = due_of(entry).collect();
                own = self.events.append_due(&events(entry), &due).await;
            }
            if own.len() > 1 && own.iter().all(is_conflict) {
                own = self.append_missing(entry).await;
            }
            each.extend(own);
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

    /// Appends those events of a repeated publish that are not stored: an earlier attempt may have ended between two commits.
    async fn append_missing(&self, entry: &PendingAppend) -> Vec<Result<Position, StorageError>> {
        let Some(app) = entry.app() else {
            return Vec::new();
        };
        let mids: Vec<Mid> = entry.events.iter().map(|event| event.mid.clone()).collect();
        let stored = match self.events.positions(app, &mids).await {
            Ok(stored) => stored,
            Err(error) => {
                let cause = error.chain();
                let failed = |_| Err(StorageError::unavailable(cause.clone()));
                return mids.iter().map(failed).collect();
            }
        };
        let is_missing = stored.iter().map(Option::is_none);
        let missing: Vec<NewEvent> = entry
            .events
            .iter()
            .zip(is_missing)
            .filter(|(_, is_missing)| *is_missing)
            .map(|(event, _)| NewEvent::clone(event))
            .collect();
        let mut appended = match missing.is_empty() {
            true => Vec::new(),
            false => {
                let due = vec![entry.mark.clone(); missing.len()];
                self.events.append_due(&missing, &due).await
            }
        }
        .into_iter();
        let result = |position: Option<Position>| match position {
            Some(_) => Err(StorageError::Conflict("mid")),
            None => appended
                .next()
                .unwrap_or_else(|| Err(StorageError::unavailable("the store returned no result"))),
        };
        stored.into_iter().map(result).collect()
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
                    release(
                        &*self.bus,
                        &self.tail,
                        Arc::clone(event),
                        Some(position),
                        entry.except,
                    )
                    .await;
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
        self.conclude(entry, positions, failure);
    }

    /// Replies to the publisher.
    pub(super) fn conclude(
        &self,
        entry: PendingAppend,
        positions: Vec<Position>,
        failure: Option<StorageError>,
    ) {
        match failure {
            None => entry.reply(Ok(positions)),
            Some(error) => {
                let is_undone = matches!(error, StorageError::Conflict(_) | StorageError::NotFound);
                // Rows that another node has moved are no failure.
                if entry.rows.is_empty() || !is_undone {
                    tracing::error!(error = error.chain(), "append failed or in doubt");
                }
                // What is not appended yet never is.
                let rest = match entry.has_rest() {
                    true => self.pending.lock().pop_rest(&entry),
                    false => None,
                };
                rest.unwrap_or(entry).reply(Err(error));
            }
        }
    }
}

/// For each event of an entry, what its publish has in common if targets are to be notified.
fn due_of(entry: &PendingAppend) -> impl Iterator<Item = Option<Arc<str>>> {
    std::iter::repeat_n(entry.mark.clone(), entry.events.len())
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
