//! Appending events. The `_id` of an event contains its serial, so the insert claims it: if another writer was faster, the
//! ordered insert fails with a duplicate key, and the remaining events are retried with later serials.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use mongodb::bson::doc;

use super::document::{ChannelRef, document_of, remove_copied_members};
use super::pending::{AppendState, InsertOutcome, PendingInsert};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, NewEvent, Position};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::due::due_of;
use crate::outbound::storage::mongodb::error::classify;
use crate::outbound::storage::mongodb::{MongoStore, value};

/// Approximate limit of one insert in bytes, far below the limit of a message to the server.
const MAX_INSERT_BYTES: usize = 8 << 20;

/// Maximum number of cached heads; the cache is cleared when it is exceeded.
const MAX_CACHED_HEADS: usize = 100_000;

/// Maximum number of cached ids of apps; the cache is cleared when it is exceeded.
const MAX_CACHED_APPS: usize = 10_000;

/// The progress of one batch.
struct AppendBatch<'a> {
    events: &'a [NewEvent],
    /// What the publishes of the events have in common whose targets are to be notified.
    due: &'a [Option<Arc<str>>],
    results: Vec<Option<Result<Position, StorageError>>>,
    /// Events without a position, in order: index and app id.
    queue: VecDeque<(usize, i64)>,
    /// Inserted events that are not confirmed, by `mid`: index and app id.
    unconfirmed: HashMap<String, (usize, i64)>,
    /// Indexes of events that the server rejected once, and that are inserted without a copy of their further members.
    uncopied: HashSet<usize>,
}

impl MongoStore {
    /// Stores events in order. After an error each of them may have been stored.
    pub(super) async fn append_batch(
        &self,
        appends: &mut AppendState,
        events: &[NewEvent],
        due: &[Option<Arc<str>>],
    ) -> StorageResult<Vec<Result<Position, StorageError>>> {
        self.resolve_pending(appends).await?;
        let mut batch = self.start_batch(appends, events, due).await?;
        while !batch.queue.is_empty() {
            while !batch.queue.is_empty() {
                self.insert_chunk(appends, &mut batch).await?;
            }
            for insert in self.confirm(appends).await? {
                if let Some((index, _)) = batch.unconfirmed.remove(&insert.mid) {
                    batch.set_result(index, insert.position());
                }
            }
            self.requeue_unconfirmed(&mut batch).await?;
        }
        let lost = || {
            Err(StorageError::unavailable(
                "the outcome of an append is unknown",
            ))
        };
        Ok(batch
            .results
            .into_iter()
            .map(|result| result.unwrap_or_else(lost))
            .collect())
    }

    /// Sets the results of events that cannot be stored, and queues the rest.
    async fn start_batch<'a>(
        &self,
        appends: &mut AppendState,
        events: &'a [NewEvent],
        due: &'a [Option<Arc<str>>],
    ) -> StorageResult<AppendBatch<'a>> {
        if appends.app_ids.len() > MAX_CACHED_APPS {
            appends.app_ids.clear();
        }
        let is_unknown = |app: &&AppIdent| !appends.app_ids.contains_key(*app);
        let unknown: Vec<&AppIdent> = events
            .iter()
            .map(|event| &event.app)
            .filter(is_unknown)
            .collect();
        if !unknown.is_empty() {
            let read = self.app_ids(unknown.into_iter()).await?;
            appends.app_ids.extend(read);
        }
        let results = events.iter().map(|_| None).collect();
        let mut batch = AppendBatch {
            events,
            due,
            results,
            queue: VecDeque::new(),
            unconfirmed: HashMap::new(),
            uncopied: HashSet::new(),
        };
        for (index, event) in events.iter().enumerate() {
            match appends.app_ids.get(&event.app) {
                None => batch.set_result(index, Err(StorageError::NotFound)),
                Some(app_id) => batch.queue.push_back((index, *app_id)),
            }
        }
        Ok(batch)
    }

    /// Queues events that were withdrawn again, unless their app was deleted.
    async fn requeue_unconfirmed(&self, batch: &mut AppendBatch<'_>) -> StorageResult<()> {
        if batch.unconfirmed.is_empty() {
            return Ok(());
        }
        let mut withdrawn: Vec<(usize, i64)> = std::mem::take(&mut batch.unconfirmed)
            .into_values()
            .collect();
        withdrawn.sort_unstable();
        let app_ids = self
            .app_ids(batch.events.iter().map(|event| &event.app))
            .await?;
        for (index, app_id) in withdrawn {
            if batch
                .events
                .get(index)
                .and_then(|event| app_ids.get(&event.app))
                == Some(&app_id)
            {
                batch.queue.push_back((index, app_id));
            } else {
                batch.set_result(index, Err(StorageError::NotFound));
            }
        }
        Ok(())
    }

    /// Inserts the first part of the queue, and removes the events that were stored or cannot be stored.
    async fn insert_chunk(
        &self,
        appends: &mut AppendState,
        batch: &mut AppendBatch<'_>,
    ) -> StorageResult<()> {
        let chunk = batch.chunk(self.insert_limit);
        let Some(inserts) = self.assign_positions(appends, batch, &chunk).await? else {
            batch.set_apps(&appends.app_ids);
            return Ok(());
        };
        let before = appends.pending.len();
        appends.unacknowledged = inserts.len();
        appends.pending.extend(inserts);
        let stored = match self.insert_pending(appends).await? {
            InsertOutcome::Stored => appends.pending.len() - before,
            InsertOutcome::RejectedAt(at, error) => {
                appends.truncate_at(at);
                let stored = at - before;
                if !batch.retry_uncopied(stored)
                    && let Some((index, _)) = batch.queue.remove(stored)
                {
                    batch.set_result(index, Err(error));
                }
                stored
            }
            InsertOutcome::DuplicateAt(at) => {
                let own = self.is_stored(appends.pending.get(at)).await?;
                appends.truncate_at(at + usize::from(own));
                let stored = appends.pending.len() - before;
                let next = chunk
                    .get(stored)
                    .and_then(|(index, _)| batch.events.get(*index));
                let taken = match next {
                    Some(next) if !own => self.has_mid(next).await?,
                    _ => false,
                };
                if let Some((index, _)) = taken.then(|| batch.queue.remove(stored)).flatten() {
                    batch.set_result(index, Err(StorageError::Conflict("mid")));
                }
                stored
            }
        };
        for (insert, entry) in appends
            .pending
            .iter()
            .skip(before)
            .zip(batch.queue.drain(..stored))
        {
            batch.unconfirmed.insert(insert.mid.clone(), entry);
            appends
                .heads
                .insert(insert.channel_ref.head_id(), insert.serial);
        }
        Ok(())
    }

    /// Assigns serials and then ids to events, so that both grow together within a channel across all writers; `None` where an
    /// app was deleted since its id was read.
    async fn assign_positions(
        &self,
        appends: &mut AppendState,
        batch: &AppendBatch<'_>,
        chunk: &[(usize, i64)],
    ) -> StorageResult<Option<Vec<PendingInsert>>> {
        let due: Vec<(bool, Option<&str>)> = chunk
            .iter()
            .map(|(index, _)| {
                let due = batch.due.get(*index).and_then(Option::as_deref);
                (batch.uncopied.contains(index), due)
            })
            .collect();
        let chunk: Vec<(&NewEvent, ChannelRef)> = chunk
            .iter()
            .filter_map(|(index, app_id)| batch.events.get(*index).map(|event| (event, *app_id)))
            .map(|(event, app_id)| {
                (
                    event,
                    ChannelRef {
                        app: event.app.clone(),
                        app_id,
                        channel: event.channel.clone(),
                    },
                )
            })
            .collect();
        self.load_heads(appends, &chunk).await?;
        let count = value::signed(chunk.len());
        let (last, removals) = self.collections.allocate_event_ids(count).await?;
        if appends.removals.replace(removals) != Some(removals) {
            let queued = || {
                let event = |(index, id): &(usize, i64)| Some((batch.events.get(*index)?, *id));
                batch.queue.iter().filter_map(event)
            };
            appends.app_ids = self.app_ids(queued().map(|(event, _)| &event.app)).await?;
            if !queued().all(|(event, id)| appends.app_ids.get(&event.app) == Some(&id)) {
                return Ok(None);
            }
        }
        let first = last - count + 1;
        let mut heads: HashMap<String, i64> = HashMap::new();
        let mut inserts = Vec::with_capacity(chunk.len());
        for (((event, channel_ref), id), (is_uncopied, due)) in
            chunk.into_iter().zip(first..).zip(due)
        {
            let head_id = channel_ref.head_id();
            let cached = appends.heads.get(&head_id).copied().unwrap_or(0);
            let serial = heads.entry(head_id).or_insert(cached);
            *serial += 1;
            let mut document = document_of(event, &channel_ref, *serial, id);
            if is_uncopied {
                remove_copied_members(&mut document);
            }
            if let Some(publish) = due {
                document.insert("due", due_of(channel_ref.app_id, id, publish));
            }
            inserts.push(PendingInsert {
                channel_ref,
                serial: *serial,
                id,
                mid: event.mid.to_string(),
                document,
            });
        }
        Ok(Some(inserts))
    }

    /// Reads the heads that are not cached.
    async fn load_heads(
        &self,
        appends: &mut AppendState,
        chunk: &[(&NewEvent, ChannelRef)],
    ) -> StorageResult<()> {
        if appends.heads.len() > MAX_CACHED_HEADS {
            appends.heads.clear();
        }
        let mut apps: HashMap<(&AppIdent, i64), HashSet<&ChannelName>> = HashMap::new();
        for (_, channel_ref) in chunk {
            if !appends.heads.contains_key(&channel_ref.head_id())
                || !self.backfill_cache.is_fresh(channel_ref)
            {
                apps.entry((&channel_ref.app, channel_ref.app_id))
                    .or_default()
                    .insert(&channel_ref.channel);
            }
        }
        for ((app, app_id), channels) in apps {
            let channels: Vec<ChannelName> = channels.into_iter().cloned().collect();
            for (channel, head) in self.read_heads(app, app_id, &channels).await? {
                let channel_ref = ChannelRef {
                    app: app.clone(),
                    app_id,
                    channel,
                };
                appends.heads.insert(channel_ref.head_id(), head.serial);
            }
        }
        Ok(())
    }

    /// Whether the event's app has stored an event with its `mid`.
    async fn has_mid(&self, event: &NewEvent) -> StorageResult<bool> {
        let same = doc! { "mid": &*event.mid.0, "instance": event.app.as_str() };
        let found = self.collections.events.find_one(same);
        let found = found.projection(doc! { "_id": 1 }).await;
        found.map(|found| found.is_some()).map_err(classify)
    }
}

impl AppendBatch<'_> {
    fn set_result(&mut self, index: usize, result: Result<Position, StorageError>) {
        if let Some(entry) = self.results.get_mut(index) {
            *entry = Some(result);
        }
    }

    /// Whether the event at a place of the queue is to be inserted again without a copy of its further members.
    fn retry_uncopied(&mut self, place: usize) -> bool {
        let Some(&(index, _)) = self.queue.get(place) else {
            return false;
        };
        let event = self.events.get(index);
        event.is_some_and(|event| !event.payload.extra.is_empty()) && self.uncopied.insert(index)
    }

    /// Gives the queued events the ids of their apps, and sets the results of those without an app.
    fn set_apps(&mut self, app_ids: &HashMap<AppIdent, i64>) {
        for (index, _) in std::mem::take(&mut self.queue) {
            let event = self.events.get(index);
            match event.and_then(|event| app_ids.get(&event.app)) {
                Some(app_id) => self.queue.push_back((index, *app_id)),
                None => self.set_result(index, Err(StorageError::NotFound)),
            }
        }
    }

    /// The first part of the queue that fits into one insert: at least one event, and at most `limit`.
    fn chunk(&self, limit: usize) -> Vec<(usize, i64)> {
        let mut bytes = 0;
        let fits = |(at, (index, _)): &(usize, &(usize, i64))| {
            let payload = self.events.get(*index).map(|event| &event.payload);
            // A document contains `extra` twice.
            bytes += payload.map_or(0, |payload| {
                payload.data.len() + 2 * payload.extra.as_str().len() + 1000
            });
            *at == 0 || bytes < MAX_INSERT_BYTES
        };
        self.queue
            .iter()
            .take(limit)
            .enumerate()
            .take_while(fits)
            .map(|(_, entry)| *entry)
            .collect()
    }
}

impl AppendState {
    /// Discards the inserts from `at` on, which were not stored.
    fn truncate_at(&mut self, at: usize) {
        // Another writer has this serial, so the cached head is out of date.
        if let Some(insert) = self.pending.get(at) {
            self.heads.remove(&insert.channel_ref.head_id());
        }
        self.pending.truncate(at);
        self.unacknowledged = 0;
    }
}
