//! Channels' heads. What is written down of a head may be behind the events that are there, where a writer died or is
//! not done yet; the events are what counts.

use std::collections::HashMap;

use mongodb::bson::{Document, doc};

use super::super::fault::classify;
use super::super::{MongoStore, Outcome, value};
use super::document::Place;
use super::{MANY, all};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName};

/// A channel's newest event, which may have been removed since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Head {
    /// Its serial; 0 where nothing was ever stored.
    pub serial: i64,
    /// Its number, or a higher one of the channel.
    pub id: i64,
}

impl MongoStore {
    /// The newest serial of each channel, in order.
    pub(super) async fn read_head_serials(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Outcome<Vec<u64>> {
        let Some(number) = self.app_number(app).await? else {
            return Ok(vec![0; channels.len()]);
        };
        let heads = self.read_heads(app, number, channels).await?;
        let serial = |channel| {
            heads
                .get(channel)
                .map_or(Ok(0), |head: &Head| u64::try_from(head.serial))
        };
        channels
            .iter()
            .map(|channel| serial(channel).map_err(StorageError::corrupt))
            .collect()
    }

    /// The heads of channels, after all their events have serials.
    pub(in super::super) async fn read_heads(
        &self,
        app: &AppIdent,
        number: i64,
        channels: &[ChannelName],
    ) -> Outcome<HashMap<ChannelName, Head>> {
        let mut heads = HashMap::with_capacity(channels.len());
        for channels in channels.chunks(MANY) {
            let places: Vec<Place> = channels
                .iter()
                .map(|channel| Place {
                    app: app.clone(),
                    number,
                    channel: channel.clone(),
                })
                .collect();
            self.number(&places).await?;
            for (place, head) in places.iter().zip(self.numbered_heads(&places).await?) {
                heads.insert(place.channel.clone(), head);
            }
        }
        Ok(heads)
    }

    /// The heads of channels, whether or not all their events have serials; at most [`MANY`].
    pub(super) async fn numbered_heads(&self, places: &[Place]) -> Outcome<Vec<Head>> {
        let ids: Vec<String> = places.iter().map(Place::head_id).collect();
        let written = all(self.collections.heads.find(doc! { "_id": { "$in": &ids } })).await?;
        let written: HashMap<&str, &Document> = written
            .iter()
            .map(|document| Ok((value::text(document, "_id")?, document)))
            .collect::<Outcome<_>>()?;
        let head = |id: &String| {
            written
                .get(id.as_str())
                .map_or(Ok(Head::default()), |document| head_of(document))
        };
        let mut heads = ids.iter().map(head).collect::<Outcome<Vec<Head>>>()?;
        let mut unsure: Vec<usize> = (0..places.len()).collect();
        while !unsure.is_empty() {
            unsure = self.advance(places, &mut heads, &unsure).await?;
        }
        Ok(heads)
    }

    /// Looks whether the next serial of the `unsure` ones is there; answers those where it was.
    async fn advance(
        &self,
        places: &[Place],
        heads: &mut [Head],
        unsure: &[usize],
    ) -> Outcome<Vec<usize>> {
        let next: HashMap<String, usize> = unsure
            .iter()
            .filter_map(|at| Some((places.get(*at)?.event_id(heads.get(*at)?.serial + 1), *at)))
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
            let (Some(place), Some(head)) = (places.get(at), heads.get_mut(at)) else {
                continue;
            };
            *head = Head {
                serial: head.serial + 1,
                id: head.id.max(value::maybe_int(&document, "id")?.unwrap_or(0)),
            };
            if let Some(newest) = self
                .newest_of(place)
                .await?
                .filter(|newest| newest.serial > head.serial)
            {
                *head = Head {
                    id: head.id.max(newest.id),
                    ..newest
                };
            }
            advanced.push(at);
        }
        Ok(advanced)
    }

    /// The newest event that is there and has a serial.
    async fn newest_of(&self, place: &Place) -> Outcome<Option<Head>> {
        let events = doc! { "instance": place.app.as_str(), "channel": place.channel.as_str(), "serial": { "$gt": 0 } };
        let newest = self
            .collections
            .events
            .find_one(events)
            .sort(doc! { "serial": -1 })
            .projection(doc! { "serial": 1, "id": 1 });
        newest
            .await
            .map_err(classify)?
            .map(|document| head_of(&document))
            .transpose()
    }
}

fn head_of(document: &Document) -> Outcome<Head> {
    Ok(Head {
        serial: value::int(document, "serial")?,
        id: value::int(document, "id")?,
    })
}
