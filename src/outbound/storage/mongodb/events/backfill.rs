//! Serials for events of the original, in the order of its ids. Each serial is claimed by a separate document with the `_id`
//! that an event of ours would have, so that concurrent appends and backfills cannot assign it twice.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mongodb::bson::{Bson, Document, doc};
use parking_lot::Mutex;

use super::document::{ChannelRef, claim_instance};
use super::{MANY, all};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::error::{InsertFailure, classify, insert_failure};
use crate::outbound::storage::mongodb::{MongoStore, value};

/// Time for which a channel is assumed to have no new events of the original.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// Maximum number of entries; the cache is cleared when it is exceeded.
const MAX_ENTRIES: usize = 100_000;

/// The times at which channels were found to have a serial for every event.
#[derive(Default)]
pub(in super::super) struct BackfillCache(Mutex<HashMap<String, Instant>>);

impl BackfillCache {
    /// Whether the channel needs no check now. Does not depend on the app's id.
    pub(super) fn is_fresh(&self, channel_ref: &ChannelRef) -> bool {
        self.0
            .lock()
            .get(&channel_ref.event_id(0))
            .is_some_and(|since| since.elapsed() < FRESH_FOR)
    }

    /// Removes channels from the cache.
    pub(super) fn invalidate(&self, channel_refs: &[ChannelRef]) {
        let mut numbered = self.0.lock();
        for channel_ref in channel_refs {
            numbered.remove(&channel_ref.event_id(0));
        }
    }

    fn insert(&self, channel_refs: &[&ChannelRef], since: Instant) {
        let mut numbered = self.0.lock();
        if numbered.len() + channel_refs.len() > MAX_ENTRIES {
            numbered.clear();
        }
        numbered.extend(
            channel_refs
                .iter()
                .map(|channel_ref| (channel_ref.event_id(0), since)),
        );
    }
}

impl MongoStore {
    /// Assigns serials to all events of at most [`MANY`] channels of one app.
    pub(super) async fn backfill_serials(&self, channel_refs: &[ChannelRef]) -> StorageResult<()> {
        let unsure: Vec<&ChannelRef> = channel_refs
            .iter()
            .filter(|channel_ref| !self.backfill_cache.is_fresh(channel_ref))
            .collect();
        let Some(first) = unsure.first() else {
            return Ok(());
        };
        let started = Instant::now();
        let channels: Vec<&str> = unsure
            .iter()
            .map(|channel_ref| channel_ref.channel.as_str())
            .collect();
        let without = doc! { "instance": first.app.as_str(), "channel": { "$in": channels }, "serial": Bson::Null };
        loop {
            let found = self
                .collections
                .events
                .find_one(without.clone())
                .projection(doc! { "channel": 1 });
            let Some(found) = found.await.map_err(classify)? else {
                break;
            };
            let channel = value::text(&found, "channel")?;
            let Some(channel_ref) = unsure
                .iter()
                .find(|channel_ref| channel_ref.channel.as_str() == channel)
            else {
                break;
            };
            self.backfill_batch(channel_ref).await?;
        }
        self.backfill_cache.insert(&unsure, started);
        Ok(())
    }

    /// Assigns serials to the oldest events of a channel that have none. If another node assigns serials concurrently, events
    /// may be left for the next round.
    async fn backfill_batch(&self, channel_ref: &ChannelRef) -> StorageResult<()> {
        // The head is read first, so that events found without a serial afterwards get a higher one, on any node.
        let head = self
            .current_heads(std::slice::from_ref(channel_ref))
            .await?
            .first()
            .copied()
            .unwrap_or_default()
            .serial;
        let filter = doc! { "instance": channel_ref.app.as_str(), "channel": channel_ref.channel.as_str(), "serial": Bson::Null };
        let old = self
            .collections
            .events
            .find(filter)
            .sort(doc! { "id": 1 })
            .limit(value::signed(MANY));
        let old = all(old.projection(doc! { "mid": 1, "id": 1 })).await?;
        let mut claimed = self.claimed_before(channel_ref, &old).await?;
        let claims = claims(channel_ref, head, &old, &claimed)?;
        if !claims.is_empty() {
            let stored = match self.collections.events.insert_many(&claims).await {
                Ok(_) => claims.len(),
                Err(error) => match insert_failure(&error) {
                    InsertFailure::Duplicate(at) => at,
                    _ => return Err(classify(error)),
                },
            };
            for claim in claims.iter().take(stored) {
                claimed.insert(
                    value::text(claim, "mid")?.to_owned(),
                    value::int(claim, "numbers")?,
                );
            }
            // A claimed serial had belonged to a removed event.
            let floor = self.floor(channel_ref).await?;
            if floor > head {
                let stale: Vec<String> = (head + 1..=floor)
                    .map(|serial| channel_ref.event_id(serial))
                    .take(stored)
                    .collect();
                let stale = doc! { "_id": { "$in": stale }, "instance": claim_instance(channel_ref.app.as_str()) };
                return self
                    .collections
                    .events
                    .delete_many(stale)
                    .await
                    .map(drop)
                    .map_err(classify);
            }
        }
        let update = |event: &Document| {
            let serial = *claimed.get(value::maybe_text(event, "mid").ok()??)?;
            let one = doc! { "_id": event.get("_id")?.clone(), "serial": Bson::Null };
            Some(doc! { "q": one, "u": { "$set": { "serial": serial } } })
        };
        self.collections
            .bulk_update(
                &self.collections.events,
                old.iter().filter_map(update).collect(),
            )
            .await
    }

    /// Reads serials that an interrupted backfill has claimed, by `mid`.
    async fn claimed_before(
        &self,
        channel_ref: &ChannelRef,
        old: &[Document],
    ) -> StorageResult<HashMap<String, i64>> {
        let mids = old
            .iter()
            .map(|event| value::text(event, "mid"))
            .collect::<StorageResult<Vec<_>>>()?;
        let claims =
            doc! { "mid": { "$in": mids }, "instance": claim_instance(channel_ref.app.as_str()) };
        let found = all(self.collections.events.find(claims)).await?;
        found
            .iter()
            .map(|claim| {
                Ok((
                    value::text(claim, "mid")?.to_owned(),
                    value::int(claim, "numbers")?,
                ))
            })
            .collect()
    }

    /// Reads the serial up to which events of a channel may have been removed.
    async fn floor(&self, channel_ref: &ChannelRef) -> StorageResult<i64> {
        let head = self
            .collections
            .heads
            .find_one(doc! { "_id": channel_ref.head_id() })
            .await
            .map_err(classify)?;
        Ok(head
            .map(|head| value::maybe_int(&head, "floor"))
            .transpose()?
            .flatten()
            .unwrap_or(0))
    }
}

/// Builds claims of the serials after `head` for the events of `old` that have none.
fn claims(
    channel_ref: &ChannelRef,
    head: i64,
    old: &[Document],
    claimed: &HashMap<String, i64>,
) -> StorageResult<Vec<Document>> {
    let mut claims = Vec::new();
    let mut serial = head;
    for event in old {
        let mid = value::text(event, "mid")?;
        if !claimed.contains_key(mid) {
            serial += 1;
            let (instance, id) = (
                claim_instance(channel_ref.app.as_str()),
                value::int(event, "id")?,
            );
            claims.push(doc! { "_id": channel_ref.event_id(serial), "instance": instance, "mid": mid, "id": id, "numbers": serial });
        }
    }
    Ok(claims)
}
