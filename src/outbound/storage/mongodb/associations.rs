//! Associations: the original wrote one document per recipient of an event, which form the older part of an inbox. They get
//! the ids of their events, and with them an order, when they are first read.

use std::collections::HashMap;

use mongodb::bson::{Bson, Document, doc};

use super::error::classify;
use super::events::{MANY, all};
use super::{MongoStore, value};
use crate::core::model::{AppIdent, Event, UserId};
use crate::core::ports::ReadLimit;
use crate::outbound::storage::StorageResult;

impl MongoStore {
    /// Whether a user has associations. Afterwards each of them has the id of its event.
    pub(super) async fn has_associations(
        &self,
        app: &AppIdent,
        user: &UserId,
    ) -> StorageResult<bool> {
        let of_user = doc! { "instance": app.as_str(), "user_id": user.as_str() };
        if self
            .collections
            .associations
            .find_one(of_user.clone())
            .await
            .map_err(classify)?
            .is_none()
        {
            return Ok(false);
        }
        let mut new = of_user;
        new.insert("event_id", Bson::Null);
        loop {
            let found = self
                .collections
                .associations
                .find(new.clone())
                .limit(value::signed(MANY))
                .projection(doc! { "mid": 1 });
            let found = all(found).await?;
            if found.is_empty() {
                return Ok(true);
            }
            let ids = self.event_ids(app, &found).await?;
            let update = |association: &Document| {
                // 0 for a removed event, which no query finds.
                let id = value::text(association, "mid")
                    .ok()
                    .and_then(|mid| ids.get(mid))
                    .copied()
                    .unwrap_or(0);
                Some(
                    doc! { "q": { "_id": association.get("_id")?.clone() }, "u": { "$set": { "event_id": id } } },
                )
            };
            self.collections
                .bulk_update(
                    &self.collections.associations,
                    found.iter().filter_map(update).collect(),
                )
                .await?;
        }
    }

    /// Reads the events associated with a user with ids in (`low`, `high`], newest first, within `limit`; and the id of the
    /// oldest association read, if there may be more.
    pub(super) async fn associated_events(
        &self,
        app: &AppIdent,
        user: &UserId,
        low: i64,
        high: i64,
        limit: ReadLimit,
    ) -> StorageResult<(Vec<Event>, Option<i64>)> {
        let filter = doc! { "instance": app.as_str(), "user_id": user.as_str(), "event_id": { "$gt": low, "$lte": high } };
        let found = self
            .collections
            .associations
            .find(filter)
            .sort(doc! { "event_id": -1 })
            .limit(value::signed(limit.events));
        let found = all(found.projection(doc! { "event_id": 1 })).await?;
        let ids = found
            .iter()
            .map(|association| value::int(association, "event_id"))
            .collect::<StorageResult<Vec<_>>>()?;
        let oldest = ids.last().copied().filter(|_| ids.len() == limit.events);
        let events = self
            .read_events(
                app,
                doc! { "instance": app.as_str(), "id": { "$in": ids } },
                doc! { "id": -1 },
                limit,
            )
            .await?;
        // Where the bytes ended the read, older associations are read again.
        let cut = events
            .last()
            .filter(|_| limit.bytes_reached(&events))
            .map(|event| value::signed(event.position.id));
        Ok((events, cut.or(oldest)))
    }

    async fn event_ids(
        &self,
        app: &AppIdent,
        associations: &[Document],
    ) -> StorageResult<HashMap<String, i64>> {
        let mids = associations
            .iter()
            .map(|association| value::text(association, "mid"))
            .collect::<StorageResult<Vec<_>>>()?;
        let events = doc! { "mid": { "$in": mids }, "instance": app.as_str() };
        let found = all(self
            .collections
            .events
            .find(events)
            .projection(doc! { "mid": 1, "id": 1 }))
        .await?;
        found
            .iter()
            .map(|event| {
                Ok((
                    value::text(event, "mid")?.to_owned(),
                    value::int(event, "id")?,
                ))
            })
            .collect()
    }
}
