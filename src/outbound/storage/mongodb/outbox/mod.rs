//! What waits for webhooks, in MongoDB.
//!
//! Without transactions, the order of steps is what keeps the promises. A mark carries what it is still to announce, so that
//! whoever comes across it goes on. Notices get their numbers from the claim's holder, who alone reads them: what is put
//! meanwhile has none yet, and so is never settled with what was read.

mod log;
mod notice;
mod put;
mod settle;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};

use self::notice::{notice_of, queue_id};
use super::events::{MANY, all};
use super::fault::classify;
use super::{MongoStore, Outcome, value};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, Claim, OutboxEvent, QueuedEvent, ReportedPresence, Timestamp, UserId,
};
use crate::core::ports::{AttemptResult, Outbox};

#[async_trait]
impl Outbox for MongoStore {
    async fn put(&self, happenings: &[OutboxEvent]) -> Result<(), StorageError> {
        let (store, happenings) = (self.clone(), happenings.to_vec());
        self.to_the_end(async move { store.put_happenings(&happenings).await })
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
        self.to_the_end(async move { store.claim_queues(&holder, now, until, limit).await })
            .await
    }

    async fn oldest(&self, claim: &Claim, limit: usize) -> Result<Vec<QueuedEvent>, StorageError> {
        // MongoDB reads a limit of 0 as none.
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (store, claim) = (self.clone(), claim.clone());
        self.to_the_end(async move {
            let Some(number) = store.app_number(&claim.app).await? else {
                return Ok(Vec::new());
            };
            let queue = queue_id(number, &claim.address);
            store.number_notices(&queue, &claim.holder).await?;
            let found = store
                .collections
                .notices
                .find(doc! { "queue": queue, "id": { "$gt": 0 } });
            let found = all(found.sort(doc! { "id": 1 }).limit(value::signed(limit))).await?;
            found.iter().map(notice_of).collect()
        })
        .await
    }

    async fn settle(
        &self,
        claim: &Claim,
        settlement: &AttemptResult,
    ) -> Result<bool, StorageError> {
        let (store, claim, settlement) = (self.clone(), claim.clone(), settlement.clone());
        self.to_the_end(async move { store.settle_attempt(&claim, &settlement).await })
            .await
    }

    async fn release(&self, holder: &str) -> Result<(), StorageError> {
        let (queues, held) = (self.collections.queues.clone(), doc! { "holder": holder });
        let free = doc! { "$set": { "holder": "", "held_until": 0_i64 } };
        self.to_the_end(async move {
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
        let channel = after.map_or("", |mark| mark.channel.as_str());
        let user = after
            .and_then(|mark| mark.user.as_ref())
            .map_or("", UserId::as_str);
        self.in_time(async {
            let Some(number) = self.app_number(app).await? else {
                return Ok(Vec::new());
            };
            let mut behind = vec![doc! { "channel": { "$gt": channel } }];
            behind.extend(after.map(|_| doc! { "channel": channel, "user_id": { "$gt": user } }));
            let marks = doc! { "app": number, "there": 1, "$or": behind };
            let found = self
                .collections
                .marks
                .find(marks)
                .sort(doc! { "channel": 1, "user_id": 1 })
                .limit(value::signed(limit));
            all(found).await?.iter().map(mark_of).collect()
        })
        .await
    }

    async fn depth(&self) -> Result<u64, StorageError> {
        self.in_time(async {
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
        holder: &Arc<str>,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Outcome<Vec<Claim>> {
        let is_due =
            doc! { "due": { "$lte": now.micros() }, "held_until": { "$lte": now.micros() } };
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
            if waits.await.map_err(classify)?.is_none()
                || self.app_number(&app).await? != Some(value::int(&queue, "app")?)
            {
                continue;
            }
            let mut free = is_due.clone();
            free.insert("_id", id);
            let take = doc! { "$set": { "holder": &**holder, "held_until": until.micros() } };
            // Of several, one finds it free.
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

    /// Gives numbers to the notices that have none, in the order in which they were put, and takes over those of a holder
    /// before: what that one still does to them has no effect.
    async fn number_notices(&self, queue: &str, holder: &str) -> Outcome<()> {
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
                .take_ids(&self.collections.notices, count)
                .await?
                - count
                + 1;
            let numbered = |(notice, id): (&Document, i64)| {
                let one =
                    doc! { "_id": notice.get("_id")?.clone(), "queue": queue, "id": Bson::Null };
                Some(doc! { "q": one, "u": { "$set": { "id": id, "by": holder } } })
            };
            let numbered = new.iter().zip(first..).filter_map(numbered).collect();
            self.collections
                .update_each(&self.collections.notices, numbered)
                .await?;
        }
    }
}

fn mark_of(document: &Document) -> Outcome<ReportedPresence> {
    let user = value::text(document, "user_id")?;
    let user = if user.is_empty() {
        None
    } else {
        Some(notice::user_of(user)?)
    };
    Ok(ReportedPresence {
        channel: ChannelName::trusted(value::text(document, "channel")?),
        user,
    })
}
