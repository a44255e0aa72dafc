//! Import of events with their serials and ids.

use std::collections::BTreeMap;

use mongodb::bson::{Document, doc};

use super::MANY;
use super::document::{ChannelRef, document_of};
use super::heads::ChannelHead;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::error::{InsertFailure, classify, insert_failure};
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
        let documents: Vec<Document> = events.iter().map(document).collect();
        let mut from = 0;
        while let Some(left) = documents.get(from..).filter(|left| !left.is_empty()) {
            let Err(error) = self.collections.events.insert_many(left).await else {
                return Ok(());
            };
            let InsertFailure::Duplicate(at) = insert_failure(&error) else {
                return Err(classify(error));
            };
            from += at;
            let stopped_at = events.get(from).ok_or_else(|| classify(error))?;
            self.verify_stored(&channel_ref(&stopped_at.new.channel), stopped_at)
                .await?;
            from += 1;
        }
        Ok(())
    }

    /// Checks that the event stored at this serial is the same one.
    async fn verify_stored(&self, channel_ref: &ChannelRef, event: &Event) -> StorageResult<()> {
        let id = doc! { "_id": channel_ref.event_id(value::signed(event.position.serial)) };
        match self
            .collections
            .events
            .find_one(id)
            .projection(doc! { "mid": 1 })
            .await
            .map_err(classify)?
        {
            Some(stored) if value::text(&stored, "mid")? == &*event.new.mid.0 => Ok(()),
            Some(_) => Err(StorageError::Conflict("serial")),
            None => Err(StorageError::Conflict("mid")),
        }
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
