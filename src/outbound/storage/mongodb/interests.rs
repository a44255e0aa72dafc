//! Moving subscriptions. What the original wrote for each recipient of an event counts as an interval of that one event.

use std::collections::{BTreeMap, BTreeSet};

use mongodb::Collection;
use mongodb::bson::{Document, doc};

use super::archive::{AT_ONCE, insertion};
use super::events::{MANY, all};
use super::{MongoStore, Outcome, subscriptions, value};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, SubscriptionInterval, UserId, UserSubscription};

impl MongoStore {
    /// The intervals of some users, the first who have any.
    pub(super) async fn former_intervals(
        &self,
        app: &AppIdent,
        after: Option<&UserId>,
        limit: usize,
    ) -> Outcome<Vec<SubscriptionInterval>> {
        let Some(number) = self.app_number(app).await? else {
            return Ok(Vec::new());
        };
        if after.is_none() {
            self.finish_endings(app).await?;
        }
        let limit = limit.clamp(1, MANY);
        let mut last = after.cloned();
        loop {
            let ended = users_of(&self.collections.intervals, app, last.as_ref(), limit).await?;
            let associated =
                users_of(&self.collections.associations, app, last.as_ref(), limit).await?;
            let users: Vec<&UserId> = ended.union(&associated).take(limit).collect();
            let Some(newest) = users.last() else {
                return Ok(Vec::new());
            };
            let intervals = self.intervals_of(app, number, &users, &associated).await?;
            // Those of a whole page may have none.
            if !intervals.is_empty() {
                return Ok(intervals);
            }
            last = Some(UserId::clone(newest));
        }
    }

    /// Users' intervals, with what was associated and is in none of them.
    async fn intervals_of(
        &self,
        app: &AppIdent,
        number: i64,
        users: &[&UserId],
        associated: &BTreeSet<UserId>,
    ) -> Outcome<Vec<SubscriptionInterval>> {
        let ids: Vec<&str> = users.iter().map(|user| user.as_str()).collect();
        let of_users = doc! { "instance": app.as_str(), "user_id": { "$in": ids } };
        self.adopt(of_users.clone()).await?;
        let (mut ended, mut open) = (of_users.clone(), of_users);
        ended.insert("app", number);
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
        let mut begun: BTreeMap<&str, Vec<(ChannelName, u64)>> = BTreeMap::new();
        let open = all(self.collections.subscriptions.find(open)).await?;
        for document in &open {
            let place = (
                ChannelName::trusted(value::text(document, "event")?),
                value::unsigned(document, "start")?,
            );
            begun
                .entry(value::text(document, "user_id")?)
                .or_default()
                .push(place);
        }
        let mut gathered = Vec::new();
        for user in users {
            let mut of_user = intervals.remove(user.as_str()).unwrap_or_default();
            if associated.contains(*user) {
                let begun = begun.remove(user.as_str()).unwrap_or_default();
                let further = self
                    .associated_intervals(app, user, &of_user, &begun)
                    .await?;
                of_user.extend(further);
            }
            gathered.extend(of_user);
        }
        Ok(gathered)
    }

    /// What was associated with a user and is neither in an interval, nor in an open subscription, nor personal.
    async fn associated_intervals(
        &self,
        app: &AppIdent,
        user: &UserId,
        ended: &[SubscriptionInterval],
        begun: &[(ChannelName, u64)],
    ) -> Outcome<Vec<SubscriptionInterval>> {
        let personal = ChannelName::personal_of(user);
        let mut intervals = Vec::new();
        for (channel, mut serials) in self.associated_serials(app, user).await? {
            serials.retain(|serial| {
                let in_ended = ended
                    .iter()
                    .any(|one| one.channel == channel && one.start < *serial && *serial <= one.end);
                let in_open = begun
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
            intervals.extend(runs(serials).into_iter().map(interval));
        }
        Ok(intervals)
    }

    /// The serials of the events that were associated with a user, by channel.
    async fn associated_serials(
        &self,
        app: &AppIdent,
        user: &UserId,
    ) -> Outcome<BTreeMap<ChannelName, BTreeSet<u64>>> {
        let mut serials: BTreeMap<ChannelName, BTreeSet<u64>> = BTreeMap::new();
        if !self.has_associations(app, user).await? {
            return Ok(serials);
        }
        let mut high = i64::MAX;
        loop {
            let (events, oldest) = self.associated(app, user, 0, high, MANY).await?;
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

    pub(super) async fn put_interests(
        &self,
        app: &AppIdent,
        open: &[UserSubscription],
        ended: &[SubscriptionInterval],
    ) -> Outcome<()> {
        let number = self.app_number(app).await?.ok_or(StorageError::NotFound)?;
        let subscriptions = open
            .iter()
            .map(|one| insertion(subscriptions::document_of(number, one)));
        self.collections
            .update_each(&self.collections.subscriptions, subscriptions.collect())
            .await?;
        if let Some(newest) = open.iter().map(|one| one.id).max() {
            self.collections
                .reach_id(&self.collections.subscriptions, value::signed(newest))
                .await?;
        }
        let intervals = ended
            .iter()
            .map(|one| insertion(interval_document(app, number, one)));
        self.collections
            .update_each(&self.collections.intervals, intervals.collect())
            .await
    }
}

/// The users of a collection's documents behind `after`: at least the first `limit`, and maybe some of those that follow them.
async fn users_of(
    documents: &Collection<Document>,
    app: &AppIdent,
    after: Option<&UserId>,
    limit: usize,
) -> Outcome<BTreeSet<UserId>> {
    let mut users = BTreeSet::new();
    let mut last = after.map_or(String::new(), |after| after.as_str().to_owned());
    while users.len() < limit {
        let behind = doc! { "instance": app.as_str(), "user_id": { "$gt": &last } };
        let found = documents
            .find(behind)
            .sort(doc! { "user_id": 1 })
            .limit(AT_ONCE)
            .projection(doc! { "_id": 0, "user_id": 1 });
        let found = all(found).await?;
        let Some(newest) = found.last() else { break };
        last = value::text(newest, "user_id")?.to_owned();
        // What the original wrote for somebody who can be nobody here is passed over.
        let ids = found
            .iter()
            .map(|document| value::text(document, "user_id"));
        users.extend(
            ids.collect::<Outcome<Vec<_>>>()?
                .into_iter()
                .filter_map(UserId::parse),
        );
    }
    Ok(users)
}

/// Serials that follow each other, as intervals (start, end].
fn runs(serials: BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for serial in serials {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == serial => *end = serial,
            _ => runs.push((serial - 1, serial)),
        }
    }
    runs
}

fn interval_document(app: &AppIdent, number: i64, interval: &SubscriptionInterval) -> Document {
    doc! {
        // Those that end here have a number in place of the place.
        "_id": format!("{number}/{}\n{}\n{}", interval.user_id, interval.channel, interval.start),
        "instance": app.as_str(),
        "app": number,
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
    fn serials_that_follow_each_other_are_one_interval() {
        assert_eq!(runs([1, 2, 3, 7, 9, 10].into()), [(0, 3), (6, 7), (8, 10)]);
        assert_eq!(runs(BTreeSet::new()), []);
    }
}
