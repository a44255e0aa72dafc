//! The last events of cache channels in MongoDB.

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::fault::classify;
use super::{MongoStore, Outcome, value};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, CachedEvent, ChannelName, Mid, Timestamp};
use crate::core::ports::CacheStore;

#[async_trait]
impl CacheStore for MongoStore {
    async fn keep(&self, events: &[CachedEvent]) -> Result<(), StorageError> {
        let (store, events) = (self.clone(), events.to_vec());
        self.to_the_end(async move {
            let numbers = store.numbers(events.iter().map(|event| &event.app)).await?;
            let keep = |event: &CachedEvent| {
                let id = doc! { "_id": name(*numbers.get(&event.app)?, &event.channel) };
                let serial = event
                    .serial
                    .map_or(Bson::Null, |serial| Bson::Int64(value::signed(serial)));
                let kept = doc! {
                    "instance": event.app.as_str(),
                    "app": *numbers.get(&event.app)?,
                    "mid": &*event.mid.0,
                    "event": &*event.event,
                    "data": &*event.data,
                    "time": event.timestamp.micros(),
                    "serial": serial,
                    "expires": event.expires.micros(),
                };
                Some(doc! { "q": id, "u": { "$set": kept }, "upsert": true })
            };
            store
                .collections
                .update_each(
                    &store.collections.cache,
                    events.iter().filter_map(keep).collect(),
                )
                .await
        })
        .await
    }

    async fn last(
        &self,
        app: &AppIdent,
        channel: &ChannelName,
    ) -> Result<Option<CachedEvent>, StorageError> {
        self.in_time(async {
            let Some(number) = self.app_number(app).await? else {
                return Ok(None);
            };
            let found = self
                .collections
                .cache
                .find_one(doc! { "_id": name(number, channel) })
                .await
                .map_err(classify)?;
            found
                .map(|document| cached_of(app, channel, &document))
                .transpose()
        })
        .await
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError> {
        let cache = self.collections.cache.clone();
        let expired = doc! { "expires": { "$lte": now.micros() } };
        self.to_the_end(async move {
            cache
                .delete_many(expired)
                .await
                .map(|done| done.deleted_count)
                .map_err(classify)
        })
        .await
    }
}

fn name(number: i64, channel: &ChannelName) -> String {
    format!("{number}/{channel}")
}

pub(super) fn cached_of(
    app: &AppIdent,
    channel: &ChannelName,
    document: &Document,
) -> Outcome<CachedEvent> {
    let serial = value::maybe_int(document, "serial")?
        .map(u64::try_from)
        .transpose()
        .map_err(StorageError::corrupt)?;
    Ok(CachedEvent {
        app: app.clone(),
        channel: channel.clone(),
        mid: Mid(value::text(document, "mid")?.into()),
        event: value::text(document, "event")?.into(),
        data: value::text(document, "data")?.into(),
        timestamp: Timestamp::from_micros(value::int(document, "time")?),
        serial,
        expires: Timestamp::from_micros(value::int(document, "expires")?),
    })
}
