//! Export and import of subscriptions. The original's association of a user with an event is exported as an interval of that
//! one event.

use std::collections::{BTreeMap, BTreeSet};

use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::{SCAN_BATCH, insert_if_absent};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, SubscriptionInterval, UserId, UserSubscription};
use crate::core::ports::ReadLimit;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::events::{MANY, all};
use crate::outbound::storage::mongodb::{MongoStore, subscriptions, value};

impl MongoStore {
    /// Reads the ended intervals of the first users after `after` that have any.
    pub(super) async fn ended_intervals(
        &self,
        app: &AppIdent,
        after: Option<&UserId>,
        limit: usize,
    ) -> StorageResult<Vec<SubscriptionInterval>> {
        let Some(app_id) = self.app_id(app).await? else {
            return Ok(Vec::new());
        };
        if after.is_none() {
            self.finish_endings(app).await?;
        }
        let limit = limit.clamp(1, MANY);
        let mut last = after.cloned();
        loop {
            let ended = users_after(&self.collections.intervals, app, last.as_ref(), limit).await?;
            let associated =
                users_after(&self.collections.associations, app, last.as_ref(), limit).await?;
            let users: Vec<&UserId> = ended.union(&associated).take(limit).collect();
            let Some(newest) = users.last() else {
                return Ok(Vec::new());
            };
            let intervals = self.intervals_of(app, app_id, &users, &associated).await?;
            // All users of a page may be without intervals.
            if !intervals.is_empty() {
                return Ok(intervals);
            }
            last = Some(UserId::clone(newest));
        }
    }

    /// Reads the intervals of users, and adds associated events that are in none of them.
    async fn intervals_of(
        &self,
        app: &AppIdent,
        app_id: i64,
        users: &[&UserId],
        associated: &BTreeSet<UserId>,
    ) -> StorageResult<Vec<SubscriptionInterval>> {
        let ids: Vec<&str> = users.iter().map(|user| user.as_str()).collect();
        let of_users = doc! { "instance": app.as_str(), "user_id": { "$in": ids } };
        self.adopt(of_users.clone()).await?;
        let (mut ended, mut open) = (of_users.clone(), of_users);
        ended.insert("app", app_id);
        open.insert("start", doc! { "$gte": 0 });
        let mut intervals: BTreeMap<&str, Vec<SubscriptionInterval>> = BTreeMap::new();
        let ended = all(self.collections.intervals.find(ended)).await?;
        for document in &ended {
            let user = value::text(document, "user_id")?;
            let interval = SubscriptionInterval {
                user_id: UserId::parse(user)
                    .ok_or_else(|| StorageError::corrupt("a stored user id is malformed"))?,
                channel: ChannelName::trusted(value::text(document, "event")?),
                start: value::unsigned(document, "start")?,
                end: value::unsigned(document, "end")?,
            };
            intervals.entry(user).or_default().push(interval);
        }
        let mut open_starts: BTreeMap<&str, Vec<(ChannelName, u64)>> = BTreeMap::new();
        let open = all(self.collections.subscriptions.find(open)).await?;
        for document in &open {
            let entry = (
                ChannelName::trusted(value::text(document, "event")?),
                value::unsigned(document, "start")?,
            );
            open_starts
                .entry(value::text(document, "user_id")?)
                .or_default()
                .push(entry);
        }
        let mut result = Vec::new();
        for user in users {
            let mut of_user = intervals.remove(user.as_str()).unwrap_or_default();
            if associated.contains(*user) {
                let open_starts = open_starts.remove(user.as_str()).unwrap_or_default();
                let further = self
                    .associated_intervals(app, user, &of_user, &open_starts)
                    .await?;
                of_user.extend(further);
            }
            result.extend(of_user);
        }
        Ok(result)
    }

    /// Reads the associated events of a user that are not in an interval, an open subscription or the personal channel.
    async fn associated_intervals(
        &self,
        app: &AppIdent,
        user: &UserId,
        ended: &[SubscriptionInterval],
        open_starts: &[(ChannelName, u64)],
    ) -> StorageResult<Vec<SubscriptionInterval>> {
        let personal = ChannelName::personal_of(user);
        let mut intervals = Vec::new();
        for (channel, mut serials) in self.associated_serials(app, user).await? {
            serials.retain(|serial| {
                let in_ended = ended.iter().any(|item| {
                    item.channel == channel && item.start < *serial && *serial <= item.end
                });
                let in_open = open_starts
                    .iter()
                    .any(|(name, start)| *name == channel && start < serial);
                channel != personal && *serial > 0 && !in_ended && !in_open
            });
            let interval = |(start, end)| SubscriptionInterval {
                user_id: user.clone(),
                channel: channel.clone(),
                start,
                end,
            };
            intervals.extend(contiguous_ranges(serials).into_iter().map(interval));
        }
        Ok(intervals)
    }

    /// Reads the serials of the events associated with a user, by channel.
    async fn associated_serials(
        &self,
        app: &AppIdent,
        user: &UserId,
    ) -> StorageResult<BTreeMap<ChannelName, BTreeSet<u64>>> {
        let mut serials: BTreeMap<ChannelName, BTreeSet<u64>> = BTreeMap::new();
        if !self.has_associations(app, user).await? {
            return Ok(serials);
        }
        let mut high = i64::MAX;
        loop {
            let (events, oldest) = self
                .associated_events(app, user, 0, high, ReadLimit::events(MANY))
                .await?;
            for event in events {
                serials
                    .entry(event.new.channel)
                    .or_default()
                    .insert(event.position.serial);
            }
            let Some(oldest) = oldest else {
                return Ok(serials);
            };
            high = oldest - 1;
        }
    }

    pub(super) async fn import_subscriptions(
        &self,
        app: &AppIdent,
        open: &[UserSubscription],
        ended: &[SubscriptionInterval],
    ) -> StorageResult<()> {
        let app_id = self.app_id(app).await?.ok_or(StorageError::NotFound)?;
        let subscriptions = open
            .iter()
            .map(|item| insert_if_absent(subscriptions::document_of(app_id, item)));
        self.collections
            .bulk_update(&self.collections.subscriptions, subscriptions.collect())
            .await?;
        if let Some(newest) = open.iter().map(|item| item.id).max() {
            self.collections
                .advance_ids(&self.collections.subscriptions, value::signed(newest))
                .await?;
        }
        let intervals = ended
            .iter()
            .map(|item| insert_if_absent(interval_document(app, app_id, item)));
        self.collections
            .bulk_update(&self.collections.intervals, intervals.collect())
            .await
    }
}

/// Reads the users of a collection after `after`: at least the first `limit`, possibly a few more.
async fn users_after(
    documents: &Collection<Document>,
    app: &AppIdent,
    after: Option<&UserId>,
    limit: usize,
) -> StorageResult<BTreeSet<UserId>> {
    let mut users = BTreeSet::new();
    let mut last = after.map_or(String::new(), |after| after.as_str().to_owned());
    while users.len() < limit {
        let filter = doc! { "instance": app.as_str(), "user_id": { "$gt": &last } };
        let found = documents
            .find(filter)
            .sort(doc! { "user_id": 1 })
            .limit(SCAN_BATCH)
            .projection(doc! { "_id": 0, "user_id": 1 });
        let found = all(found).await?;
        let Some(newest) = found.last() else { break };
        last = value::text(newest, "user_id")?.to_owned();
        // The original accepted user ids that are invalid here; they are skipped.
        let ids = found
            .iter()
            .map(|document| value::text(document, "user_id"));
        users.extend(
            ids.collect::<StorageResult<Vec<_>>>()?
                .into_iter()
                .filter_map(UserId::parse),
        );
    }
    Ok(users)
}

/// Groups contiguous serials to intervals (start, end].
fn contiguous_ranges(serials: BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for serial in serials {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == serial => *end = serial,
            _ => ranges.push((serial - 1, serial)),
        }
    }
    ranges
}

fn interval_document(app: &AppIdent, app_id: i64, interval: &SubscriptionInterval) -> Document {
    doc! {
        // Intervals of subscriptions that ended in this store have `<app>/<id>` instead.
        "_id": format!("{app_id}/{}\n{}\n{}", interval.user_id, interval.channel, interval.start),
        "instance": app.as_str(),
        "app": app_id,
        "user_id": interval.user_id.as_str(),
        "event": interval.channel.as_str(),
        "start": value::signed(interval.start),
        "end": value::signed(interval.end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contiguous_serials_are_one_interval() {
        assert_eq!(
            contiguous_ranges([1, 2, 3, 7, 9, 10].into()),
            [(0, 3), (6, 7), (8, 10)]
        );
        assert_eq!(contiguous_ranges(BTreeSet::new()), []);
    }
}
