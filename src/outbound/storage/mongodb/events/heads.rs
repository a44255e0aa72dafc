//! Channels' heads. The recorded head may be lower than the newest event, if a writer has crashed or has not finished, so
//! the events are checked as well.

use std::collections::HashMap;

use mongodb::bson::{Document, doc};

use super::document::ChannelRef;
use super::{MANY, all};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::error::classify;
use crate::outbound::storage::mongodb::{MongoStore, value};

/// The newest event of a channel, which may have been removed since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct ChannelHead {
    /// 0 if the channel has never had an event.
    pub serial: i64,
    /// The event's id, or a higher one of the channel.
    pub id: i64,
}

impl MongoStore {
    /// Reads the newest serial of each channel, in order.
    pub(super) async fn read_head_serials(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> StorageResult<Vec<u64>> {
        let Some(app_id) = self.app_id(app).await? else {
            return Ok(vec![0; channels.len()]);
        };
        let heads = self.read_heads(app, app_id, channels).await?;
        let serial = |channel| {
            heads
                .get(channel)
                .map_or(Ok(0), |head: &ChannelHead| u64::try_from(head.serial))
        };
        channels
            .iter()
            .map(|channel| serial(channel).map_err(StorageError::corrupt))
            .collect()
    }

    /// Assigns missing serials, and reads the heads of channels.
    pub(in super::super) async fn read_heads(
        &self,
        app: &AppIdent,
        app_id: i64,
        channels: &[ChannelName],
    ) -> StorageResult<HashMap<ChannelName, ChannelHead>> {
        let mut heads = HashMap::with_capacity(channels.len());
        for channels in channels.chunks(MANY) {
            let channel_refs: Vec<ChannelRef> = channels
                .iter()
                .map(|channel| ChannelRef {
                    app: app.clone(),
                    app_id,
                    channel: channel.clone(),
                })
                .collect();
            self.backfill_serials(&channel_refs).await?;
            for (channel_ref, head) in channel_refs
                .iter()
                .zip(self.current_heads(&channel_refs).await?)
            {
                heads.insert(channel_ref.channel.clone(), head);
            }
        }
        Ok(heads)
    }

    /// Reads the heads of at most [`MANY`] channels, without assigning missing serials.
    pub(super) async fn current_heads(
        &self,
        channel_refs: &[ChannelRef],
    ) -> StorageResult<Vec<ChannelHead>> {
        let ids: Vec<String> = channel_refs.iter().map(ChannelRef::head_id).collect();
        let recorded = all(self.collections.heads.find(doc! { "_id": { "$in": &ids } })).await?;
        let recorded: HashMap<&str, &Document> = recorded
            .iter()
            .map(|document| Ok((value::text(document, "_id")?, document)))
            .collect::<StorageResult<_>>()?;
        let head = |id: &String| {
            recorded
                .get(id.as_str())
                .map_or(Ok(ChannelHead::default()), |document| head_from(document))
        };
        let mut heads = ids
            .iter()
            .map(head)
            .collect::<StorageResult<Vec<ChannelHead>>>()?;
        let mut unsure: Vec<usize> = (0..channel_refs.len()).collect();
        while !unsure.is_empty() {
            unsure = self.advance(channel_refs, &mut heads, &unsure).await?;
        }
        Ok(heads)
    }

    /// Checks whether the next serials of the `unsure` channels exist; returns the channels whose head was raised.
    async fn advance(
        &self,
        channel_refs: &[ChannelRef],
        heads: &mut [ChannelHead],
        unsure: &[usize],
    ) -> StorageResult<Vec<usize>> {
        let next: HashMap<String, usize> = unsure
            .iter()
            .filter_map(|at| {
                Some((
                    channel_refs.get(*at)?.event_id(heads.get(*at)?.serial + 1),
                    *at,
                ))
            })
            .collect();
        let ids: Vec<&String> = next.keys().collect();
        let found = self
            .collections
            .events
            .find(doc! { "_id": { "$in": ids } })
            .projection(doc! { "id": 1 });
        let mut advanced = Vec::new();
        for document in all(found).await? {
            let Some(at) = next.get(value::text(&document, "_id")?).copied() else {
                continue;
            };
            let (Some(channel_ref), Some(head)) = (channel_refs.get(at), heads.get_mut(at)) else {
                continue;
            };
            *head = ChannelHead {
                serial: head.serial + 1,
                id: head.id.max(value::maybe_int(&document, "id")?.unwrap_or(0)),
            };
            if let Some(newest) = self
                .newest_of(channel_ref)
                .await?
                .filter(|newest| newest.serial > head.serial)
            {
                *head = ChannelHead {
                    id: head.id.max(newest.id),
                    ..newest
                };
            }
            advanced.push(at);
        }
        Ok(advanced)
    }

    /// Reads the newest event with a serial.
    async fn newest_of(&self, channel_ref: &ChannelRef) -> StorageResult<Option<ChannelHead>> {
        let events = doc! { "instance": channel_ref.app.as_str(), "channel": channel_ref.channel.as_str(), "serial": { "$gt": 0 } };
        let newest = self
            .collections
            .events
            .find_one(events)
            .sort(doc! { "serial": -1 })
            .projection(doc! { "serial": 1, "id": 1 });
        newest
            .await
            .map_err(classify)?
            .map(|document| head_from(&document))
            .transpose()
    }
}

fn head_from(document: &Document) -> StorageResult<ChannelHead> {
    Ok(ChannelHead {
        serial: value::int(document, "serial")?,
        id: value::int(document, "id")?,
    })
}
