//! Persistent subscriptions: a document in the original's collection with a `start` while open, an interval of serials after
//! the end. An ending subscription has an `ending` instead of the `start`: it counts as ended, and any call that finds it
//! completes the remaining steps.

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::MongoStore;
use super::error::{classify, is_duplicate};
use super::events::all;
use super::value::{self, seconds};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, SubscriptionFilter, Timestamp, UserId, UserSubscription,
};
use crate::core::ports::SubscriptionStore;
use crate::outbound::storage::StorageResult;

/// The unique key of an open subscription.
#[derive(Clone)]
struct SubscriptionKey {
    app: AppIdent,
    user: UserId,
    channel: ChannelName,
}

#[async_trait]
impl SubscriptionStore for MongoStore {
    async fn add(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<(UserSubscription, bool), StorageError> {
        let key = SubscriptionKey {
            app: app.clone(),
            user: user.clone(),
            channel: channel.clone(),
        };
        let store = self.clone();
        self.run_to_completion(async move { store.subscribe(&key, now).await })
            .await
    }

    async fn remove(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<Option<UserSubscription>, StorageError> {
        let key = SubscriptionKey {
            app: app.clone(),
            user: user.clone(),
            channel: channel.clone(),
        };
        let store = self.clone();
        self.run_to_completion(async move { store.unsubscribe(&key, now).await })
            .await
    }

    async fn list(
        &self,
        app: &AppIdent,
        filter: &SubscriptionFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<UserSubscription>, StorageError> {
        // MongoDB takes a limit of 0 as no limit.
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut filter_document = doc! { "instance": app.as_str() };
        filter_document.extend(
            filter
                .user_id
                .as_ref()
                .map(|user| ("user_id".to_owned(), Bson::from(user.as_str()))),
        );
        filter_document.extend(
            filter
                .channel
                .as_ref()
                .map(|channel| ("event".to_owned(), Bson::from(channel.as_str()))),
        );
        self.with_timeout(async {
            self.adopt(filter_document.clone()).await?;
            filter_document
                .extend(doc! { "start": { "$gte": 0 }, "id": { "$gt": value::signed(after) } });
            let found = self
                .collections
                .subscriptions
                .find(filter_document)
                .sort(doc! { "id": 1 })
                .limit(value::signed(limit));
            let found = all(found).await?;
            found
                .iter()
                .filter_map(|document| subscription_from(app, document).transpose())
                .collect()
        })
        .await
    }

    async fn channels_of(
        &self,
        app: &AppIdent,
        user: &UserId,
        limit: usize,
    ) -> Result<Vec<ChannelName>, StorageError> {
        // MongoDB takes a limit of 0 as no limit.
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut filter_document = doc! { "instance": app.as_str(), "user_id": user.as_str() };
        self.with_timeout(async {
            self.adopt(filter_document.clone()).await?;
            filter_document.insert("start", doc! { "$gte": 0 });
            let found = self
                .collections
                .subscriptions
                .find(filter_document)
                .sort(doc! { "id": 1 })
                .limit(value::signed(limit))
                .projection(doc! { "event": 1 });
            let found = all(found).await?;
            found
                .iter()
                .map(|document| value::text(document, "event").map(ChannelName::trusted))
                .collect()
        })
        .await
    }
}

impl MongoStore {
    async fn subscribe(
        &self,
        key: &SubscriptionKey,
        now: Timestamp,
    ) -> StorageResult<(UserSubscription, bool)> {
        let app_id = self.app_id(&key.app).await?.ok_or(StorageError::NotFound)?;
        loop {
            if let Some(existing) = self.find_open(key).await? {
                return Ok((key.subscription(&existing)?, false));
            }
            let start = self.head_from(key, app_id).await?;
            let new = UserSubscription {
                id: self
                    .collections
                    .allocate_id(&self.collections.subscriptions)
                    .await?,
                app: key.app.clone(),
                user_id: key.user.clone(),
                channel: key.channel.clone(),
                start: u64::try_from(start).map_err(StorageError::corrupt)?,
                end: None,
                created: now,
                modified: now,
            };
            match self
                .collections
                .subscriptions
                .insert_one(document_of(app_id, &new))
                .await
            {
                Err(error) if is_duplicate(&error) => continue,
                inserted => drop(inserted.map_err(classify)?),
            }
            if self.app_id(&key.app).await? == Some(app_id) {
                return Ok((new, true));
            }
            // The app was deleted concurrently.
            let stray = doc! { "instance": key.app.as_str(), "id": value::signed(new.id) };
            self.collections
                .subscriptions
                .delete_many(stray)
                .await
                .map_err(classify)?;
            return Err(StorageError::NotFound);
        }
    }

    async fn unsubscribe(
        &self,
        key: &SubscriptionKey,
        now: Timestamp,
    ) -> StorageResult<Option<UserSubscription>> {
        let Some(app_id) = self.app_id(&key.app).await? else {
            return Ok(None);
        };
        while let Some(existing) = self.find_open(key).await? {
            let end = self.head_from(key, app_id).await?;
            let (id, start) = (
                value::int(&existing, "id")?,
                value::int(&existing, "start")?,
            );
            let open = doc! { "instance": key.app.as_str(), "id": id, "start": start };
            let ended = doc! { "$set": { "began": start, "ending": end, "app": app_id }, "$unset": { "start": "" } };
            // Of several concurrent calls, only one matches.
            let changed = self
                .collections
                .subscriptions
                .update_one(open, ended)
                .await
                .map_err(classify)?;
            if changed.matched_count == 0 {
                continue;
            }
            let mut ending = existing.clone();
            ending.extend(doc! { "began": start, "ending": end, "app": app_id });
            self.finish_ending(key, &ending).await?;
            let end = Some(u64::try_from(end).map_err(StorageError::corrupt)?);
            return Ok(Some(UserSubscription {
                end,
                modified: now,
                ..key.subscription(&existing)?
            }));
        }
        Ok(None)
    }

    /// Finds the open document of a subscription, after completing an ending and an adoption.
    async fn find_open(&self, key: &SubscriptionKey) -> StorageResult<Option<Document>> {
        loop {
            let found = self
                .collections
                .subscriptions
                .find(key.filter())
                .sort(doc! { "id": 1 });
            let found = all(found).await?;
            if let Some(ending) = found
                .iter()
                .find(|document| document.contains_key("ending"))
            {
                self.finish_ending(key, ending).await?;
            } else if let Some(open) = found.iter().find(|document| document.contains_key("start"))
            {
                return Ok(Some(open.clone()));
            } else if found.is_empty() {
                return Ok(None);
            } else if found.iter().all(|document| document.contains_key("double")) {
                // The original has deleted the document that counted.
                let reset = doc! { "$unset": { "double": "" } };
                self.collections
                    .subscriptions
                    .update_many(key.filter(), reset)
                    .await
                    .map_err(classify)?;
            } else {
                self.adopt(key.filter()).await?;
            }
        }
    }

    /// Completes all endings of an app.
    pub(super) async fn finish_endings(&self, app: &AppIdent) -> StorageResult<()> {
        let ending =
            doc! { "instance": app.as_str(), "start": Bson::Null, "ending": { "$gte": 0 } };
        for document in all(self.collections.subscriptions.find(ending)).await? {
            // The original accepted user ids that are invalid here; their subscriptions never end here.
            let Some(user) = UserId::parse(value::text(&document, "user_id")?) else {
                continue;
            };
            let channel = ChannelName::trusted(value::text(&document, "event")?);
            self.finish_ending(
                &SubscriptionKey {
                    app: app.clone(),
                    user,
                    channel,
                },
                &document,
            )
            .await?;
        }
        Ok(())
    }

    /// Stores the interval of an ending subscription, and deletes all its documents.
    async fn finish_ending(&self, key: &SubscriptionKey, ending: &Document) -> StorageResult<()> {
        let (app_id, id) = (value::int(ending, "app")?, value::int(ending, "id")?);
        let (start, end) = (value::int(ending, "began")?, value::int(ending, "ending")?);
        if start < end {
            let interval = doc! {
                "instance": key.app.as_str(),
                "app": app_id,
                "user_id": key.user.as_str(),
                "event": key.channel.as_str(),
                "start": start,
                "end": end,
            };
            let kept = self
                .collections
                .intervals
                .replace_one(doc! { "_id": format!("{app_id}/{id}") }, interval)
                .upsert(true);
            match kept.await {
                // A concurrent call stored it.
                Err(error) if is_duplicate(&error) => {}
                kept => drop(kept.map_err(classify)?),
            }
        }
        let mut all = key.filter();
        all.insert("start", Bson::Null);
        self.collections
            .subscriptions
            .delete_many(all)
            .await
            .map(drop)
            .map_err(classify)
    }

    async fn head_from(&self, key: &SubscriptionKey, app_id: i64) -> StorageResult<i64> {
        let heads = self
            .read_heads(&key.app, app_id, std::slice::from_ref(&key.channel))
            .await?;
        Ok(heads.get(&key.channel).map_or(0, |head| head.serial))
    }
}

impl SubscriptionKey {
    fn filter(&self) -> Document {
        doc! { "instance": self.app.as_str(), "user_id": self.user.as_str(), "event": self.channel.as_str() }
    }

    fn subscription(&self, document: &Document) -> StorageResult<UserSubscription> {
        subscription_from(&self.app, document)?
            .ok_or_else(|| StorageError::corrupt("a stored user id is malformed"))
    }
}

/// Encodes an open subscription.
pub(super) fn document_of(app_id: i64, new: &UserSubscription) -> Document {
    let seconds = seconds(new.created);
    doc! {
        "_id": format!("{app_id}/{}\n{}", new.user_id, new.channel),
        "instance": new.app.as_str(),
        "app": app_id,
        "id": value::signed(new.id),
        "user_id": new.user_id.as_str(),
        "event": new.channel.as_str(),
        "start": value::signed(new.start),
        "created": seconds,
        "created_us": new.created.micros(),
        "modified": seconds,
        "enabled": true,
        "description": Bson::Null,
        "meta": {},
    }
}

/// Decodes an open subscription; `None` if the original wrote a user id that is invalid here.
fn subscription_from(
    app: &AppIdent,
    document: &Document,
) -> StorageResult<Option<UserSubscription>> {
    let Some(user_id) = UserId::parse(value::text(document, "user_id")?) else {
        return Ok(None);
    };
    let created = value::time(document, "created", "created_us")?;
    Ok(Some(UserSubscription {
        id: value::unsigned(document, "id")?,
        app: app.clone(),
        user_id,
        channel: ChannelName::trusted(value::text(document, "event")?),
        start: value::unsigned(document, "start")?,
        end: None,
        created,
        modified: created,
    }))
}
