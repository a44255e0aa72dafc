//! Storing events that another store held, each at its place.

use std::collections::BTreeMap;

use mongodb::bson::{Document, doc};

use super::super::fault::{Stopped, classify, stopped};
use super::super::{MongoStore, Outcome, value};
use super::MANY;
use super::document::{Place, document_of};
use super::heads::Head;
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Event};

/// Bytes of events in one insert, roughly: far below what a message to the server may hold.
const MOST_BYTES: usize = 8 << 20;

impl MongoStore {
    pub(in super::super) async fn put_in_place(
        &self,
        app: &AppIdent,
        heads: &[(ChannelName, u64)],
        events: &[Event],
    ) -> Outcome<()> {
        let number = self.app_number(app).await?.ok_or(StorageError::NotFound)?;
        let place = |channel: &ChannelName| Place {
            app: app.clone(),
            number,
            channel: channel.clone(),
        };
        let mut highest: BTreeMap<&ChannelName, Head> = BTreeMap::new();
        for (channel, serial) in heads.iter().filter(|(_, serial)| *serial > 0) {
            highest.insert(
                channel,
                Head {
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
        // Nothing of this instance is appended meanwhile, or with an older view of the channels afterwards.
        let mut appends = self.appends.lock().await;
        self.settle(&mut appends).await?;
        let raise = highest.iter().map(|(channel, head)| {
            let (place, new) = (
                place(channel),
                doc! { "instance": app.as_str(), "app": number, "channel": channel.as_str() },
            );
            appends.heads.remove(&place.head_id());
            let raise =
                doc! { "$max": { "serial": head.serial, "id": head.id }, "$setOnInsert": new };
            doc! { "q": { "_id": place.head_id() }, "u": raise, "upsert": true }
        });
        let raise = raise.collect();
        self.collections
            .update_each(&self.collections.heads, raise)
            .await?;
        let mut left = events;
        while !left.is_empty() {
            let (some, rest) = left.split_at(fitting(left));
            self.insert_in_place(&place, some).await?;
            left = rest;
        }
        match events.iter().map(|event| event.position.id).max() {
            Some(id) => {
                self.collections
                    .reach_id(&self.collections.events, value::signed(id))
                    .await
            }
            None => Ok(()),
        }
    }

    async fn insert_in_place(
        &self,
        place: &(impl Fn(&ChannelName) -> Place + Sync),
        events: &[Event],
    ) -> Outcome<()> {
        let document = |event: &Event| {
            let Event { new, position } = event;
            document_of(
                new,
                &place(&new.channel),
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
            let Stopped::Duplicate(at) = stopped(&error) else {
                return Err(classify(error));
            };
            from += at;
            let stopped_at = events.get(from).ok_or_else(|| classify(error))?;
            self.check_there(&place(&stopped_at.new.channel), stopped_at)
                .await?;
            from += 1;
        }
        Ok(())
    }

    /// Whether what is at the event's place is the event itself.
    async fn check_there(&self, place: &Place, event: &Event) -> Outcome<()> {
        let id = doc! { "_id": place.event_id(value::signed(event.position.serial)) };
        match self
            .collections
            .events
            .find_one(id)
            .projection(doc! { "mid": 1 })
            .await
            .map_err(classify)?
        {
            Some(there) if value::text(&there, "mid")? == &*event.new.mid.0 => Ok(()),
            Some(_) => Err(StorageError::Conflict("serial")),
            None => Err(StorageError::Conflict("mid")),
        }
    }
}

/// How many of the first fit into one insert; at least one.
fn fitting(events: &[Event]) -> usize {
    let mut bytes = 0;
    let fits = |(at, event): &(usize, &Event)| {
        let payload = &event.new.payload;
        // What is in `extra` is there twice.
        bytes += payload.data.len() + 2 * payload.extra.len() + 1000;
        *at == 0 || bytes < MOST_BYTES
    };
    events
        .iter()
        .take(MANY)
        .enumerate()
        .take_while(fits)
        .count()
}
