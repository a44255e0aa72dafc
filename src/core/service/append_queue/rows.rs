//! One commit of events that applications have inserted as rows: move, release, reply.

use std::slice;
use std::sync::Arc;

use tokio::time::Instant;

use super::AppendQueue;
use super::commit::InDoubt;
use super::pending::PendingAppend;
use crate::core::error::StorageError;
use crate::core::ports::{Moved, RowMove};
use crate::core::service::release::release;

type MoveResult = Result<Moved, StorageError>;

impl AppendQueue {
    /// Moves the rows of all entries with one commit. Where a row or an app is not there any more, that was undone: then each
    /// entry has a commit of its own.
    pub(super) async fn commit_rows(
        &self,
        entries: Vec<PendingAppend>,
        in_doubt: &mut Vec<InDoubt>,
    ) {
        let results = self.move_rows(&entries).await;
        let is_undone = results.iter().all(|result| {
            matches!(
                result,
                Err(StorageError::Conflict(_) | StorageError::NotFound)
            )
        });
        let is_alone = entries.len() == 1;
        let mut results = results.into_iter();
        for entry in entries {
            let mut own: Vec<MoveResult> = results.by_ref().take(entry.events.len()).collect();
            // Behind an event in doubt, none may be stored.
            if is_undone && !is_alone && in_doubt.is_empty() {
                own = self.move_rows(slice::from_ref(&entry)).await;
            }
            self.finish_rows(entry, own, in_doubt).await;
        }
    }

    async fn move_rows(&self, entries: &[PendingAppend]) -> Vec<MoveResult> {
        let of_entry = |entry: &PendingAppend| {
            let rows = entry.rows.iter().zip(&entry.events);
            let moved = rows.map(|(row, event)| RowMove {
                row: row.id.clone(),
                event: Arc::clone(event),
                persist: row.persist,
                due: row.mark.clone().filter(|_| row.persist),
            });
            moved.collect::<Vec<_>>()
        };
        let moves: Vec<RowMove> = entries.iter().flat_map(of_entry).collect();
        let begun = Instant::now();
        let results = self.rows.move_rows(&moves).await;
        let due = moves.iter().any(|moved| moved.due.is_some());
        self.notifications.committed(begun.elapsed(), due);
        results
    }

    /// Releases the events whose rows were removed, in order, and replies.
    async fn finish_rows(
        &self,
        entry: PendingAppend,
        results: Vec<MoveResult>,
        in_doubt: &mut Vec<InDoubt>,
    ) {
        let released = entry
            .rows
            .iter()
            .zip(&entry.events)
            .zip(&results)
            .filter_map(|((row, event), result)| match result {
                Ok(Moved::Stored(position)) => Some((event, Some(position.serial))),
                Ok(Moved::Removed) if !row.persist => Some((event, None)),
                _ => None,
            });
        let _guards = self.cache_channels.keep(released).await;
        let mut positions = Vec::new();
        let mut failure = None;
        for ((row, event), result) in entry.rows.iter().zip(&entry.events).zip(results) {
            match result {
                Ok(Moved::Stored(position)) => {
                    positions.push(position);
                    release(
                        &*self.bus,
                        &self.tail,
                        Arc::clone(event),
                        Some(position),
                        None,
                    )
                    .await;
                }
                Ok(Moved::Removed) if !row.persist => {
                    release(&*self.bus, &self.tail, Arc::clone(event), None, None).await;
                    self.notifications
                        .record(slice::from_ref(event), row.mark.as_ref());
                }
                // An earlier call has stored the event, which was released then.
                Ok(Moved::Removed) => {}
                Err(error) => {
                    let is_undone =
                        matches!(error, StorageError::Conflict(_) | StorageError::NotFound);
                    if row.persist && !is_undone {
                        in_doubt.push(InDoubt {
                            event: Arc::clone(event),
                            except: None,
                        });
                    }
                    failure.get_or_insert(error);
                }
            }
        }
        self.conclude(entry, positions, failure);
    }
}
