//! Inserts whose outcome is not final.
//!
//! The server may execute an insert at any time after its response was lost. Therefore the same documents are inserted again
//! before the next append and before positions are read: afterwards their `_id`s exist in any case, and the first insert
//! can no longer have an effect.

use std::collections::{BTreeMap, HashMap, HashSet};

use mongodb::bson::{Bson, Document, doc};

use super::all;
use super::document::ChannelRef;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Position};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::error::{InsertFailure, classify, insert_failure, upsert};
use crate::outbound::storage::mongodb::{MongoStore, value};

/// The append state of one store instance.
#[derive(Default)]
pub(in super::super) struct AppendState {
    /// Cached serials of heads by their `_id`. Other instances may have appended since.
    pub(super) heads: HashMap<String, i64>,
    /// The ids of apps that existed after this many removals. An app that is deleted afterwards is found by the confirmation.
    pub(super) app_ids: HashMap<AppIdent, i64>,
    pub(super) removals: Option<i64>,
    /// Inserts that are not confirmed.
    pub(super) pending: Vec<PendingInsert>,
    /// Number of inserts at the end of `pending` without a response.
    pub(super) unacknowledged: usize,
}

/// An insert of one event.
pub(super) struct PendingInsert {
    pub channel_ref: ChannelRef,
    pub serial: i64,
    pub id: i64,
    pub mid: String,
    pub document: Document,
}

impl PendingInsert {
    pub(super) fn position(&self) -> StorageResult<Position> {
        let to_u64 = |number: i64| u64::try_from(number).map_err(StorageError::corrupt);
        Ok(Position {
            id: to_u64(self.id)?,
            serial: to_u64(self.serial)?,
        })
    }
}

/// The outcome of the unacknowledged inserts; the index is into `pending`, and those before it were stored.
pub(super) enum InsertOutcome {
    /// All were stored.
    Stored,
    /// The `_id` or the `mid` of this one exists.
    DuplicateAt(usize),
    /// The server rejected this one.
    RejectedAt(usize, StorageError),
}

impl MongoStore {
    /// Inserts the unacknowledged documents.
    pub(super) async fn insert_pending(
        &self,
        appends: &mut AppendState,
    ) -> StorageResult<InsertOutcome> {
        let from = appends.pending.len().saturating_sub(appends.unacknowledged);
        let unacknowledged = appends.pending.get(from..).unwrap_or_default();
        if unacknowledged.is_empty() {
            return Ok(InsertOutcome::Stored);
        }
        let Err(error) = self
            .collections
            .events
            .insert_many(unacknowledged.iter().map(|insert| &insert.document))
            .await
        else {
            appends.unacknowledged = 0;
            return Ok(InsertOutcome::Stored);
        };
        match insert_failure(&error) {
            InsertFailure::Duplicate(at) if at < unacknowledged.len() => {
                Ok(InsertOutcome::DuplicateAt(from + at))
            }
            InsertFailure::Rejected(at) if at < unacknowledged.len() => {
                Ok(InsertOutcome::RejectedAt(from + at, classify(error)))
            }
            _ => Err(classify(error)),
        }
    }

    /// Makes the outcome of all earlier inserts final.
    pub(super) async fn resolve_pending(&self, appends: &mut AppendState) -> StorageResult<()> {
        if appends.pending.is_empty() {
            return Ok(());
        }
        appends.heads.clear();
        while let InsertOutcome::DuplicateAt(at) | InsertOutcome::RejectedAt(at, _) =
            self.insert_pending(appends).await?
        {
            if self.is_stored(appends.pending.get(at)).await? {
                appends.unacknowledged = appends.pending.len().saturating_sub(at + 1);
            } else {
                // The first insert fails at this document, too.
                appends.pending.truncate(at);
                appends.unacknowledged = 0;
            }
        }
        // A duplicate key may not be replicated yet. When this later write has reached a majority, so have the earlier ones.
        upsert(|| {
            let barrier = self.collections.state.update_one(
                doc! { "_id": "barrier" },
                doc! { "$inc": { "value": 1_i64 } },
            );
            barrier.upsert(true)
        })
        .await?;
        self.confirm(appends).await.map(drop)
    }

    pub(super) async fn is_stored(&self, insert: Option<&PendingInsert>) -> StorageResult<bool> {
        let Some(insert) = insert else {
            return Ok(false);
        };
        let id = doc! { "_id": insert.channel_ref.event_id(insert.serial) };
        let stored = self
            .collections
            .events
            .find_one(id)
            .projection(doc! { "mid": 1 })
            .await
            .map_err(classify)?;
        Ok(stored.is_some_and(|document| {
            value::text(&document, "mid").is_ok_and(|mid| mid == insert.mid)
        }))
    }

    /// Raises the heads, and withdraws events that are invalid: their app was deleted concurrently, or their serial is below
    /// the floor and belonged to a removed event. Returns the other ones.
    pub(super) async fn confirm(
        &self,
        appends: &mut AppendState,
    ) -> StorageResult<Vec<PendingInsert>> {
        let mut newest: BTreeMap<String, &PendingInsert> = BTreeMap::new();
        for insert in &appends.pending {
            newest.insert(insert.channel_ref.head_id(), insert);
        }
        if self.raise_valid_heads(&appends.pending, &newest).await? {
            return Ok(std::mem::take(&mut appends.pending));
        }
        appends.app_ids.clear();
        let (floors, app_ids) = tokio::try_join!(
            self.raise_heads(&newest),
            self.app_ids(appends.pending.iter().map(|insert| &insert.channel_ref.app))
        )?;
        let app_exists =
            |channel_ref: &ChannelRef| app_ids.get(&channel_ref.app) == Some(&channel_ref.app_id);
        let is_valid = |insert: &PendingInsert| {
            app_exists(&insert.channel_ref)
                && floors
                    .get(&insert.channel_ref.head_id())
                    .is_none_or(|floor| *floor < insert.serial)
        };
        let invalid: Vec<&PendingInsert> = appends
            .pending
            .iter()
            .filter(|insert| !is_valid(insert))
            .collect();
        if !invalid.is_empty() {
            let ids: Vec<String> = invalid
                .iter()
                .map(|insert| insert.channel_ref.event_id(insert.serial))
                .collect();
            let mids: Vec<&str> = invalid.iter().map(|insert| insert.mid.as_str()).collect();
            let events = doc! { "_id": { "$in": ids }, "mid": { "$in": mids } };
            self.collections
                .events
                .delete_many(events)
                .await
                .map_err(classify)?;
            let heads: HashSet<String> = invalid
                .iter()
                .filter(|insert| !app_exists(&insert.channel_ref))
                .map(|insert| insert.channel_ref.head_id())
                .collect();
            let heads = doc! { "_id": { "$in": heads.into_iter().collect::<Vec<_>>() } };
            self.collections
                .heads
                .delete_many(heads)
                .await
                .map_err(classify)?;
        }
        let invalid: HashSet<String> = invalid.iter().map(|insert| insert.mid.clone()).collect();
        for insert in &appends.pending {
            if invalid.contains(&insert.mid) {
                appends.heads.remove(&insert.channel_ref.head_id());
            }
        }
        Ok(std::mem::take(&mut appends.pending)
            .into_iter()
            .filter(|insert| !invalid.contains(&insert.mid))
            .collect())
    }

    /// Raises the recorded heads where all of them exist, with floors below the inserts: then all inserts are valid. A head
    /// exists as long as its app, since the removal of an app begins with the heads: what was inserted before is removed too.
    ///
    /// One command, which is all that most batches need.
    async fn raise_valid_heads(
        &self,
        pending: &[PendingInsert],
        newest: &BTreeMap<String, &PendingInsert>,
    ) -> StorageResult<bool> {
        // The first event of a channel, which has no head yet.
        if pending.iter().any(|insert| insert.serial == 1) {
            return Ok(false);
        }
        let mut lowest: HashMap<String, i64> = HashMap::new();
        for insert in pending {
            let serial = lowest.entry(insert.channel_ref.head_id());
            let serial = serial.or_insert(insert.serial);
            *serial = insert.serial.min(*serial);
        }
        let raise = |(id, insert): (&String, &&PendingInsert)| {
            let change = doc! { "$max": { "serial": insert.serial, "id": insert.id } };
            let below = doc! { "floor": { "$lt": lowest.get(id).copied() } };
            let valid = vec![doc! { "floor": Bson::Null }, below];
            doc! { "q": { "_id": id, "$or": valid }, "u": change }
        };
        let raised = self
            .collections
            .counted_update(&self.collections.heads, newest.iter().map(raise).collect())
            .await?;
        Ok(raised == newest.len())
    }

    /// Raises the recorded heads, and returns the floors: serials up to which events may have been removed.
    async fn raise_heads(
        &self,
        newest: &BTreeMap<String, &PendingInsert>,
    ) -> StorageResult<HashMap<String, i64>> {
        let raise = |(id, insert): (&String, &&PendingInsert)| {
            let channel_ref = &insert.channel_ref;
            let new = doc! { "instance": channel_ref.app.as_str(), "app": channel_ref.app_id, "channel": channel_ref.channel.as_str() };
            let change =
                doc! { "$max": { "serial": insert.serial, "id": insert.id }, "$setOnInsert": new };
            doc! { "q": { "_id": id }, "u": change, "upsert": true }
        };
        self.collections
            .bulk_update(&self.collections.heads, newest.iter().map(raise).collect())
            .await?;
        let ids: Vec<&String> = newest.keys().collect();
        let floors = doc! { "_id": { "$in": ids }, "floor": { "$gt": 0 } };
        let floors = all(self
            .collections
            .heads
            .find(floors)
            .projection(doc! { "floor": 1 }))
        .await?;
        floors
            .iter()
            .map(|head| {
                Ok((
                    value::text(head, "_id")?.to_owned(),
                    value::int(head, "floor")?,
                ))
            })
            .collect()
    }

    /// Reads the ids of the apps that exist.
    pub(in super::super) async fn app_ids(
        &self,
        apps: impl Iterator<Item = &AppIdent>,
    ) -> StorageResult<HashMap<AppIdent, i64>> {
        let idents: HashSet<&str> = apps.map(AppIdent::as_str).collect();
        let filter = doc! { "ident": { "$in": idents.into_iter().collect::<Vec<_>>() } };
        let found = all(self
            .collections
            .apps
            .find(filter)
            .projection(doc! { "ident": 1, "id": 1 }))
        .await?;
        found
            .iter()
            .map(|app| {
                Ok((
                    AppIdent::trusted(value::text(app, "ident")?),
                    value::int(app, "id")?,
                ))
            })
            .collect()
    }
}
