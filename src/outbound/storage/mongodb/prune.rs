//! Retention. The highest removed serial of a channel (its floor) is recorded before the removal. A writer that has used a
//! serial below the floor, because its head was out of date, sees the floor afterwards and repeats the append.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};

use super::error::classify;
use super::events::all;
use super::{MongoStore, value};
use crate::core::error::StorageError;
use crate::core::model::AppIdent;
use crate::core::ports::Pruning;
use crate::outbound::storage::StorageResult;

/// Fields that the removal of an event needs.
const REMOVAL_FIELDS: [&str; 6] = ["instance", "app", "channel", "serial", "id", "mid"];

/// Maximum number of events that one command removes.
const MAX_REMOVAL: usize = 1000;

impl MongoStore {
    pub(super) async fn prune_events(&self, pruning: Pruning, limit: usize) -> StorageResult<u64> {
        let mut removed = 0;
        if let Some(before) = pruning.before {
            let old = doc! { "timestamp": { "$lt": before.seconds() } };
            removed += self
                .prune_matching(old, doc! { "timestamp": 1 }, limit)
                .await?;
        }
        if let Some(keep) = pruning.keep {
            let keep = value::signed(keep);
            let mut heads = self
                .collections
                .heads
                .find(doc! { "serial": { "$gt": keep } })
                .await
                .map_err(classify)?;
            while let Some(head) = heads.try_next().await.map_err(classify)? {
                let left = limit.saturating_sub(removed);
                let upto = value::int(&head, "serial")? - keep;
                if left == 0 {
                    break;
                }
                if value::maybe_int(&head, "kept")?.is_none_or(|kept| kept < upto) {
                    removed += self.prune_channel(&head, upto, left).await?;
                }
            }
        }
        Ok(removed as u64)
    }

    /// Removes the oldest events of a channel.
    async fn prune_channel(
        &self,
        head: &Document,
        upto: i64,
        limit: usize,
    ) -> StorageResult<usize> {
        let channel = doc! { "instance": value::text(head, "instance")?, "channel": value::text(head, "channel")? };
        let mut events = channel;
        events.insert("serial", doc! { "$gt": 0, "$lte": upto });
        let removed = self
            .prune_matching(events, doc! { "serial": 1 }, limit)
            .await?;
        if removed < limit {
            // Records the progress, so that the next run skips this channel.
            let kept = self.collections.heads.update_one(
                doc! { "_id": value::text(head, "_id")? },
                doc! { "$max": { "kept": upto } },
            );
            kept.await.map_err(classify)?;
        }
        Ok(removed)
    }

    async fn prune_matching(
        &self,
        filter: Document,
        sort: Document,
        limit: usize,
    ) -> StorageResult<usize> {
        let fields: Document = REMOVAL_FIELDS
            .iter()
            .map(|member| ((*member).to_owned(), Bson::Int32(1)))
            .collect();
        let mut removed = 0;
        while removed < limit {
            let count = (limit - removed).min(MAX_REMOVAL);
            let found = self
                .collections
                .events
                .find(filter.clone())
                .sort(sort.clone())
                .limit(value::signed(count));
            let found = all(found.projection(fields.clone())).await?;
            if found.is_empty() {
                break;
            }
            let count = self.remove_events(&found).await?;
            if count == 0 {
                // Another node removes the same events.
                break;
            }
            removed += count;
        }
        Ok(removed)
    }

    async fn remove_events(&self, events: &[Document]) -> StorageResult<usize> {
        let mut floors: BTreeMap<String, Document> = BTreeMap::new();
        let mut claims = Vec::new();
        for event in events {
            let (app, channel) = (
                value::text(event, "instance")?,
                value::text(event, "channel")?,
            );
            // Events of the original without a serial do not change the floor.
            let Some(serial) = value::maybe_int(event, "serial")? else {
                continue;
            };
            let app_id = match value::maybe_int(event, "app")? {
                Some(app_id) => Some(app_id),
                None => self.app_id(&AppIdent::trusted(app)).await?,
            };
            claims.push(format!("{app}/{channel}/{serial}"));
            let Some(app_id) = app_id else { continue };
            let head = format!("{app_id}/{channel}");
            let highest =
                |floor: &Document| value::int(floor, "floor").is_ok_and(|floor| floor >= serial);
            if !floors.get(&head).is_some_and(highest) {
                let new = doc! { "instance": app, "app": app_id, "channel": channel, "floor": serial, "id": value::int(event, "id")? };
                floors.insert(head, new);
            }
        }
        let raise = |(head, new): (String, Document)| {
            let (floor, id) = (new.get("floor").cloned(), new.get("id").cloned());
            let fields: Document = new
                .into_iter()
                .filter(|(member, _)| !["floor", "id"].contains(&member.as_str()))
                .collect();
            let change = doc! { "$max": { "floor": floor.clone(), "serial": floor, "id": id }, "$setOnInsert": fields };
            doc! { "q": { "_id": head }, "u": change, "upsert": true }
        };
        self.collections
            .bulk_update(
                &self.collections.heads,
                floors.into_iter().map(raise).collect(),
            )
            .await?;
        let ids: Vec<Bson> = events
            .iter()
            .filter_map(|event| event.get("_id").cloned())
            .collect();
        let mids: Vec<Bson> = events
            .iter()
            .filter_map(|event| event.get("mid").cloned())
            .collect();
        let same = doc! { "_id": { "$in": ids }, "mid": { "$in": &mids } };
        let removed = self
            .collections
            .events
            .delete_many(same)
            .await
            .map_err(classify)?
            .deleted_count;
        // The serial claims of the original's events, and their associations.
        self.collections
            .events
            .delete_many(doc! { "_id": { "$in": claims }, "mid": { "$in": &mids } })
            .await
            .map_err(classify)?;
        self.collections
            .associations
            .delete_many(doc! { "mid": { "$in": mids } })
            .await
            .map_err(classify)?;
        usize::try_from(removed).map_err(StorageError::corrupt)
    }
}
