//! What the original wrote for each recipient of an event: the older part of an inbox. It is put in the order of the
//! events when it is first read.

use std::collections::HashMap;

use mongodb::bson::{Bson, Document, doc};

use super::events::{MANY, all};
use super::fault::classify;
use super::{MongoStore, Outcome, value};
use crate::core::model::{AppIdent, Event, UserId};

impl MongoStore {
    /// Whether there are any of a user; each of them has the number of its event afterwards.
    pub(super) async fn has_associations(&self, app: &AppIdent, user: &UserId) -> Outcome<bool> {
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
            let ids = self.ids_of(app, &found).await?;
            let told = |association: &Document| {
                // Of an event that is gone, nothing is to be read.
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
                .update_each(
                    &self.collections.associations,
                    found.iter().filter_map(told).collect(),
                )
                .await?;
        }
    }

    /// Events that a user was to get, with numbers in (`low`, `high`], newest first, at most `limit`; and the number of the
    /// oldest that was looked at, where there may be more.
    pub(super) async fn associated(
        &self,
        app: &AppIdent,
        user: &UserId,
        low: i64,
        high: i64,
        limit: usize,
    ) -> Outcome<(Vec<Event>, Option<i64>)> {
        let filter = doc! { "instance": app.as_str(), "user_id": user.as_str(), "event_id": { "$gt": low, "$lte": high } };
        let found = self
            .collections
            .associations
            .find(filter)
            .sort(doc! { "event_id": -1 })
            .limit(value::signed(limit));
        let found = all(found.projection(doc! { "event_id": 1 })).await?;
        let ids = found
            .iter()
            .map(|association| value::int(association, "event_id"))
            .collect::<Outcome<Vec<_>>>()?;
        let oldest = ids.last().copied().filter(|_| ids.len() == limit);
        let events = self
            .read_events(
                app,
                doc! { "instance": app.as_str(), "id": { "$in": ids } },
                doc! { "id": -1 },
                limit,
            )
            .await?;
        Ok((events, oldest))
    }

    async fn ids_of(
        &self,
        app: &AppIdent,
        associations: &[Document],
    ) -> Outcome<HashMap<String, i64>> {
        let mids = associations
            .iter()
            .map(|association| value::text(association, "mid"))
            .collect::<Outcome<Vec<_>>>()?;
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
