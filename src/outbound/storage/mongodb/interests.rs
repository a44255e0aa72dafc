//! Moving subscriptions. What the original wrote for each recipient of an event counts as an interval of that one event.

use std::collections::{BTreeMap, BTreeSet};

use mongodb::bson::{Document, doc};

use super::archive::insertion;
use super::events::{MANY, all};
use super::fault::classify;
use super::{MongoStore, Outcome, subscriptions, value};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, ChannelName, Interval, Subscription, UserId};

impl MongoStore {
    /// Users with intervals or with associations.
    pub(super) async fn former_users(&self, app: &AppIdent, after: Option<&UserId>, limit: usize) -> Outcome<Vec<UserId>> {
        let mut users = BTreeSet::new();
        for collection in [&self.collections.intervals, &self.collections.associations] {
            let mut last = after.map_or(String::new(), |after| after.as_str().to_owned());
            let mut found = 0;
            while found < limit.min(MANY) {
                let next = doc! { "instance": app.as_str(), "user_id": { "$gt": &last } };
                let next = collection.find_one(next).sort(doc! { "user_id": 1 }).projection(doc! { "user_id": 1 });
                let Some(next) = next.await.map_err(classify)? else { break };
                last = value::text(&next, "user_id")?.to_owned();
                // What the original wrote for somebody who can be nobody here is passed over.
                if let Some(user) = UserId::parse(&last) {
                    users.insert(user);
                    found += 1;
                }
            }
        }
        Ok(users.into_iter().take(limit.min(MANY)).collect())
    }

    /// A user's intervals, with what was associated and is in none of them.
    pub(super) async fn former_intervals(&self, app: &AppIdent, user: &UserId) -> Outcome<Vec<Interval>> {
        let Some(number) = self.app_number(app).await? else { return Ok(Vec::new()) };
        let of_user = doc! { "instance": app.as_str(), "user_id": user.as_str() };
        self.adopt(of_user.clone()).await?;
        let mut ended = of_user.clone();
        ended.insert("app", number);
        let mut open = of_user.clone();
        open.insert("start", doc! { "$gte": 0 });
        let mut covered: BTreeMap<ChannelName, Vec<(u64, u64)>> = BTreeMap::new();
        let mut intervals = Vec::new();
        for document in all(self.collections.intervals.find(ended)).await? {
            let (start, end) = (value::unsigned(&document, "start")?, value::unsigned(&document, "end")?);
            let channel = ChannelName::trusted(value::text(&document, "event")?);
            covered.entry(channel.clone()).or_default().push((start, end));
            intervals.push(Interval { user_id: user.clone(), channel, start, end });
        }
        for document in all(self.collections.subscriptions.find(open)).await? {
            let channel = ChannelName::trusted(value::text(&document, "event")?);
            covered.entry(channel).or_default().push((value::unsigned(&document, "start")?, u64::MAX));
        }
        covered.entry(ChannelName::personal_of(user)).or_default().push((0, u64::MAX));
        for (channel, serials) in self.associated_serials(app, user).await? {
            let is_covered =
                |serial: u64| covered.get(&channel).is_some_and(|all| all.iter().any(|(low, high)| *low < serial && serial <= *high));
            let alone = serials.into_iter().filter(|serial| *serial > 0 && !is_covered(*serial));
            intervals.extend(alone.map(|serial| Interval {
                user_id: user.clone(),
                channel: channel.clone(),
                start: serial - 1,
                end: serial,
            }));
        }
        Ok(intervals)
    }

    /// The serials of the events that were associated with a user, by channel.
    async fn associated_serials(&self, app: &AppIdent, user: &UserId) -> Outcome<BTreeMap<ChannelName, BTreeSet<u64>>> {
        let mut serials: BTreeMap<ChannelName, BTreeSet<u64>> = BTreeMap::new();
        if !self.has_associations(app, user).await? {
            return Ok(serials);
        }
        let mut high = i64::MAX;
        loop {
            let (events, oldest) = self.associated(app, user, 0, high, MANY).await?;
            for event in events {
                serials.entry(event.new.channel).or_default().insert(event.position.serial);
            }
            let Some(oldest) = oldest else { return Ok(serials) };
            high = oldest - 1;
        }
    }

    pub(super) async fn put_interests(&self, app: &AppIdent, open: &[Subscription], ended: &[Interval]) -> Outcome<()> {
        let number = self.app_number(app).await?.ok_or(StorageError::NotFound)?;
        let subscriptions = open.iter().map(|one| insertion(subscriptions::document_of(number, one)));
        self.collections.update_each(&self.collections.subscriptions, subscriptions.collect()).await?;
        if let Some(newest) = open.iter().map(|one| one.id).max() {
            self.collections.reach_id(&self.collections.subscriptions, value::signed(newest)).await?;
        }
        let intervals = ended.iter().map(|one| insertion(interval_document(app, number, one)));
        self.collections.update_each(&self.collections.intervals, intervals.collect()).await
    }
}

fn interval_document(app: &AppIdent, number: i64, interval: &Interval) -> Document {
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
