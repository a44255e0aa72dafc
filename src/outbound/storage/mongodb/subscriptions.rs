//! Persistent subscriptions in MongoDB: a document of the original's kind while they are open, with a `start`; an interval
//! of serials once they have ended. What ends has an `ending` in place of its `start`: from then on it counts as ended,
//! and whoever comes across it goes on.

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::events::all;
use super::fault::{classify, is_duplicate};
use super::value::{self, seconds};
use super::{MongoStore, Outcome};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, SubscriptionFilter, Timestamp, UserId, UserSubscription,
};
use crate::core::ports::SubscriptionStore;

/// Which subscription is meant.
#[derive(Clone)]
struct Place {
    app: AppIdent,
    user: UserId,
    channel: ChannelName,
}

/// What is there of it.
enum Found {
    Nothing,
    Open(Document),
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
        let place = Place {
            app: app.clone(),
            user: user.clone(),
            channel: channel.clone(),
        };
        let store = self.clone();
        self.to_the_end(async move { store.subscribe(&place, now).await })
            .await
    }

    async fn remove(
        &self,
        app: &AppIdent,
        user: &UserId,
        channel: &ChannelName,
        now: Timestamp,
    ) -> Result<Option<UserSubscription>, StorageError> {
        let place = Place {
            app: app.clone(),
            user: user.clone(),
            channel: channel.clone(),
        };
        let store = self.clone();
        self.to_the_end(async move { store.unsubscribe(&place, now).await })
            .await
    }

    async fn list(
        &self,
        app: &AppIdent,
        filter: &SubscriptionFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<UserSubscription>, StorageError> {
        // MongoDB reads a limit of 0 as none.
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut wanted = doc! { "instance": app.as_str() };
        wanted.extend(
            filter
                .user_id
                .as_ref()
                .map(|user| ("user_id".to_owned(), Bson::from(user.as_str()))),
        );
        wanted.extend(
            filter
                .channel
                .as_ref()
                .map(|channel| ("event".to_owned(), Bson::from(channel.as_str()))),
        );
        self.in_time(async {
            self.adopt(wanted.clone()).await?;
            wanted.extend(doc! { "start": { "$gte": 0 }, "id": { "$gt": value::signed(after) } });
            let found = self
                .collections
                .subscriptions
                .find(wanted)
                .sort(doc! { "id": 1 })
                .limit(value::signed(limit));
            let found = all(found).await?;
            found
                .iter()
                .filter_map(|document| subscription_of(app, document).transpose())
                .collect()
        })
        .await
    }

    async fn channels_of(
        &self,
        app: &AppIdent,
        user: &UserId,
    ) -> Result<Vec<ChannelName>, StorageError> {
        let mut wanted = doc! { "instance": app.as_str(), "user_id": user.as_str() };
        self.in_time(async {
            self.adopt(wanted.clone()).await?;
            wanted.insert("start", doc! { "$gte": 0 });
            let found = self
                .collections
                .subscriptions
                .find(wanted)
                .sort(doc! { "id": 1 })
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
    async fn subscribe(&self, place: &Place, now: Timestamp) -> Outcome<(UserSubscription, bool)> {
        let number = self
            .app_number(&place.app)
            .await?
            .ok_or(StorageError::NotFound)?;
        loop {
            if let Found::Open(there) = self.look_up(place).await? {
                return Ok((place.subscription(&there)?, false));
            }
            let start = self.head_of(place, number).await?;
            let new = UserSubscription {
                id: self
                    .collections
                    .take_id(&self.collections.subscriptions)
                    .await?,
                app: place.app.clone(),
                user_id: place.user.clone(),
                channel: place.channel.clone(),
                start: u64::try_from(start).map_err(StorageError::corrupt)?,
                end: None,
                created: now,
                modified: now,
            };
            match self
                .collections
                .subscriptions
                .insert_one(document_of(number, &new))
                .await
            {
                Err(error) if is_duplicate(&error) => continue,
                inserted => drop(inserted.map_err(classify)?),
            }
            if self.app_number(&place.app).await? == Some(number) {
                return Ok((new, true));
            }
            // The app was deleted meanwhile.
            let stray = doc! { "instance": place.app.as_str(), "id": value::signed(new.id) };
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
        place: &Place,
        now: Timestamp,
    ) -> Outcome<Option<UserSubscription>> {
        let Some(number) = self.app_number(&place.app).await? else {
            return Ok(None);
        };
        while let Found::Open(there) = self.look_up(place).await? {
            let end = self.head_of(place, number).await?;
            let (id, start) = (value::int(&there, "id")?, value::int(&there, "start")?);
            let open = doc! { "instance": place.app.as_str(), "id": id, "start": start };
            let ended = doc! { "$set": { "began": start, "ending": end, "app": number }, "$unset": { "start": "" } };
            // Of several, one changes it.
            let changed = self
                .collections
                .subscriptions
                .update_one(open, ended)
                .await
                .map_err(classify)?;
            if changed.matched_count == 0 {
                continue;
            }
            let mut ending = there.clone();
            ending.extend(doc! { "began": start, "ending": end, "app": number });
            self.finish_ending(place, &ending).await?;
            let end = Some(u64::try_from(end).map_err(StorageError::corrupt)?);
            return Ok(Some(UserSubscription {
                end,
                modified: now,
                ..place.subscription(&there)?
            }));
        }
        Ok(None)
    }

    /// What is there of a subscription, after whatever was begun has come to its end.
    async fn look_up(&self, place: &Place) -> Outcome<Found> {
        loop {
            let found = self
                .collections
                .subscriptions
                .find(place.filter())
                .sort(doc! { "id": 1 });
            let found = all(found).await?;
            if let Some(ending) = found
                .iter()
                .find(|document| document.contains_key("ending"))
            {
                self.finish_ending(place, ending).await?;
            } else if let Some(open) = found.iter().find(|document| document.contains_key("start"))
            {
                return Ok(Found::Open(open.clone()));
            } else if found.is_empty() {
                return Ok(Found::Nothing);
            } else if found.iter().all(|document| document.contains_key("double")) {
                // The one that counted is gone, by the original's hand.
                let counts = doc! { "$unset": { "double": "" } };
                self.collections
                    .subscriptions
                    .update_many(place.filter(), counts)
                    .await
                    .map_err(classify)?;
            } else {
                self.adopt(place.filter()).await?;
            }
        }
    }

    /// Brings what was begun to be ended in an app to its end.
    pub(super) async fn finish_endings(&self, app: &AppIdent) -> Outcome<()> {
        let ending =
            doc! { "instance": app.as_str(), "start": Bson::Null, "ending": { "$gte": 0 } };
        for document in all(self.collections.subscriptions.find(ending)).await? {
            // What the original wrote for somebody who can be nobody here does not end here either.
            let Some(user) = UserId::parse(value::text(&document, "user_id")?) else {
                continue;
            };
            let channel = ChannelName::trusted(value::text(&document, "event")?);
            self.finish_ending(
                &Place {
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

    /// Keeps the interval of what ends, and deletes all its documents.
    async fn finish_ending(&self, place: &Place, ending: &Document) -> Outcome<()> {
        let (number, id) = (value::int(ending, "app")?, value::int(ending, "id")?);
        let (start, end) = (value::int(ending, "began")?, value::int(ending, "ending")?);
        if start < end {
            let interval = doc! {
                "instance": place.app.as_str(),
                "app": number,
                "user_id": place.user.as_str(),
                "event": place.channel.as_str(),
                "start": start,
                "end": end,
            };
            let kept = self
                .collections
                .intervals
                .replace_one(doc! { "_id": format!("{number}/{id}") }, interval)
                .upsert(true);
            match kept.await {
                // Somebody else kept it at the same time.
                Err(error) if is_duplicate(&error) => {}
                kept => drop(kept.map_err(classify)?),
            }
        }
        let mut all = place.filter();
        all.insert("start", Bson::Null);
        self.collections
            .subscriptions
            .delete_many(all)
            .await
            .map(drop)
            .map_err(classify)
    }

    async fn head_of(&self, place: &Place, number: i64) -> Outcome<i64> {
        let heads = self
            .read_heads(&place.app, number, std::slice::from_ref(&place.channel))
            .await?;
        Ok(heads.get(&place.channel).map_or(0, |head| head.serial))
    }
}

impl Place {
    fn filter(&self) -> Document {
        doc! { "instance": self.app.as_str(), "user_id": self.user.as_str(), "event": self.channel.as_str() }
    }

    fn subscription(&self, document: &Document) -> Outcome<UserSubscription> {
        subscription_of(&self.app, document)?
            .ok_or_else(|| StorageError::corrupt("a stored user id is malformed"))
    }
}

/// The document of an open subscription.
pub(super) fn document_of(number: i64, new: &UserSubscription) -> Document {
    let seconds = seconds(new.created);
    doc! {
        "_id": format!("{number}/{}\n{}", new.user_id, new.channel),
        "instance": new.app.as_str(),
        "app": number,
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

/// The open subscription of a document; `None` where its user id, written by the original, can be none here.
fn subscription_of(app: &AppIdent, document: &Document) -> Outcome<Option<UserSubscription>> {
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
