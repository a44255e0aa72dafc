//! The delivery log.

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::document::queue_id;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Attempt, Delivery, LostEvents, QueuedAddress, Timestamp};
use crate::core::ports::DeliveryLog;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::error::classify;
use crate::outbound::storage::mongodb::events::all;
use crate::outbound::storage::mongodb::{MongoStore, value};

#[async_trait]
impl DeliveryLog for MongoStore {
    async fn waiting(&self, app: &AppIdent) -> Result<Vec<QueuedAddress>, StorageError> {
        self.with_timeout(async {
            let Some(app_id) = self.app_id(app).await? else {
                return Ok(Vec::new());
            };
            let queues = all(self
                .collections
                .queues
                .find(doc! { "instance": app.as_str(), "app": app_id, "target": Bson::Null })
                .sort(doc! { "address": 1 }))
            .await?;
            let mut waiting = Vec::with_capacity(queues.len());
            for queue in queues {
                let events = self
                    .collections
                    .notices
                    .count_documents(doc! { "queue": value::text(&queue, "_id")? });
                let events = events.await.map_err(classify)?;
                if events > 0 {
                    waiting.push(QueuedAddress {
                        address: value::text(&queue, "address")?.into(),
                        events,
                        attempts: value::unsigned(&queue, "attempts")?,
                        due: Timestamp::from_micros(value::int(&queue, "due")?),
                        last: attempt_from(&queue)?,
                    });
                }
            }
            Ok(waiting)
        })
        .await
    }

    async fn deliveries(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StorageError> {
        // MongoDB takes a limit of 0 as no limit.
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.with_timeout(async {
            let Some(app_id) = self.app_id(app).await? else {
                return Ok(Vec::new());
            };
            let before = before.map_or(i64::MAX, value::signed);
            let filter = doc! { "app": app_id, "target": Bson::Null, "id": { "$lt": before } };
            let found = self
                .collections
                .deliveries
                .find(filter)
                .sort(doc! { "id": -1 })
                .limit(value::signed(limit));
            all(found).await?.iter().map(delivery_from).collect()
        })
        .await
    }

    async fn log_lost(&self, lost: &[LostEvents]) -> Result<(), StorageError> {
        let (store, lost) = (self.clone(), lost.to_vec());
        self.run_to_completion(async move {
            for lost in &lost {
                let Some(app_id) = store.app_id(&lost.app).await? else {
                    continue;
                };
                let deliveries = &store.collections.deliveries;
                let id = store.collections.allocate_ids(deliveries, 1).await?;
                let delivery = doc! {
                    "_id": format!("{}/{id}", lost.app),
                    "id": id,
                    "instance": lost.app.as_str(),
                    "app": app_id,
                    "address": &*lost.address,
                    "time": lost.at.micros(),
                    "notices": value::signed(lost.events),
                    "attempts": 0_i64,
                    "status": 0,
                    "problem": &lost.problem,
                    "given_up": 1,
                };
                deliveries.insert_one(delivery).await.map_err(classify)?;
            }
            Ok(())
        })
        .await
    }

    async fn replay(
        &self,
        app: &AppIdent,
        delivery: u64,
        now: Timestamp,
    ) -> Result<u64, StorageError> {
        let (store, app) = (self.clone(), app.clone());
        self.run_to_completion(async move {
            store
                .replay_events(&app, value::signed(delivery), now)
                .await
        })
        .await
    }

    async fn prune(
        &self,
        delivered: Timestamp,
        given_up: Timestamp,
        limit: usize,
    ) -> Result<u64, StorageError> {
        let store = self.clone();
        self.run_to_completion(async move {
            let mut removed = 0;
            for (kind, before) in [(0, delivered), (1, given_up)] {
                let left = limit.saturating_sub(removed);
                if left == 0 {
                    break;
                }
                let filter = doc! { "given_up": kind, "time": { "$lt": before.micros() } };
                let expired = store
                    .collections
                    .deliveries
                    .find(filter)
                    .sort(doc! { "time": 1 })
                    .limit(value::signed(left));
                let expired: Vec<Bson> = all(expired.projection(doc! { "id": 1 }))
                    .await?
                    .iter()
                    .filter_map(|found| found.get("id").cloned())
                    .collect();
                if !expired.is_empty() {
                    store
                        .collections
                        .notices
                        .delete_many(doc! { "delivery": { "$in": &expired } })
                        .await
                        .map_err(classify)?;
                    let done = store
                        .collections
                        .deliveries
                        .delete_many(doc! { "id": { "$in": expired } })
                        .await
                        .map_err(classify)?;
                    removed +=
                        usize::try_from(done.deleted_count).map_err(StorageError::corrupt)?;
                }
            }
            Ok(removed as u64)
        })
        .await
    }
}

impl MongoStore {
    async fn replay_events(
        &self,
        app: &AppIdent,
        delivery: i64,
        now: Timestamp,
    ) -> StorageResult<u64> {
        let app_id = self.app_id(app).await?.ok_or(StorageError::NotFound)?;
        let found = self
            .collections
            .deliveries
            .find_one(doc! { "app": app_id, "id": delivery, "given_up": 1 });
        let found = found
            .await
            .map_err(classify)?
            .ok_or(StorageError::NotFound)?;
        let address = value::text(&found, "address")?;
        let kept = all(self
            .collections
            .notices
            .find(doc! { "delivery": delivery, "sent": Bson::Null })
            .sort(doc! { "id": 1 })
            .projection(doc! { "_id": 1 }))
        .await?;
        if kept.is_empty() {
            return Ok(0);
        }
        let count = value::signed(kept.len());
        let first = self
            .collections
            .allocate_ids(&self.collections.notices, count)
            .await?
            - count
            + 1;
        let mut replayed = 0;
        for (notice, seq) in kept.iter().zip(first..) {
            // Without an id it is not settled by a claim that is in progress; `seq` puts it at the end of the queue.
            let requeued = doc! {
                "$set": { "queue": queue_id(app_id, address), "seq": seq, "since": now.micros() },
                "$unset": { "delivery": "", "id": "", "by": "" },
            };
            let one = doc! { "_id": notice.get("_id").cloned().unwrap_or(Bson::Null), "delivery": delivery };
            replayed += self
                .collections
                .notices
                .update_one(one, requeued)
                .await
                .map_err(classify)?
                .matched_count;
        }
        self.ensure_queue(app_id, app.as_str(), address, now.micros(), true)
            .await?;
        Ok(replayed)
    }
}

pub(super) fn attempt_from(document: &Document) -> StorageResult<Attempt> {
    let status = u16::try_from(value::int(document, "status")?).map_err(StorageError::corrupt)?;
    let problem = value::maybe_text(document, "problem")?.map(Into::into);
    Ok(Attempt {
        status: Some(status).filter(|status| *status != 0),
        problem,
    })
}

fn delivery_from(document: &Document) -> StorageResult<Delivery> {
    Ok(Delivery {
        id: value::unsigned(document, "id")?,
        address: value::text(document, "address")?.into(),
        at: Timestamp::from_micros(value::int(document, "time")?),
        events: value::unsigned(document, "notices")?,
        attempts: value::unsigned(document, "attempts")?,
        last: attempt_from(document)?,
        given_up: value::int(document, "given_up")? != 0,
    })
}
