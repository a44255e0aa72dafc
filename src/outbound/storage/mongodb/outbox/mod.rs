//! The queues of webhook events.
//!
//! Without transactions, the order of the steps provides the guarantees. A presence mark contains the event that is still to
//! be queued, so that any call that finds it completes the step. Queued events get their ids from the holder of the claim,
//! the only one who reads them: events that are added concurrently have no id yet, so they are not settled by mistake.

mod document;
mod log;
mod notifications;
mod put;
mod settle;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use mongodb::bson::{Bson, Document, doc};

use self::document::{queue_id, queued_event_from};
use super::error::classify;
use super::events::{MANY, all};
use super::{MongoStore, value};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, Claim, OutboxEvent, QueuedEvent, ReportedPresence, TargetKind,
    Timestamp, UserId,
};
use crate::core::ports::{AttemptResult, OLDEST_BYTES, Outbox, OutboxBytes};
use crate::outbound::storage::StorageResult;

#[async_trait]
impl Outbox for MongoStore {
    async fn put(&self, events: &[OutboxEvent]) -> Result<(), StorageError> {
        let (store, events) = (self.clone(), events.to_vec());
        self.run_to_completion(async move { store.put_events(&events).await })
            .await
    }

    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claim>, StorageError> {
        let (store, holder) = (self.clone(), Arc::<str>::from(holder));
        let webhooks = doc! { "target": Bson::Null };
        self.run_to_completion(async move {
            store
                .claim_queues(webhooks, &holder, now, until, limit)
                .await
        })
        .await
    }

    async fn claim_targets(
        &self,
        kind: TargetKind,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        busy: &[AppIdent],
        limit: usize,
    ) -> Result<Vec<Claim>, StorageError> {
        let (store, holder) = (self.clone(), Arc::<str>::from(holder));
        let mut targets = doc! { "target": kind.label() };
        if !busy.is_empty() {
            let busy: Vec<&str> = busy.iter().map(AppIdent::as_str).collect();
            targets.insert("instance", doc! { "$nin": busy });
        }
        self.run_to_completion(async move {
            store
                .claim_queues(targets, &holder, now, until, limit)
                .await
        })
        .await
    }

    async fn oldest(&self, claim: &Claim, limit: usize) -> Result<Vec<QueuedEvent>, StorageError> {
        // MongoDB takes a limit of 0 as no limit.
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (store, claim) = (self.clone(), claim.clone());
        self.run_to_completion(async move {
            let Some(app_id) = store.app_id(&claim.app).await? else {
                return Ok(Vec::new());
            };
            let queue = queue_id(app_id, &claim.address);
            store.assign_event_ids(&queue, &claim.holder).await?;
            let found = store
                .collections
                .notices
                .find(doc! { "queue": queue, "id": { "$gt": 0 } });
            let mut found = found
                .sort(doc! { "id": 1 })
                .limit(value::signed(limit))
                .await
                .map_err(classify)?;
            let (mut events, mut bytes) = (Vec::new(), 0);
            while let Some(document) = found.try_next().await.map_err(classify)? {
                let event = queued_event_from(&document)?;
                bytes += event.kind.bytes();
                if !events.is_empty() && bytes > OLDEST_BYTES {
                    break;
                }
                events.push(event);
            }
            Ok(events)
        })
        .await
    }

    async fn settle(&self, claim: &Claim, result: &AttemptResult) -> Result<bool, StorageError> {
        let (store, claim, result) = (self.clone(), claim.clone(), result.clone());
        self.run_to_completion(async move { store.settle_attempt(&claim, &result).await })
            .await
    }

    async fn settle_all(
        &self,
        settled: &[(Claim, AttemptResult)],
    ) -> Result<Vec<bool>, StorageError> {
        let settle = settled
            .iter()
            .map(|(claim, result)| self.settle(claim, result));
        try_join_all(settle).await
    }

    async fn release(&self, holder: &str) -> Result<(), StorageError> {
        let (queues, held) = (self.collections.queues.clone(), doc! { "holder": holder });
        let free = doc! { "$set": { "holder": "", "held_until": 0_i64 } };
        self.run_to_completion(async move {
            queues
                .update_many(held, free)
                .await
                .map(drop)
                .map_err(classify)
        })
        .await
    }

    async fn reported_presence(
        &self,
        app: &AppIdent,
        after: Option<&ReportedPresence>,
        limit: usize,
    ) -> Result<Vec<ReportedPresence>, StorageError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let channel = after.map_or("", |after| after.channel.as_str());
        let user = after
            .and_then(|after| after.user.as_ref())
            .map_or("", UserId::as_str);
        self.with_timeout(async {
            let Some(app_id) = self.app_id(app).await? else {
                return Ok(Vec::new());
            };
            let mut later = vec![doc! { "channel": { "$gt": channel } }];
            later.extend(after.map(|_| doc! { "channel": channel, "user_id": { "$gt": user } }));
            let marks = doc! { "app": app_id, "there": 1, "$or": later };
            let found = self
                .collections
                .marks
                .find(marks)
                .sort(doc! { "channel": 1, "user_id": 1 })
                .limit(value::signed(limit));
            all(found).await?.iter().map(presence_from).collect()
        })
        .await
    }

    async fn bytes_of(&self, app: &AppIdent) -> Result<OutboxBytes, StorageError> {
        self.with_timeout(async {
            let Some(app_id) = self.app_id(app).await? else {
                return Ok(OutboxBytes::default());
            };
            let of = async |is_given_up: bool| {
                let matched = doc! { "instance": app.as_str(), "app": app_id, "delivery": { "$exists": is_given_up } };
                let sum = doc! { "_id": Bson::Null, "bytes": { "$sum": "$bytes" } };
                let mut found = self
                    .collections
                    .notices
                    .aggregate([doc! { "$match": matched }, doc! { "$group": sum }])
                    .await
                    .map_err(classify)?;
                // Of no documents there is no group; some servers answer one whose sum is null.
                let found = found.try_next().await.map_err(classify)?;
                let bytes = found.map(|found| value::maybe_int(&found, "bytes")).transpose()?;
                Ok::<_, StorageError>(bytes.flatten().map_or(0, |bytes| u64::try_from(bytes).unwrap_or(0)))
            };
            Ok(OutboxBytes {
                waiting: of(false).await?,
                given_up: of(true).await?,
            })
        })
        .await
    }

    async fn depth(&self) -> Result<u64, StorageError> {
        self.with_timeout(async {
            self.collections
                .notices
                .count_documents(doc! { "queue": { "$gt": "" } })
                .await
                .map_err(classify)
        })
        .await
    }
}

impl MongoStore {
    async fn claim_queues(
        &self,
        mut is_due: Document,
        holder: &Arc<str>,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> StorageResult<Vec<Claim>> {
        is_due.insert("due", doc! { "$lte": now.micros() });
        is_due.insert("held_until", doc! { "$lte": now.micros() });
        let mut due = self
            .collections
            .queues
            .find(is_due.clone())
            .sort(doc! { "due": 1 })
            .await
            .map_err(classify)?;
        let mut claims = Vec::new();
        while claims.len() < limit {
            let Some(queue) = due.try_next().await.map_err(classify)? else {
                break;
            };
            let id = value::text(&queue, "_id")?;
            let app = AppIdent::trusted(value::text(&queue, "instance")?);
            let waits = self
                .collections
                .notices
                .find_one(doc! { "queue": id })
                .projection(doc! { "_id": 1 });
            if waits.await.map_err(classify)?.is_none() {
                let due = value::int(&queue, "due")?;
                self.delete_if_empty(&queue, id, due).await?;
                continue;
            }
            if self.app_id(&app).await? != Some(value::int(&queue, "app")?) {
                continue;
            }
            let mut free = is_due.clone();
            free.insert("_id", id);
            let take = doc! { "$set": { "holder": &**holder, "held_until": until.micros() } };
            // Of several concurrent calls, only one matches.
            if self
                .collections
                .queues
                .update_one(free, take)
                .await
                .map_err(classify)?
                .matched_count
                == 1
            {
                let attempts = value::unsigned(&queue, "attempts")?;
                claims.push(Claim {
                    holder: Arc::clone(holder),
                    app,
                    address: value::text(&queue, "address")?.into(),
                    attempts,
                });
            }
        }
        Ok(claims)
    }

    /// Assigns ids to events that have none, in their order, and takes over the events of an earlier holder, whose late updates
    /// then have no effect.
    async fn assign_event_ids(&self, queue: &str, holder: &str) -> StorageResult<()> {
        let others = doc! { "queue": queue, "id": { "$gt": 0 }, "by": { "$ne": holder } };
        self.collections
            .notices
            .update_many(others, doc! { "$set": { "by": holder } })
            .await
            .map_err(classify)?;
        loop {
            let new = self
                .collections
                .notices
                .find(doc! { "queue": queue, "id": Bson::Null })
                .sort(doc! { "seq": 1 });
            let new = all(new.limit(value::signed(MANY)).projection(doc! { "_id": 1 })).await?;
            if new.is_empty() {
                return Ok(());
            }
            let count = value::signed(new.len());
            let first = self
                .collections
                .allocate_ids(&self.collections.notices, count)
                .await?
                - count
                + 1;
            let update = |(notice, id): (&Document, i64)| {
                let one =
                    doc! { "_id": notice.get("_id")?.clone(), "queue": queue, "id": Bson::Null };
                Some(doc! { "q": one, "u": { "$set": { "id": id, "by": holder } } })
            };
            let updates = new.iter().zip(first..).filter_map(update).collect();
            self.collections
                .bulk_update(&self.collections.notices, updates)
                .await?;
        }
    }
}

fn presence_from(document: &Document) -> StorageResult<ReportedPresence> {
    let user = value::text(document, "user_id")?;
    let user = if user.is_empty() {
        None
    } else {
        Some(document::user_from(user)?)
    };
    Ok(ReportedPresence {
        channel: ChannelName::trusted(value::text(document, "channel")?),
        user,
    })
}
