//! Subscriptions of the original: each begins at its channel's head when it is first seen. The same one may be there
//! several times; the one with the lowest number counts.

use std::collections::{BTreeMap, HashMap, HashSet};

use mongodb::bson::{Bson, Document, doc};

use super::events::{MANY, all};
use super::{MongoStore, Outcome, value};
use crate::core::model::{AppIdent, ChannelName};

impl MongoStore {
    /// Gives those of the original's subscriptions that fit their beginning.
    pub(super) async fn adopt(&self, which: Document) -> Outcome<()> {
        let mut after = i64::MIN;
        loop {
            let mut new = which.clone();
            new.extend(doc! { "start": Bson::Null, "ending": Bson::Null, "double": Bson::Null, "id": { "$gt": after } });
            let found = self
                .collections
                .subscriptions
                .find(new)
                .sort(doc! { "id": 1 })
                .limit(value::signed(MANY));
            let found = all(found).await?;
            let Some(last) = found.last() else {
                return Ok(());
            };
            after = value::int(last, "id")?;
            self.adopt_each(&found).await?;
        }
    }

    async fn adopt_each(&self, found: &[Document]) -> Outcome<()> {
        let mut of_app: BTreeMap<&str, Vec<&Document>> = BTreeMap::new();
        for subscription in found {
            // Without its app it belongs to nobody.
            if let Some(app) = value::maybe_text(subscription, "instance")? {
                of_app.entry(app).or_default().push(subscription);
            }
        }
        for (app, found) in of_app {
            let app = AppIdent::trusted(app);
            if let Some(number) = self.app_number(&app).await? {
                self.adopt_of(&app, number, &found).await?;
            }
        }
        Ok(())
    }

    async fn adopt_of(&self, app: &AppIdent, number: i64, found: &[&Document]) -> Outcome<()> {
        let channels: HashSet<&str> = found
            .iter()
            .map(|subscription| value::text(subscription, "event"))
            .collect::<Outcome<_>>()?;
        let users: HashSet<&str> = found
            .iter()
            .map(|subscription| value::text(subscription, "user_id"))
            .collect::<Outcome<_>>()?;
        let (users, names): (Vec<&str>, Vec<&str>) =
            (users.into_iter().collect(), channels.into_iter().collect());
        let open = doc! { "instance": app.as_str(), "user_id": { "$in": users }, "event": { "$in": &names }, "start": { "$gte": 0 } };
        let open = all(self.collections.subscriptions.find(open)).await?;
        let place = |subscription: &Document| {
            Ok((
                value::text(subscription, "user_id")?.to_owned(),
                value::text(subscription, "event")?.to_owned(),
            ))
        };
        let mut there: HashSet<(String, String)> =
            open.iter().map(place).collect::<Outcome<_>>()?;
        let channels: Vec<ChannelName> = names.into_iter().map(ChannelName::trusted).collect();
        let heads = self.read_heads(app, number, &channels).await?;
        let starts: HashMap<&str, i64> = heads
            .iter()
            .map(|(channel, head)| (channel.as_str(), head.serial))
            .collect();
        let mut changes = Vec::with_capacity(found.len());
        for subscription in found {
            let Some(id) = subscription.get("_id") else {
                continue;
            };
            let start = starts
                .get(value::text(subscription, "event")?)
                .copied()
                .unwrap_or(0);
            let change = if there.insert(place(subscription)?) {
                doc! { "start": start, "app": number }
            } else {
                doc! { "double": true }
            };
            changes.push(doc! { "q": { "_id": id.clone(), "start": Bson::Null, "ending": Bson::Null }, "u": { "$set": change } });
        }
        self.collections
            .update_each(&self.collections.subscriptions, changes)
            .await
    }
}
