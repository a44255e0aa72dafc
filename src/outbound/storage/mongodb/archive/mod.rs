//! Export and import of all data of an app.

mod subscriptions;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::events::{MANY, all};
use super::{MongoStore, cache, value};
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, Away, CachedEvent, ChannelName, DigestWindow, Event, NotificationTarget, Secret,
    SubscriptionInterval, TargetKind, UserId, UserSubscription,
};
use crate::core::ports::{Archive, ReadLimit};
use crate::outbound::storage::StorageResult;

/// Documents per query when distinct names are collected. Larger than 1, so that names with few documents do not need a
/// query each.
pub(super) const SCAN_BATCH: i64 = 100;

#[async_trait]
impl Archive for MongoStore {
    async fn channels(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<(ChannelName, u64)>, StorageError> {
        self.with_timeout(self.channels_after(app, after, limit))
            .await
    }

    async fn events(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Event>, StorageError> {
        let filter = doc! { "instance": app.as_str(), "id": { "$gt": value::signed(after) } };
        self.with_timeout(self.read_events(app, filter, doc! { "id": 1 }, ReadLimit::events(limit)))
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
        self.run_to_completion(async move { store.import_events(&app, &heads, &events).await })
            .await
    }

    async fn intervals(
        &self,
        app: &AppIdent,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<SubscriptionInterval>, StorageError> {
        self.with_timeout(self.ended_intervals(app, after, limit))
            .await
    }

    async fn put_subscriptions(
        &self,
        app: &AppIdent,
        open: &[UserSubscription],
        ended: &[SubscriptionInterval],
    ) -> Result<(), StorageError> {
        let (store, app, open, ended) = (self.clone(), app.clone(), open.to_vec(), ended.to_vec());
        self.run_to_completion(async move { store.import_subscriptions(&app, &open, &ended).await })
            .await
    }

    async fn cached(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> Result<Vec<CachedEvent>, StorageError> {
        self.with_timeout(async {
            let Some(app_id) = self.app_id(app).await? else {
                return Ok(Vec::new());
            };
            // MongoDB takes a limit of 0 as no limit.
            let limit = value::signed(limit.clamp(1, MANY));
            let found = self
                .collections
                .cache
                .find(channels_filter(app_id, after))
                .sort(doc! { "_id": 1 })
                .limit(limit);
            let cached = |document: &Document| {
                let (_, name) = value::text(document, "_id")?
                    .split_once('/')
                    .unwrap_or_default();
                cache::cached_from(app, &ChannelName::trusted(name), document)
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
        let filter = doc! { "instance": app.as_str(), "id": { "$gt": value::signed(after) } };
        let limit = value::signed(limit.clamp(1, MANY));
        self.with_timeout(async {
            let targets = self.collections.targets_of(kind);
            let found = targets.find(filter).sort(doc! { "id": 1 }).limit(limit);
            all(found)
                .await?
                .iter()
                .map(|document| target_from(kind, document))
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
        self.run_to_completion(async move {
            let app_id = store.app_id(&app).await?.ok_or(StorageError::NotFound)?;
            for (kind, _) in TargetKind::NAMES {
                let of_kind: Vec<&NotificationTarget> = targets
                    .iter()
                    .filter(|target| target.kind == kind)
                    .collect();
                let Some(newest) = of_kind.iter().map(|target| target.id).max() else {
                    continue;
                };
                let collection = store.collections.targets_of(kind);
                let inserts = of_kind
                    .iter()
                    .map(|target| insert_if_absent(target_document(&app, app_id, target)));
                store
                    .collections
                    .bulk_update(&collection, inserts.collect())
                    .await?;
                store
                    .collections
                    .advance_ids(&collection, value::signed(newest))
                    .await?;
            }
            Ok(())
        })
        .await
    }
}

impl MongoStore {
    /// Reads channels with a recorded head, and channels of the original that have only events.
    async fn channels_after(
        &self,
        app: &AppIdent,
        after: Option<&ChannelName>,
        limit: usize,
    ) -> StorageResult<Vec<(ChannelName, u64)>> {
        let Some(app_id) = self.app_id(app).await? else {
            return Ok(Vec::new());
        };
        let limit = limit.clamp(1, MANY);
        let heads = self
            .collections
            .heads
            .find(channels_filter(app_id, after))
            .sort(doc! { "_id": 1 })
            .limit(value::signed(limit));
        let mut names: Vec<ChannelName> = all(heads.projection(doc! { "channel": 1 }))
            .await?
            .iter()
            .map(|head| value::text(head, "channel").map(ChannelName::trusted))
            .collect::<StorageResult<_>>()?;
        let mut last = after.map_or(String::new(), |after| after.as_str().to_owned());
        let mut of_events = BTreeSet::new();
        while of_events.len() < limit {
            let filter = doc! { "instance": app.as_str(), "channel": { "$gt": &last } };
            let found = self
                .collections
                .events
                .find(filter)
                .sort(doc! { "channel": 1, "serial": 1 })
                .limit(SCAN_BATCH);
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
        let heads = self.read_heads(app, app_id, &names).await?;
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

/// The filter of documents with the `_id` `<app>/<channel>`, for channels after `after`.
fn channels_filter(app_id: i64, after: Option<&ChannelName>) -> Document {
    let after = after.map_or("", ChannelName::as_str);
    // `0` follows `/` in ASCII, so it ends the range of the app.
    doc! { "_id": { "$gt": format!("{app_id}/{after}"), "$lt": format!("{app_id}0") } }
}

/// The update that inserts a document unless its `_id` exists.
pub(super) fn insert_if_absent(mut document: Document) -> Document {
    let id = document.remove("_id").unwrap_or(Bson::Null);
    doc! { "q": { "_id": id }, "u": { "$setOnInsert": document }, "upsert": true }
}

/// The field that contains the address.
pub(super) fn address_field(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Web => "url",
        TargetKind::WebPush => "endpoint",
        TargetKind::Apn => "token",
        TargetKind::Smtp => "email",
    }
}

pub(super) fn target_from(
    kind: TargetKind,
    document: &Document,
) -> StorageResult<NotificationTarget> {
    let secret = |member| Ok(value::maybe_text(document, member)?.map(Secret::new));
    Ok(NotificationTarget {
        kind,
        id: value::unsigned(document, "id")?,
        channel: ChannelName::trusted(value::text(document, "event")?),
        address: Secret::new(value::text(document, address_field(kind))?),
        p256dh: secret("p256dh")?,
        auth: secret("auth")?,
        away: away_from(document)?,
        digest: digest_from(document)?,
        created: value::time(document, "created", "created_us")?,
    })
}

fn away_from(document: &Document) -> StorageResult<Option<Away>> {
    let Some(seconds) = value::maybe_int(document, "delay")? else {
        return Ok(None);
    };
    let delay = Duration::from_secs(u64::try_from(seconds).map_err(StorageError::corrupt)?);
    let user = value::maybe_text(document, "user_id")?;
    let user = user.and_then(UserId::parse);
    Ok(Some(Away { delay, user }))
}

fn digest_from(document: &Document) -> StorageResult<Option<DigestWindow>> {
    let seconds = value::maybe_int(document, "digest")?;
    Ok(seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .and_then(DigestWindow::of_seconds))
}

/// The fields that say when a target is notified.
pub(super) fn condition_fields(away: &Option<Away>, digest: Option<DigestWindow>) -> Document {
    let delay = away
        .as_ref()
        .map(|away| value::signed(away.delay.as_secs()));
    let user = away.as_ref().and_then(|away| away.user.as_ref());
    doc! {
        "delay": delay.map_or(Bson::Null, Bson::from),
        "user_id": user.map_or(Bson::Null, |user| user.as_str().into()),
        "digest": digest.map_or(Bson::Null, |digest| value::signed(digest.seconds()).into()),
    }
}

pub(super) fn target_document(
    app: &AppIdent,
    app_id: i64,
    target: &NotificationTarget,
) -> Document {
    let seconds = value::seconds(target.created);
    let mut document = doc! {
        "_id": format!("{app_id}/{}", target.id),
        "instance": app.as_str(),
        "app": app_id,
        "id": value::signed(target.id),
        "event": target.channel.as_str(),
        address_field(target.kind): target.address.expose(),
        "created": seconds,
        "created_us": target.created.micros(),
        "modified": seconds,
        "enabled": true,
        "description": Bson::Null,
        "meta": {},
    };
    if target.away.is_some() || target.digest.is_some() {
        document.extend(condition_fields(&target.away, target.digest));
    }
    for (member, secret) in [("p256dh", &target.p256dh), ("auth", &target.auth)] {
        if let Some(secret) = secret {
            document.insert(member, secret.expose());
        }
    }
    document
}
