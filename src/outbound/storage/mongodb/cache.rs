//! The last events of cache channels.

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::error::classify;
use super::{MongoStore, value};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, CachedEvent, ChannelName, Mid, Timestamp};
use crate::core::ports::CacheStore;
use crate::outbound::storage::StorageResult;

#[async_trait]
impl CacheStore for MongoStore {
    async fn keep(&self, events: &[CachedEvent]) -> Result<(), StorageError> {
        let (store, events) = (self.clone(), events.to_vec());
        self.run_to_completion(async move {
            let app_ids = store.app_ids(events.iter().map(|event| &event.app)).await?;
            let upsert = |event: &CachedEvent| {
                let id = doc! { "_id": document_id(*app_ids.get(&event.app)?, &event.channel) };
                let serial = event
                    .serial
                    .map_or(Bson::Null, |serial| Bson::Int64(value::signed(serial)));
                let fields = doc! {
                    "instance": event.app.as_str(),
                    "app": *app_ids.get(&event.app)?,
                    "mid": &*event.mid.0,
                    "event": &*event.event,
                    "data": &*event.data,
                    "time": event.timestamp.micros(),
                    "serial": serial,
                    "expires": event.expires.micros(),
                };
                Some(doc! { "q": id, "u": { "$set": fields }, "upsert": true })
            };
            store
                .collections
                .bulk_update(
                    &store.collections.cache,
                    events.iter().filter_map(upsert).collect(),
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
        self.with_timeout(async {
            let Some(app_id) = self.app_id(app).await? else {
                return Ok(None);
            };
            let found = self
                .collections
                .cache
                .find_one(doc! { "_id": document_id(app_id, channel) })
                .await
                .map_err(classify)?;
            found
                .map(|document| cached_from(app, channel, &document))
                .transpose()
        })
        .await
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError> {
        let cache = self.collections.cache.clone();
        let expired = doc! { "expires": { "$lte": now.micros() } };
        self.run_to_completion(async move {
            cache
                .delete_many(expired)
                .await
                .map(|done| done.deleted_count)
                .map_err(classify)
        })
        .await
    }
}

fn document_id(app_id: i64, channel: &ChannelName) -> String {
    format!("{app_id}/{channel}")
}

pub(super) fn cached_from(
    app: &AppIdent,
    channel: &ChannelName,
    document: &Document,
) -> StorageResult<CachedEvent> {
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
