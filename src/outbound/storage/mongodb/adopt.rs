//! Adoption of subscriptions that the original wrote: each starts at the channel's head at the time when it is first read.
//! Of several documents for the same subscription, the one with the lowest id counts.

use std::collections::{BTreeMap, HashMap, HashSet};

use mongodb::bson::{Bson, Document, doc};

use super::events::{MANY, all};
use super::{MongoStore, value};
use crate::core::model::{AppIdent, ChannelName};
use crate::outbound::storage::StorageResult;

impl MongoStore {
    /// Assigns a start to the matching subscriptions that have none.
    pub(super) async fn adopt(&self, filter: Document) -> StorageResult<()> {
        let mut after = i64::MIN;
        loop {
            let mut new = filter.clone();
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
            self.adopt_batch(&found).await?;
        }
    }

    async fn adopt_batch(&self, found: &[Document]) -> StorageResult<()> {
        let mut by_app: BTreeMap<&str, Vec<&Document>> = BTreeMap::new();
        for subscription in found {
            // A document without an app is ignored.
            if let Some(app) = value::maybe_text(subscription, "instance")? {
                by_app.entry(app).or_default().push(subscription);
            }
        }
        for (app, found) in by_app {
            let app = AppIdent::trusted(app);
            if let Some(app_id) = self.app_id(&app).await? {
                self.adopt_of_app(&app, app_id, &found).await?;
            }
        }
        Ok(())
    }

    async fn adopt_of_app(
        &self,
        app: &AppIdent,
        app_id: i64,
        found: &[&Document],
    ) -> StorageResult<()> {
        let channels: HashSet<&str> = found
            .iter()
            .map(|subscription| value::text(subscription, "event"))
            .collect::<StorageResult<_>>()?;
        let users: HashSet<&str> = found
            .iter()
            .map(|subscription| value::text(subscription, "user_id"))
            .collect::<StorageResult<_>>()?;
        let (users, names): (Vec<&str>, Vec<&str>) =
            (users.into_iter().collect(), channels.into_iter().collect());
        let filter = doc! { "instance": app.as_str(), "user_id": { "$in": users }, "event": { "$in": &names }, "start": { "$gte": 0 } };
        let open_documents = all(self.collections.subscriptions.find(filter)).await?;
        let key = |subscription: &Document| {
            Ok((
                value::text(subscription, "user_id")?.to_owned(),
                value::text(subscription, "event")?.to_owned(),
            ))
        };
        let mut open: HashSet<(String, String)> = open_documents
            .iter()
            .map(key)
            .collect::<StorageResult<_>>()?;
        let channels: Vec<ChannelName> = names.into_iter().map(ChannelName::trusted).collect();
        let heads = self.read_heads(app, app_id, &channels).await?;
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
            let change = if open.insert(key(subscription)?) {
                doc! { "start": start, "app": app_id }
            } else {
                doc! { "double": true }
            };
            changes.push(doc! { "q": { "_id": id.clone(), "start": Bson::Null, "ending": Bson::Null }, "u": { "$set": change } });
        }
        self.collections
            .bulk_update(&self.collections.subscriptions, changes)
            .await
    }
}
