//! Retention. Before anything is removed, it is written down up to which serial of its channel: whoever appends there
//! with an older view of the channel finds it afterwards, and begins anew.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};

use super::events::all;
use super::fault::classify;
use super::{MongoStore, Outcome, value};
use crate::core::error::StorageError;
use crate::core::model::AppIdent;
use crate::core::ports::Pruning;

/// Members of an event that its removal needs.
const NEEDED: [&str; 6] = ["instance", "app", "channel", "serial", "id", "mid"];

/// Events removed by one command at most.
const AT_ONCE: usize = 1000;

impl MongoStore {
    pub(super) async fn prune_events(&self, pruning: Pruning, limit: usize) -> Outcome<u64> {
        let mut removed = 0;
        if let Some(before) = pruning.before {
            let old = doc! { "timestamp": { "$lt": before.seconds() } };
            removed += self.remove_all(old, doc! { "timestamp": 1 }, limit).await?;
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
                    removed += self.remove_upto(&head, upto, left).await?;
                }
            }
        }
        Ok(removed as u64)
    }

    /// Removes the oldest events of a channel.
    async fn remove_upto(&self, head: &Document, upto: i64, limit: usize) -> Outcome<usize> {
        let place = doc! { "instance": value::text(head, "instance")?, "channel": value::text(head, "channel")? };
        let mut events = place;
        events.insert("serial", doc! { "$gt": 0, "$lte": upto });
        let removed = self.remove_all(events, doc! { "serial": 1 }, limit).await?;
        if removed < limit {
            // Nothing more is looked for there.
            let kept = self.collections.heads.update_one(
                doc! { "_id": value::text(head, "_id")? },
                doc! { "$max": { "kept": upto } },
            );
            kept.await.map_err(classify)?;
        }
        Ok(removed)
    }

    async fn remove_all(&self, filter: Document, sort: Document, limit: usize) -> Outcome<usize> {
        let needed: Document = NEEDED
            .iter()
            .map(|member| ((*member).to_owned(), Bson::Int32(1)))
            .collect();
        let mut removed = 0;
        while removed < limit {
            let count = (limit - removed).min(AT_ONCE);
            let found = self
                .collections
                .events
                .find(filter.clone())
                .sort(sort.clone())
                .limit(value::signed(count));
            let found = all(found.projection(needed.clone())).await?;
            if found.is_empty() {
                break;
            }
            let count = self.remove(&found).await?;
            if count == 0 {
                // Another node removes the same.
                break;
            }
            removed += count;
        }
        Ok(removed)
    }

    async fn remove(&self, events: &[Document]) -> Outcome<usize> {
        let mut floors: BTreeMap<String, Document> = BTreeMap::new();
        let mut claims = Vec::new();
        for event in events {
            let (app, channel) = (
                value::text(event, "instance")?,
                value::text(event, "channel")?,
            );
            // The original's that was never given a serial has no place to be remembered.
            let Some(serial) = value::maybe_int(event, "serial")? else {
                continue;
            };
            let number = match value::maybe_int(event, "app")? {
                Some(number) => Some(number),
                None => self.app_number(&AppIdent::trusted(app)).await?,
            };
            claims.push(format!("{app}/{channel}/{serial}"));
            let Some(number) = number else { continue };
            let head = format!("{number}/{channel}");
            let highest =
                |floor: &Document| value::int(floor, "floor").is_ok_and(|floor| floor >= serial);
            if !floors.get(&head).is_some_and(highest) {
                let new = doc! { "instance": app, "app": number, "channel": channel, "floor": serial, "id": value::int(event, "id")? };
                floors.insert(head, new);
            }
        }
        let raise = |(head, new): (String, Document)| {
            let (floor, id) = (new.get("floor").cloned(), new.get("id").cloned());
            let place: Document = new
                .into_iter()
                .filter(|(member, _)| !["floor", "id"].contains(&member.as_str()))
                .collect();
            let change = doc! { "$max": { "floor": floor.clone(), "serial": floor, "id": id }, "$setOnInsert": place };
            doc! { "q": { "_id": head }, "u": change, "upsert": true }
        };
        self.collections
            .update_each(
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
        // The claims of what the original wrote, and what it wrote for each recipient.
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
