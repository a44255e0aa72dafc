//! Moving, in MongoDB.

use std::collections::BTreeSet;

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::events::{MANY, all};
use super::{MongoStore, Outcome, cache, value};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, CachedEvent, ChannelName, Event, NotificationTarget, Secret, SubscriptionInterval,
    TargetKind, UserId, UserSubscription,
};
use crate::core::ports::Archive;

/// How many documents are read at a time to find the next names among them: names with many are passed over quickly, and
/// those with few do not cost a question each.
pub(super) const AT_ONCE: i64 = 100;

#[async_trait]
impl Archive for MongoStore {
    async fn channels(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<(ChannelName, u64)>, StorageError> {
        self.in_time(self.channels_behind(app, after, limit)).await
    }

    async fn events(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        let behind = doc! { "instance": app.as_str(), "id": { "$gt": value::signed(after) } };
        self.in_time(self.read_events(app, behind, doc! { "id": 1 }, limit))
            .await
    }

    async fn put_events(
        &self,
        app: &AppIdent,
        heads: &[(ChannelName, u64)],
        events: &[Event],
    ) -> Result<(), StorageError> {
        let (store, app, heads, events) =
            (self.clone(), app.clone(), heads.to_vec(), events.to_vec());
        self.to_the_end(async move { store.put_in_place(&app, &heads, &events).await })
            .await
    }

    async fn intervals(
        &self,
        app: &AppIdent,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<SubscriptionInterval>, StorageError> {
        self.in_time(self.former_intervals(app, after, limit)).await
    }

    async fn put_subscriptions(
        &self,
        app: &AppIdent,
        open: &[UserSubscription],
        ended: &[SubscriptionInterval],
    ) -> Result<(), StorageError> {
        let (store, app, open, ended) = (self.clone(), app.clone(), open.to_vec(), ended.to_vec());
        self.to_the_end(async move { store.put_interests(&app, &open, &ended).await })
            .await
    }

    async fn cached(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<CachedEvent>, StorageError> {
        self.in_time(async {
            let Some(number) = self.app_number(app).await? else {
                return Ok(Vec::new());
            };
            // MongoDB reads a limit of 0 as none.
            let limit = value::signed(limit.clamp(1, MANY));
            let found = self
                .collections
                .cache
                .find(behind(number, after))
                .sort(doc! { "_id": 1 })
                .limit(limit);
            let cached = |document: &Document| {
                let (_, name) = value::text(document, "_id")?
                    .split_once('/')
                    .unwrap_or_default();
                cache::cached_of(app, &ChannelName::trusted(name), document)
            };
            all(found).await?.iter().map(cached).collect()
        })
        .await
    }

    async fn targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NotificationTarget>, StorageError> {
        let wanted = doc! { "instance": app.as_str(), "id": { "$gt": value::signed(after) } };
        let limit = value::signed(limit.clamp(1, MANY));
        self.in_time(async {
            let targets = self.collections.targets_of(kind);
            let found = targets.find(wanted).sort(doc! { "id": 1 }).limit(limit);
            all(found)
                .await?
                .iter()
                .map(|document| target_of(kind, document))
                .collect()
        })
        .await
    }

    async fn put_targets(
        &self,
        app: &AppIdent,
        targets: &[NotificationTarget],
    ) -> Result<(), StorageError> {
        let (store, app, targets) = (self.clone(), app.clone(), targets.to_vec());
        self.to_the_end(async move {
            let number = store
                .app_number(&app)
                .await?
                .ok_or(StorageError::NotFound)?;
            for (kind, _) in TargetKind::NAMES {
                let of_kind: Vec<&NotificationTarget> = targets
                    .iter()
                    .filter(|target| target.kind == kind)
                    .collect();
                let Some(newest) = of_kind.iter().map(|target| target.id).max() else {
                    continue;
                };
                let collection = store.collections.targets_of(kind);
                let put = of_kind
                    .iter()
                    .map(|target| insertion(document_of(&app, number, target)));
                store
                    .collections
                    .update_each(&collection, put.collect())
                    .await?;
                store
                    .collections
                    .reach_id(&collection, value::signed(newest))
                    .await?;
            }
            Ok(())
        })
        .await
    }
}

impl MongoStore {
    /// Heads that were written down, and channels with events whose heads were not: the original's.
    async fn channels_behind(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Outcome<Vec<(ChannelName, u64)>> {
        let Some(number) = self.app_number(app).await? else {
            return Ok(Vec::new());
        };
        let limit = limit.clamp(1, MANY);
        let heads = self
            .collections
            .heads
            .find(behind(number, after))
            .sort(doc! { "_id": 1 })
            .limit(value::signed(limit));
        let mut names: Vec<ChannelName> = all(heads.projection(doc! { "channel": 1 }))
            .await?
            .iter()
            .map(|head| value::text(head, "channel").map(ChannelName::trusted))
            .collect::<Outcome<_>>()?;
        let mut last = after.map_or(String::new(), |after| after.as_str().to_owned());
        let mut of_events = BTreeSet::new();
        while of_events.len() < limit {
            let behind = doc! { "instance": app.as_str(), "channel": { "$gt": &last } };
            let found = self
                .collections
                .events
                .find(behind)
                .sort(doc! { "channel": 1, "serial": 1 })
                .limit(AT_ONCE);
            let found = all(found.projection(doc! { "_id": 0, "channel": 1 })).await?;
            let Some(newest) = found.last() else { break };
            last = value::text(newest, "channel")?.to_owned();
            for document in &found {
                of_events.insert(ChannelName::trusted(value::text(document, "channel")?));
            }
        }
        names.extend(of_events);
        names.sort();
        names.dedup();
        names.truncate(limit);
        let heads = self.read_heads(app, number, &names).await?;
        let serial = |name: &ChannelName| {
            u64::try_from(heads.get(name).map_or(0, |head| head.serial))
                .map_err(StorageError::corrupt)
        };
        names
            .into_iter()
            .map(|name| serial(&name).map(|serial| (name, serial)))
            .collect()
    }
}

/// What is kept under `<number>/<channel>`, for channels behind `after`.
fn behind(number: i64, after: Option<&ChannelName>) -> Document {
    let after = after.map_or("", ChannelName::as_str);
    // The character that follows the slash ends what belongs to the app.
    doc! { "_id": { "$gt": format!("{number}/{after}"), "$lt": format!("{number}0") } }
}

/// Puts a document where none has its `_id`.
pub(super) fn insertion(mut document: Document) -> Document {
    let id = document.remove("_id").unwrap_or(Bson::Null);
    doc! { "q": { "_id": id }, "u": { "$setOnInsert": document }, "upsert": true }
}

/// The member of a kind's documents that holds the address.
fn address_of(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Web => "url",
        TargetKind::WebPush => "endpoint",
        TargetKind::Apn => "token",
        TargetKind::Smtp => "email",
    }
}

fn target_of(kind: TargetKind, document: &Document) -> Outcome<NotificationTarget> {
    let secret = |member| Ok(value::maybe_text(document, member)?.map(Secret::new));
    Ok(NotificationTarget {
        kind,
        id: value::unsigned(document, "id")?,
        channel: ChannelName::trusted(value::text(document, "event")?),
        address: Secret::new(value::text(document, address_of(kind))?),
        p256dh: secret("p256dh")?,
        auth: secret("auth")?,
        created: value::time(document, "created", "created_us")?,
    })
}

fn document_of(app: &AppIdent, number: i64, target: &NotificationTarget) -> Document {
    let seconds = value::seconds(target.created);
    let mut document = doc! {
        "_id": format!("{number}/{}", target.id),
        "instance": app.as_str(),
        "app": number,
        "id": value::signed(target.id),
        "event": target.channel.as_str(),
        address_of(target.kind): target.address.expose(),
        "created": seconds,
        "created_us": target.created.micros(),
        "modified": seconds,
        "enabled": true,
        "description": Bson::Null,
        "meta": {},
    };
    for (member, secret) in [("p256dh", &target.p256dh), ("auth", &target.auth)] {
        if let Some(secret) = secret {
            document.insert(member, secret.expose());
        }
    }
    document
}
