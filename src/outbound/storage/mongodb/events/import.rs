//! Import of events with their serials and ids.

use std::collections::{BTreeMap, HashMap};

use mongodb::bson::{Document, doc};

use super::document::{ChannelRef, document_of, remove_copied_members};
use super::heads::ChannelHead;
use super::{MANY, all};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::error::{classify, unstored};
use crate::outbound::storage::mongodb::{MongoStore, value};

/// Approximate limit of one insert in bytes, far below the limit of a message to the server.
const MAX_INSERT_BYTES: usize = 8 << 20;

impl MongoStore {
    pub(in super::super) async fn import_events(
        &self,
        app: &AppIdent,
        heads: &[(ChannelName, u64)],
        events: &[Event],
    ) -> StorageResult<()> {
        let app_id = self.app_id(app).await?.ok_or(StorageError::NotFound)?;
        let channel_ref = |channel: &ChannelName| ChannelRef {
            app: app.clone(),
            app_id,
            channel: channel.clone(),
        };
        let mut highest: BTreeMap<&ChannelName, ChannelHead> = BTreeMap::new();
        for (channel, serial) in heads.iter().filter(|(_, serial)| *serial > 0) {
            highest.insert(
                channel,
                ChannelHead {
                    serial: value::signed(*serial),
                    id: 0,
                },
            );
        }
        for event in events {
            let head = highest.entry(&event.new.channel).or_default();
            head.serial = head.serial.max(value::signed(event.position.serial));
            head.id = head.id.max(value::signed(event.position.id));
        }
        // Blocks appends of this instance, and removes its cached heads.
        let mut appends = self.appends.lock().await;
        self.resolve_pending(&mut appends).await?;
        let raise = highest.iter().map(|(channel, head)| {
            let (channel_ref, new) = (
                channel_ref(channel),
                doc! { "instance": app.as_str(), "app": app_id, "channel": channel.as_str() },
            );
            appends.heads.remove(&channel_ref.head_id());
            let raise =
                doc! { "$max": { "serial": head.serial, "id": head.id }, "$setOnInsert": new };
            doc! { "q": { "_id": channel_ref.head_id() }, "u": raise, "upsert": true }
        });
        let raise = raise.collect();
        self.collections
            .bulk_update(&self.collections.heads, raise)
            .await?;
        let mut left = events;
        while !left.is_empty() {
            let (chunk, rest) = left.split_at(chunk_len(left));
            self.insert_imported(&channel_ref, chunk).await?;
            left = rest;
        }
        match events.iter().map(|event| event.position.id).max() {
            Some(id) => {
                self.collections
                    .advance_ids(&self.collections.events, value::signed(id))
                    .await
            }
            None => Ok(()),
        }
    }

    async fn insert_imported(
        &self,
        channel_ref: &(impl Fn(&ChannelName) -> ChannelRef + Sync),
        events: &[Event],
    ) -> StorageResult<()> {
        let document = |event: &Event| {
            let Event { new, position } = event;
            document_of(
                new,
                &channel_ref(&new.channel),
                value::signed(position.serial),
                value::signed(position.id),
            )
        };
        let mut documents: Vec<Document> = events.iter().map(document).collect();
        let stored = &self.collections.events;
        let Err(error) = stored.insert_many(&documents).ordered(false).await else {
            return Ok(());
        };
        let Some((duplicates, rejected)) = unstored(&error) else {
            return Err(classify(error));
        };
        let duplicates = duplicates.iter().filter_map(|at| events.get(*at));
        self.verify_stored(channel_ref, &duplicates.collect::<Vec<_>>())
            .await?;
        let mut uncopied = Vec::new();
        for at in rejected {
            let document = documents.get_mut(at).map(std::mem::take);
            let mut document = document.ok_or_else(|| classify(error.clone()))?;
            remove_copied_members(&mut document);
            uncopied.push(document);
        }
        if uncopied.is_empty() {
            return Ok(());
        }
        let inserted = stored.insert_many(uncopied).ordered(false).await;
        inserted.map(drop).map_err(classify)
    }

    /// Checks that the events stored at these serials are the same ones.
    async fn verify_stored(
        &self,
        channel_ref: &(impl Fn(&ChannelName) -> ChannelRef + Sync),
        events: &[&Event],
    ) -> StorageResult<()> {
        if events.is_empty() {
            return Ok(());
        }
        let id = |event: &&Event| {
            channel_ref(&event.new.channel).event_id(value::signed(event.position.serial))
        };
        let ids: Vec<String> = events.iter().map(id).collect();
        let found = self
            .collections
            .events
            .find(doc! { "_id": { "$in": &ids } });
        let mut stored = HashMap::new();
        for document in all(found.projection(doc! { "mid": 1 })).await? {
            let id = value::text(&document, "_id")?.to_owned();
            stored.insert(id, value::text(&document, "mid")?.to_owned());
        }
        for (id, event) in ids.iter().zip(events) {
            match stored.get(id) {
                Some(mid) if *mid == *event.new.mid.0 => {}
                Some(_) => return Err(StorageError::Conflict("serial")),
                None => return Err(StorageError::Conflict("mid")),
            }
        }
        Ok(())
    }
}

/// The number of events that fit into one insert; at least one.
fn chunk_len(events: &[Event]) -> usize {
    let mut bytes = 0;
    let fits = |(at, event): &(usize, &Event)| {
        let payload = &event.new.payload;
        // A document contains `extra` twice.
        bytes += payload.data.len() + 2 * payload.extra.as_str().len() + 1000;
        *at == 0 || bytes < MAX_INSERT_BYTES
    };
    events
        .iter()
        .take(MANY)
        .enumerate()
        .take_while(fits)
        .count()
}
