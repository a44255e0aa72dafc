//! Documents that applications insert into `pushi_publish`, to be published.
//!
//! There are no transactions, so before a document is moved its `claim` is set for good. The `mid` of its event follows from it,
//! and is unique: where a node failed between storing the event and removing the document, the next attempt finds it stored.

mod watch;

use std::collections::HashMap;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use futures_util::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};

pub(super) use self::watch::RowWatch;
use super::error::{classify, is_duplicate};
use super::{MongoStore, json, value};
use crate::core::auth::{derived_mid, random_hex};
use crate::core::error::StorageError;
use crate::core::model::{NewEvent, Timestamp};
use crate::core::ports::{
    EventStore, Moved, OldestRow, PublishRow, PublishRows, RowContent, RowId, RowLimit, RowMove,
};
use crate::outbound::storage::StorageResult;

/// A larger document is rejected without its texts: with the reason it might exceed what the server stores.
const MAX_REJECTED_BYTES: usize = 15 << 20;

/// The `_id` of the lease among the states.
const LEASE: &str = "publish_lease";

#[async_trait]
impl PublishRows for MongoStore {
    async fn inserted(&self) {
        self.row_watch.inserted(&self.collections.rows).await;
    }

    async fn oldest(&self) -> Result<Option<OldestRow>, StorageError> {
        self.with_timeout(async {
            loop {
                let oldest = self.collections.rows.find_one(Document::new());
                let oldest = oldest
                    .sort(doc! { "_id": 1 })
                    .projection(doc! { "app": 1, "created": 1 });
                let Some(oldest) = oldest.await.map_err(classify)? else {
                    return Ok(None);
                };
                if let Some(Bson::String(app)) = oldest.get("app") {
                    return Ok(Some(OldestRow {
                        app: app.clone(),
                        created: created(&oldest),
                    }));
                }
                // No app has it, and no turn reaches it.
                let reason = "app is missing or no text: name the id or the key of an app";
                self.reject_row(oldest.get("_id"), reason, created(&oldest))
                    .await?;
            }
        })
        .await
    }

    async fn apps(&self, after: &str, limit: usize) -> Result<Vec<String>, StorageError> {
        self.with_timeout(async {
            let mut found: Vec<String> = Vec::new();
            let mut last = after.to_owned();
            let mut is_round = after.is_empty();
            while found.len() < limit {
                // The empty text, too, in the first round.
                let behind = match last.is_empty() && found.is_empty() {
                    true => doc! { "app": { "$gte": "" } },
                    false => doc! { "app": { "$gt": &last } },
                };
                let next = self.collections.rows.find_one(behind);
                let next = next.sort(doc! { "app": 1 }).projection(doc! { "app": 1 });
                let Some(next) = next.await.map_err(classify)? else {
                    if is_round {
                        break;
                    }
                    is_round = true;
                    last.clear();
                    continue;
                };
                last = value::text(&next, "app")?.to_owned();
                if is_round && !after.is_empty() && last.as_str() > after {
                    break;
                }
                if found.contains(&last) {
                    break;
                }
                found.push(last.clone());
            }
            Ok(found)
        })
        .await
    }

    async fn rows(&self, app: &str, limit: RowLimit) -> Result<Vec<PublishRow>, StorageError> {
        self.with_timeout(async {
            let rows: Collection<RawDocumentBuf> = self.collections.rows.clone_with_type();
            let oldest = rows.find(doc! { "app": app }).sort(doc! { "_id": 1 });
            let mut oldest = oldest
                .limit(value::signed(limit.rows))
                .await
                .map_err(classify)?;
            let mut found: Vec<(Bson, Option<String>, RowContent)> = Vec::new();
            let mut bytes = 0;
            while bytes < limit.bytes
                && let Some(raw) = oldest.try_next().await.map_err(classify)?
            {
                let size = raw.as_bytes().len();
                let id = raw.get("_id").ok().flatten();
                let id = Bson::try_from(id.ok_or_else(|| StorageError::corrupt("no _id"))?)
                    .map_err(StorageError::corrupt)?;
                let (claim, content) = match size > limit.row_bytes {
                    true => (None, RowContent::TooLarge(size as u64)),
                    false => {
                        bytes += size;
                        content(&raw)
                    }
                };
                found.push((id, claim, content));
            }
            let claims = self.claim(&found).await?;
            let row = |(id, claim, content): (Bson, Option<String>, RowContent)| {
                let id = id_text(id);
                let claim = claim.or_else(|| claims.get(&*id.0).cloned());
                let mid = claim.map(|claim| derived_mid(&["pushi_publish", &claim, &id.0]));
                PublishRow { id, mid, content }
            };
            Ok(found.into_iter().map(row).collect())
        })
        .await
    }

    async fn move_rows(&self, moves: &[RowMove]) -> Vec<Result<Moved, StorageError>> {
        let (stored, sent): (Vec<_>, Vec<_>) = moves.iter().partition(|moved| moved.persist);
        // Before they are sent: those that are not stored are sent at most once.
        if let Err(error) = self.remove(&sent).await {
            let cause = error.chain();
            let failed = |_| Err(StorageError::unavailable(cause.clone()));
            return moves.iter().map(failed).collect();
        }
        let events: Vec<NewEvent> = stored
            .iter()
            .map(|moved| NewEvent::clone(&moved.event))
            .collect();
        let due: Vec<_> = stored.iter().map(|moved| moved.due.clone()).collect();
        let mut results = self.append_due(&events, &due).await.into_iter();
        let moved = |moved: &RowMove| match moved.persist {
            false => Ok(Moved::Removed),
            true => match results.next() {
                Some(Ok(position)) => Ok(Moved::Stored(position)),
                Some(Err(StorageError::Conflict(_))) => Ok(Moved::Removed),
                Some(Err(error)) => Err(error),
                None => Err(StorageError::unavailable("the store returned no result")),
            },
        };
        let results: Vec<_> = moves.iter().map(moved).collect();
        let done = moves.iter().zip(&results);
        let done = done.filter(|(moved, result)| moved.persist && result.is_ok());
        let done: Vec<&RowMove> = done.map(|(moved, _)| moved).collect();
        // Where it fails, the next attempt finds them stored.
        if let Err(error) = self.remove(&done).await {
            tracing::warn!(
                error = error.chain(),
                "published documents of pushi_publish not removed, retrying"
            );
        }
        results
    }

    async fn reject(
        &self,
        rejected: &[(RowId, String)],
        now: Timestamp,
    ) -> Result<(), StorageError> {
        for (id, reason) in rejected {
            let id = id_value(id)?;
            self.with_timeout(self.reject_row(Some(&id), reason, now))
                .await?;
        }
        Ok(())
    }

    async fn hold(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StorageError> {
        let free = doc! { "_id": LEASE, "$or": [{ "holder": holder }, { "held_until": { "$lte": now.micros() } }] };
        let hold = doc! { "$set": { "holder": holder, "held_until": until.micros() } };
        self.with_timeout(async {
            match self
                .collections
                .state
                .update_one(free, hold)
                .upsert(true)
                .await
            {
                Ok(_) => Ok(true),
                // The lease is there, and another one's.
                Err(error) if is_duplicate(&error) => Ok(false),
                Err(error) => Err(classify(error)),
            }
        })
        .await
    }

    async fn release(&self, holder: &str) -> Result<(), StorageError> {
        let own = doc! { "_id": LEASE, "holder": holder };
        self.with_timeout(async {
            let ended = self
                .collections
                .state
                .update_one(own, doc! { "$set": { "held_until": 0_i64 } });
            ended.await.map(drop).map_err(classify)
        })
        .await
    }

    async fn prune_rejected(&self, before: Timestamp, limit: usize) -> Result<u64, StorageError> {
        let rejected = &self.collections.rejected_rows;
        self.with_timeout(async {
            let old = rejected.find(doc! { "failed": { "$lt": before.micros() } });
            let old = old
                .sort(doc! { "failed": 1 })
                .limit(value::signed(limit))
                .projection(doc! { "_id": 1 });
            let old: Vec<Document> = old
                .await
                .map_err(classify)?
                .try_collect()
                .await
                .map_err(classify)?;
            let ids: Vec<Bson> = old
                .into_iter()
                .filter_map(|mut old| old.remove("_id"))
                .collect();
            if ids.is_empty() {
                return Ok(0);
            }
            let pruned = rejected.delete_many(doc! { "_id": { "$in": ids } }).await;
            pruned.map(|pruned| pruned.deleted_count).map_err(classify)
        })
        .await
    }
}

impl MongoStore {
    /// Sets the claims of documents that have none, and returns those that they have then by the texts of their ids.
    async fn claim(
        &self,
        rows: &[(Bson, Option<String>, RowContent)],
    ) -> StorageResult<HashMap<String, String>> {
        let unclaimed = |(id, claim, content): &(Bson, Option<String>, RowContent)| {
            let is_event = matches!(content, RowContent::Event { .. });
            (is_event && claim.is_none()).then(|| id.clone())
        };
        let ids: Vec<Bson> = rows.iter().filter_map(unclaimed).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = &self.collections.rows;
        let claim = random_hex::<8>().map_err(StorageError::unavailable)?;
        let own = rows.update_many(
            doc! { "_id": { "$in": &ids }, "claim": Bson::Null },
            doc! { "$set": { "claim": claim } },
        );
        own.await.map_err(classify)?;
        // Perhaps another node was faster.
        let claimed = rows.find(doc! { "_id": { "$in": ids } });
        let claimed = claimed.projection(doc! { "claim": 1 });
        let claimed: Vec<Document> = claimed
            .await
            .map_err(classify)?
            .try_collect()
            .await
            .map_err(classify)?;
        let claim_of = |mut document: Document| {
            let id = id_text(document.remove("_id")?);
            let claim = value::text(&document, "claim").ok()?.to_owned();
            Some((id.0.to_string(), claim))
        };
        Ok(claimed.into_iter().filter_map(claim_of).collect())
    }

    async fn remove(&self, moves: &[&RowMove]) -> StorageResult<()> {
        if moves.is_empty() {
            return Ok(());
        }
        let ids = moves.iter().map(|moved| id_value(&moved.row));
        let ids = ids.collect::<StorageResult<Vec<Bson>>>()?;
        let rows = self.collections.rows.clone();
        self.run_to_completion(async move {
            let removed = rows.delete_many(doc! { "_id": { "$in": ids } }).await;
            removed.map(drop).map_err(classify)
        })
        .await
    }

    /// Moves one document: several may be more than fits into memory.
    async fn reject_row(
        &self,
        id: Option<&Bson>,
        reason: &str,
        now: Timestamp,
    ) -> StorageResult<()> {
        let own = doc! { "_id": id };
        let rows: Collection<RawDocumentBuf> = self.collections.rows.clone_with_type();
        let Some(raw) = rows.find_one(own.clone()).await.map_err(classify)? else {
            return Ok(());
        };
        let mut row = match raw.as_bytes().len() > MAX_REJECTED_BYTES {
            true => own.clone(),
            false => Document::try_from(&*raw).map_err(StorageError::corrupt)?,
        };
        row.insert("failed", now.micros());
        row.insert("reason", reason);
        match self.collections.rejected_rows.insert_one(row).await {
            Err(error) if !is_duplicate(&error) => return Err(classify(error)),
            _ => {}
        }
        let removed = self.collections.rows.delete_one(own).await;
        removed.map(drop).map_err(classify)
    }
}

/// The claim and the content of a document.
fn content(raw: &RawDocumentBuf) -> (Option<String>, RowContent) {
    let Ok(mut row) = Document::try_from(&**raw) else {
        return (None, RowContent::Invalid("the document cannot be read"));
    };
    let claim = value::text(&row, "claim").ok().map(str::to_owned);
    let text_of = |value: Option<&Bson>| match value {
        None | Some(Bson::Null) => Some(None),
        Some(value) => json::to_text(value)
            .ok()
            .map(|text| Some(text.into_owned())),
    };
    let (data, extra) = (text_of(row.get("data")), text_of(row.get("extra")));
    let event = row.remove("event").unwrap_or_else(|| "message".into());
    let content = match (row.remove("channel"), event, data, extra) {
        (Some(Bson::String(channel)), Bson::String(event), Some(data), Some(extra)) => {
            match value::maybe_bool(&row, "persist") {
                Ok(persist) => RowContent::Event {
                    channel,
                    event,
                    data,
                    extra,
                    persist: persist.unwrap_or(true),
                },
                Err(_) => RowContent::Invalid("persist is not true or false"),
            }
        }
        _ => RowContent::Invalid("channel and event must be texts, data and extra JSON or text"),
    };
    (claim, content)
}

/// The time at which a document was inserted: its `created`, else that in its id.
fn created(row: &Document) -> Timestamp {
    match (row.get("created"), row.get("_id")) {
        (Some(Bson::Int64(micros)), _) => Timestamp::from_micros(*micros),
        (Some(Bson::DateTime(time)), _) => {
            Timestamp::from_micros(time.timestamp_millis().saturating_mul(1000))
        }
        (_, Some(Bson::ObjectId(id))) => {
            Timestamp::from_micros(id.timestamp().timestamp_millis().saturating_mul(1000))
        }
        _ => Timestamp::from_micros(i64::MAX),
    }
}

/// Any BSON value as text.
fn id_text(id: Bson) -> RowId {
    let encoded = doc! { "_id": id }.to_vec().unwrap_or_default();
    RowId(HEXLOWER.encode(&encoded).into())
}

fn id_value(id: &RowId) -> StorageResult<Bson> {
    let encoded = HEXLOWER
        .decode(id.0.as_bytes())
        .map_err(StorageError::corrupt)?;
    let mut document = Document::from_reader(&*encoded).map_err(StorageError::corrupt)?;
    let id = document.remove("_id");
    id.ok_or_else(|| StorageError::corrupt("a document without _id"))
}
