//! Writing events into the queues.

use std::collections::HashMap;

use mongodb::bson::{Bson, Document, doc};

use super::document::{event_fields, queue_id};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, OutboxEvent, TargetKind, UserId};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::archive::insert_if_absent;
use crate::outbound::storage::mongodb::error::{classify, is_duplicate};
use crate::outbound::storage::mongodb::events::{MANY, all};
use crate::outbound::storage::mongodb::{MongoStore, value};

impl MongoStore {
    pub(super) async fn put_events(&self, events: &[OutboxEvent]) -> StorageResult<()> {
        let app_ids = self.app_ids(events.iter().map(|event| &event.app)).await?;
        for event in events {
            if let Some(app_id) = app_ids.get(&event.app).copied() {
                if let Some(publish) = event.kind.publish() {
                    self.enqueue_once(app_id, event, publish).await?;
                    continue;
                }
                match event.kind.presence() {
                    Some((user, present)) => {
                        self.update_presence(app_id, event, user, present).await?
                    }
                    None => {
                        self.enqueue(app_id, &event.app, &self.announcement(event).await?)
                            .await?
                    }
                }
            }
        }
        Ok(())
    }

    /// Updates the reported presence, and queues the event if that is a change.
    async fn update_presence(
        &self,
        app_id: i64,
        event: &OutboxEvent,
        user: Option<&UserId>,
        present: bool,
    ) -> StorageResult<()> {
        let marks = &self.collections.marks;
        let user = user.map_or("", UserId::as_str);
        let id = format!("{app_id}/{}\n{user}", event.channel);
        loop {
            let found = marks
                .find_one(doc! { "_id": &id })
                .await
                .map_err(classify)?;
            if let Some(unfinished) = found.as_ref().filter(|mark| mark.contains_key("news")) {
                self.complete_mark(app_id, &event.app, unfinished).await?;
                continue;
            }
            if found.is_some() == present {
                return Ok(());
            }
            let announcement = self.announcement(event).await?;
            let changed = if present {
                let key = doc! { "instance": event.app.as_str(), "app": app_id, "channel": event.channel.as_str(), "user_id": user };
                let mut mark = doc! { "_id": &id, "there": 1, "news": &announcement };
                mark.extend(key);
                match marks.insert_one(mark).await {
                    Err(error) if is_duplicate(&error) => false,
                    inserted => inserted.map(|_| true).map_err(classify)?,
                }
            } else {
                let present = doc! { "_id": &id, "there": 1, "news": Bson::Null };
                let absent = doc! { "$set": { "there": 0, "news": &announcement } };
                marks
                    .update_one(present, absent)
                    .await
                    .map_err(classify)?
                    .matched_count
                    == 1
            };
            if changed {
                return self
                    .complete_mark(
                        app_id,
                        &event.app,
                        &doc! { "_id": id, "there": i32::from(present), "news": announcement },
                    )
                    .await;
            }
        }
    }

    /// Queues the event that a mark contains, and completes the mark: deletes it if it reports an absence.
    async fn complete_mark(
        &self,
        app_id: i64,
        app: &AppIdent,
        mark: &Document,
    ) -> StorageResult<()> {
        let announcement = mark.get_document("news").map_err(StorageError::corrupt)?;
        self.enqueue(app_id, app, announcement).await?;
        let same = doc! { "_id": value::text(mark, "_id")?, "news.token": value::text(announcement, "token")? };
        let marks = &self.collections.marks;
        if value::maybe_bool(mark, "there")?.unwrap_or(false) {
            marks
                .update_one(same, doc! { "$unset": { "news": "" } })
                .await
                .map(drop)
                .map_err(classify)
        } else {
            marks.delete_one(same).await.map(drop).map_err(classify)
        }
    }

    /// Builds the announcement of an event: its fields, its addresses, and a token that makes the queueing idempotent.
    async fn announcement(&self, event: &OutboxEvent) -> StorageResult<Document> {
        let mut token = [0; 16];
        getrandom::fill(&mut token)
            .map_err(|error| StorageError::unavailable(error.to_string()))?;
        let addresses: Vec<&str> = event.addresses.iter().map(|address| &**address).collect();
        Ok(
            doc! { "token": data_encoding::HEXLOWER.encode(&token), "addresses": addresses, "said": event_fields(event) },
        )
    }

    /// Inserts the missing queued events, and then their queues, so that a concurrent deletion of an empty queue sees the events.
    async fn enqueue(
        &self,
        app_id: i64,
        app: &AppIdent,
        announcement: &Document,
    ) -> StorageResult<()> {
        let corrupt = StorageError::corrupt;
        let (token, fields) = (
            value::text(announcement, "token")?,
            announcement.get_document("said").map_err(corrupt)?,
        );
        let addresses: Vec<&str> = announcement
            .get_array("addresses")
            .map_err(corrupt)?
            .iter()
            .filter_map(Bson::as_str)
            .collect();
        if addresses.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = (0..addresses.len())
            .map(|n| format!("{token}/{n}"))
            .collect();
        let existing = all(self
            .collections
            .notices
            .find(doc! { "_id": { "$in": &ids } })
            .projection(doc! { "_id": 1 }))
        .await?;
        let existing = existing
            .iter()
            .map(|notice| value::text(notice, "_id"))
            .collect::<StorageResult<Vec<_>>>()?;
        let missing: Vec<(&String, &str)> = ids
            .iter()
            .zip(addresses.iter().copied())
            .filter(|(id, _)| !existing.contains(&id.as_str()))
            .collect();
        let count = value::signed(missing.len());
        let first = self
            .collections
            .allocate_ids(&self.collections.notices, count)
            .await?
            - count
            + 1;
        for ((id, address), seq) in missing.into_iter().zip(first..) {
            let mut notice = fields.clone();
            notice.extend(doc! { "_id": id, "instance": app.as_str(), "app": app_id, "queue": queue_id(app_id, address), "seq": seq });
            notice.insert("since", value::int(fields, "time")?);
            match self.collections.notices.insert_one(notice).await {
                Err(error) if is_duplicate(&error) => {}
                inserted => drop(inserted.map_err(classify)?),
            }
        }
        for address in addresses {
            self.ensure_queue(
                app_id,
                app.as_str(),
                address,
                value::int(fields, "time")?,
                false,
            )
            .await?;
        }
        Ok(())
    }

    /// Queues a notification for each address that has none of the same publish, waiting or sent. The `_id` of a notice makes it
    /// unique; one that was sent stays without its content until the log entry is pruned.
    async fn enqueue_once(
        &self,
        app_id: i64,
        event: &OutboxEvent,
        publish: &str,
    ) -> StorageResult<()> {
        for addresses in event.addresses.chunks(MANY) {
            let id_of = |address: &str| format!("{app_id}/{publish}/{address}");
            let ids: Vec<String> = addresses.iter().map(|address| id_of(address)).collect();
            let known = self
                .collections
                .notices
                .find(doc! { "_id": { "$in": ids } });
            let known = all(known.projection(doc! { "_id": 1, "queue": 1 })).await?;
            let mut queued: HashMap<&str, bool> = HashMap::new();
            for notice in &known {
                queued.insert(value::text(notice, "_id")?, notice.contains_key("queue"));
            }
            // Those that wait are among them: their queue may be missing.
            let waiting: Vec<&str> = addresses
                .iter()
                .map(|address| &**address)
                .filter(|address| *queued.get(&*id_of(address)).unwrap_or(&true))
                .collect();
            let missing: Vec<&str> = waiting
                .iter()
                .copied()
                .filter(|address| !queued.contains_key(&*id_of(address)))
                .collect();
            if waiting.is_empty() {
                continue;
            }
            let count = value::signed(missing.len());
            let notices = &self.collections.notices;
            let first = self.collections.allocate_ids(notices, count).await? - count + 1;
            let inserts = missing.iter().zip(first..).map(|(address, seq)| {
                let mut notice = event_fields(event);
                notice.extend(doc! {
                    "_id": id_of(address),
                    "instance": event.app.as_str(),
                    "app": app_id,
                    "queue": queue_id(app_id, address),
                    "seq": seq,
                    "since": event.at.micros(),
                    "publish": publish,
                    "target": target_of(address),
                });
                insert_if_absent(notice)
            });
            self.collections
                .bulk_update(notices, inserts.collect())
                .await?;
            let due = event.at.micros();
            let queues = waiting
                .iter()
                .map(|address| new_queue(app_id, event.app.as_str(), address, due, false));
            self.collections
                .bulk_update(&self.collections.queues, queues.collect())
                .await?;
        }
        Ok(())
    }

    /// Creates a queue that is due at `due`, unless it exists; with `reschedule`, an existing one becomes due as well.
    pub(super) async fn ensure_queue(
        &self,
        app_id: i64,
        app: &str,
        address: &str,
        due: i64,
        reschedule: bool,
    ) -> StorageResult<()> {
        let update = new_queue(app_id, app, address, due, reschedule);
        self.collections
            .bulk_update(&self.collections.queues, vec![update])
            .await
    }
}

/// The update that creates a queue: see [`MongoStore::ensure_queue`].
fn new_queue(app_id: i64, app: &str, address: &str, due: i64, reschedule: bool) -> Document {
    let mut new =
        doc! { "instance": app, "app": app_id, "address": address, "target": target_of(address) };
    new.extend(doc! { "holder": "", "held_until": 0_i64 });
    new.extend(doc! { "attempts": 0_i64, "status": 0, "problem": Bson::Null });
    let change = if reschedule {
        doc! { "$set": { "due": due }, "$setOnInsert": new }
    } else {
        new.insert("due", due);
        doc! { "$setOnInsert": new }
    };
    doc! { "q": { "_id": queue_id(app_id, address) }, "u": change, "upsert": true }
}

/// The kind of the targets that an address belongs to; null: it is that of a webhook.
pub(super) fn target_of(address: &str) -> Bson {
    TargetKind::of_outbox_address(address).map_or(Bson::Null, |(kind, _)| Bson::from(kind.label()))
}
