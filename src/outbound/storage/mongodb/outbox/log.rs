//! The delivery log in MongoDB.

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::super::events::all;
use super::super::fault::classify;
use super::super::{MongoStore, Outcome, value};
use super::notice::queue_id;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Attempt, Delivery, QueuedAddress, Timestamp};
use crate::core::ports::DeliveryLog;

#[async_trait]
impl DeliveryLog for MongoStore {
    async fn waiting(&self, app: &AppIdent) -> Result<Vec<QueuedAddress>, StorageError> {
        self.in_time(async {
            let Some(number) = self.app_number(app).await? else {
                return Ok(Vec::new());
            };
            let queues = all(self
                .collections
                .queues
                .find(doc! { "instance": app.as_str(), "app": number })
                .sort(doc! { "address": 1 }))
            .await?;
            let mut waiting = Vec::with_capacity(queues.len());
            for queue in queues {
                let notices = self
                    .collections
                    .notices
                    .count_documents(doc! { "queue": value::text(&queue, "_id")? });
                let notices = notices.await.map_err(classify)?;
                if notices > 0 {
                    waiting.push(QueuedAddress {
                        address: value::text(&queue, "address")?.into(),
                        notices,
                        attempts: value::unsigned(&queue, "attempts")?,
                        due: Timestamp::from_micros(value::int(&queue, "due")?),
                        last: attempt_of(&queue)?,
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
        // MongoDB reads a limit of 0 as none.
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.in_time(async {
            let Some(number) = self.app_number(app).await? else {
                return Ok(Vec::new());
            };
            let wanted =
                doc! { "app": number, "id": { "$lt": before.map_or(i64::MAX, value::signed) } };
            let found = self
                .collections
                .deliveries
                .find(wanted)
                .sort(doc! { "id": -1 })
                .limit(value::signed(limit));
            all(found).await?.iter().map(delivery_of).collect()
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
        self.to_the_end(async move {
            store
                .replay_notices(&app, value::signed(delivery), now)
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
        self.to_the_end(async move {
            let mut removed = 0;
            for (kind, before) in [(0, delivered), (1, given_up)] {
                let left = limit.saturating_sub(removed);
                if left == 0 {
                    break;
                }
                let old = doc! { "given_up": kind, "time": { "$lt": before.micros() } };
                let old = store
                    .collections
                    .deliveries
                    .find(old)
                    .sort(doc! { "time": 1 })
                    .limit(value::signed(left));
                let old: Vec<Bson> = all(old.projection(doc! { "id": 1 }))
                    .await?
                    .iter()
                    .filter_map(|found| found.get("id").cloned())
                    .collect();
                if !old.is_empty() {
                    store
                        .collections
                        .notices
                        .delete_many(doc! { "delivery": { "$in": &old } })
                        .await
                        .map_err(classify)?;
                    let done = store
                        .collections
                        .deliveries
                        .delete_many(doc! { "id": { "$in": old } })
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
    async fn replay_notices(&self, app: &AppIdent, delivery: i64, now: Timestamp) -> Outcome<u64> {
        let number = self.app_number(app).await?.ok_or(StorageError::NotFound)?;
        let found = self
            .collections
            .deliveries
            .find_one(doc! { "app": number, "id": delivery, "given_up": 1 });
        let found = found
            .await
            .map_err(classify)?
            .ok_or(StorageError::NotFound)?;
        let address = value::text(&found, "address")?;
        let kept = all(self
            .collections
            .notices
            .find(doc! { "delivery": delivery })
            .sort(doc! { "id": 1 })
            .projection(doc! { "_id": 1 }))
        .await?;
        if kept.is_empty() {
            return Ok(0);
        }
        let count = value::signed(kept.len());
        let first = self
            .collections
            .take_ids(&self.collections.notices, count)
            .await?
            - count
            + 1;
        let mut replayed = 0;
        for (notice, seq) in kept.iter().zip(first..) {
            // Without a number it comes behind what waits, and is not settled with what is under way.
            let waits = doc! {
                "$set": { "queue": queue_id(number, address), "seq": seq, "since": now.micros() },
                "$unset": { "delivery": "", "id": "", "by": "" },
            };
            let one = doc! { "_id": notice.get("_id").cloned().unwrap_or(Bson::Null), "delivery": delivery };
            replayed += self
                .collections
                .notices
                .update_one(one, waits)
                .await
                .map_err(classify)?
                .matched_count;
        }
        self.make_queue(number, app.as_str(), address, now.micros(), true)
            .await?;
        Ok(replayed)
    }
}

fn attempt_of(document: &Document) -> Outcome<Attempt> {
    let status = u16::try_from(value::int(document, "status")?).map_err(StorageError::corrupt)?;
    let problem = value::maybe_text(document, "problem")?.map(Into::into);
    Ok(Attempt {
        status: Some(status).filter(|status| *status != 0),
        problem,
    })
}

fn delivery_of(document: &Document) -> Outcome<Delivery> {
    Ok(Delivery {
        id: value::unsigned(document, "id")?,
        address: value::text(document, "address")?.into(),
        at: Timestamp::from_micros(value::int(document, "time")?),
        notices: value::unsigned(document, "notices")?,
        attempts: value::unsigned(document, "attempts")?,
        last: attempt_of(document)?,
        given_up: value::int(document, "given_up")? != 0,
    })
}
