//! Events whose notification targets are not all in the outbox yet: the document of such an event has the member `due`, which
//! is written with it, so that no second write is needed.

use std::sync::Arc;

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::error::classify;
use super::events::{all, event_from};
use super::{MongoStore, value};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, DueMark, DuePublish, Timestamp};
use crate::core::ports::DuePublishes;
use crate::outbound::storage::StorageResult;

/// The member `due` of a new event.
pub(super) fn due_of(app_id: i64, id: i64, publish: &str) -> Document {
    doc! { "app": app_id, "id": id, "publish": publish, "cursor": Bson::Null, "holder": "", "held_until": 0_i64 }
}

#[async_trait]
impl DuePublishes for MongoStore {
    async fn claim_due(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        (busy, after): (&[AppIdent], Option<&AppIdent>),
        apps: usize,
        events: usize,
    ) -> Result<Vec<DuePublish>, StorageError> {
        let (store, holder) = (self.clone(), Arc::<str>::from(holder));
        let (busy, after) = (busy.to_vec(), after.cloned());
        self.run_to_completion(async move {
            store
                .claim_events(&holder, (now, until), (&busy, after), apps, events)
                .await
        })
        .await
    }

    async fn advance_due(
        &self,
        due: &DuePublish,
        cursor: Option<&str>,
        until: Timestamp,
    ) -> Result<(), StorageError> {
        let mut own = event_filter(due);
        own.insert("due.holder", &*due.holder);
        let change = doc! { "$set": { "due.cursor": cursor.map_or(Bson::Null, Bson::from), "due.held_until": until.micros() } };
        let events = self.collections.events.clone();
        self.run_to_completion(async move {
            events
                .update_one(own, change)
                .await
                .map(drop)
                .map_err(classify)
        })
        .await
    }

    async fn finish_due(&self, due: &[DuePublish]) -> Result<(), StorageError> {
        let finished = |due| doc! { "q": event_filter(due), "u": { "$unset": { "due": "" } } };
        let updates: Vec<Document> = due.iter().map(finished).collect();
        let collections = self.collections.clone();
        self.run_to_completion(async move {
            collections.bulk_update(&collections.events, updates).await
        })
        .await
    }

    async fn list_due(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<DueMark>, StorageError> {
        // MongoDB takes a limit of 0 as no limit.
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.with_timeout(async {
            let Some(app_id) = self.app_id(app).await? else {
                return Ok(Vec::new());
            };
            let due = doc! { "due.app": app_id, "due.id": { "$gt": value::signed(after) } };
            let found = self.collections.events.find(due);
            let found = found.sort(doc! { "due.app": 1, "due.id": 1 });
            let found = found
                .limit(value::signed(limit))
                .projection(doc! { "due": 1 });
            let mark = |event: &Document| {
                let due = due_in(event)?;
                Ok(DueMark {
                    event: value::unsigned(due, "id")?,
                    publish: value::text(due, "publish")?.into(),
                    cursor: value::maybe_text(due, "cursor")?.map(Into::into),
                })
            };
            all(found).await?.iter().map(mark).collect()
        })
        .await
    }

    async fn put_due(&self, app: &AppIdent, due: &[DueMark]) -> Result<(), StorageError> {
        let (store, app, due) = (self.clone(), app.clone(), due.to_vec());
        self.run_to_completion(async move {
            let app_id = store.app_id(&app).await?.ok_or(StorageError::NotFound)?;
            let updates = due.iter().map(|mark| {
                let id = value::signed(mark.event);
                let mut new = due_of(app_id, id, &mark.publish);
                if let Some(cursor) = &mark.cursor {
                    new.insert("cursor", cursor);
                }
                let event = doc! { "instance": app.as_str(), "id": id, "due": Bson::Null };
                doc! { "q": event, "u": { "$set": { "due": new } } }
            });
            let collections = &store.collections;
            collections
                .bulk_update(&collections.events, updates.collect())
                .await
        })
        .await
    }

    async fn release_due(&self, holder: &str) -> Result<(), StorageError> {
        let held = doc! { "due.app": { "$gt": 0 }, "due.holder": holder };
        let free = doc! { "$set": { "due.holder": "", "due.held_until": 0_i64 } };
        let events = self.collections.events.clone();
        self.run_to_completion(async move {
            events
                .update_many(held, free)
                .await
                .map(drop)
                .map_err(classify)
        })
        .await
    }
}

fn event_filter(due: &DuePublish) -> Document {
    doc! { "instance": due.app.as_str(), "id": value::signed(due.event.position.id) }
}

impl MongoStore {
    async fn claim_events(
        &self,
        holder: &Arc<str>,
        (now, until): (Timestamp, Timestamp),
        (busy, after): (&[AppIdent], Option<AppIdent>),
        apps: usize,
        count: usize,
    ) -> StorageResult<Vec<DuePublish>> {
        let events = &self.collections.events;
        let start = match &after {
            Some(after) => self.app_id(after).await?.unwrap_or(0),
            None => 0,
        };
        let (mut claimed, mut app, mut left) = (Vec::new(), start, apps);
        let mut is_round = start == 0;
        while left > 0 {
            let next = events
                .find_one(doc! { "due.app": { "$gt": app } })
                .sort(doc! { "due.app": 1, "due.id": 1 })
                .projection(doc! { "due": 1, "instance": 1 });
            let Some(next) = next.await.map_err(classify)? else {
                if is_round {
                    break;
                }
                (app, is_round) = (0, true);
                continue;
            };
            app = value::int(due_in(&next)?, "app")?;
            if is_round && start > 0 && app > start {
                break;
            }
            let ident = AppIdent::trusted(value::text(&next, "instance")?);
            if busy.contains(&ident) {
                continue;
            }
            let before = claimed.len();
            while claimed.len() < before + count {
                let free = doc! { "due.app": app, "due.held_until": { "$lte": now.micros() } };
                let take =
                    doc! { "$set": { "due.holder": &**holder, "due.held_until": until.micros() } };
                // Of several concurrent calls, only one matches.
                let taken = events
                    .find_one_and_update(free, take)
                    .sort(doc! { "due.id": 1 });
                let Some(taken) = taken.await.map_err(classify)? else {
                    break;
                };
                let due = due_in(&taken)?;
                claimed.push(DuePublish {
                    holder: Arc::clone(holder),
                    event: event_from(&ident, &taken)?,
                    app: ident.clone(),
                    publish: value::text(due, "publish")?.into(),
                    cursor: value::maybe_text(due, "cursor")?.map(Into::into),
                });
            }
            left -= usize::from(claimed.len() > before);
        }
        Ok(claimed)
    }
}

fn due_in(event: &Document) -> StorageResult<&Document> {
    event.get_document("due").map_err(StorageError::corrupt)
}
