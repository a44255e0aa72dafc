//! The registrations of notification targets, in the collections of the original. It may have registered the same target twice:
//! here that is one registration for the delivery, and a removal removes both.

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::archive::{address_field, condition_fields, target_document, target_from};
use super::error::{classify, is_duplicate};
use super::events::{MANY, all};
use super::{MongoStore, value};
use crate::core::auth::derived_mid;
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, ChannelName, NewTarget, NotificationTarget, Secret, TargetFilter, TargetKind,
    Timestamp,
};
use crate::core::ports::TargetStore;
use crate::outbound::storage::StorageResult;

#[async_trait]
impl TargetStore for MongoStore {
    async fn register(
        &self,
        app: &AppIdent,
        target: &NewTarget,
        only: bool,
        now: Timestamp,
    ) -> Result<(NotificationTarget, bool), StorageError> {
        let (store, app, target) = (self.clone(), app.clone(), target.clone());
        self.run_to_completion(async move { store.register_target(&app, target, only, now).await })
            .await
    }

    async fn list_targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        filter: &TargetFilter,
        after: u64,
        limit: usize,
    ) -> Result<Vec<NotificationTarget>, StorageError> {
        // MongoDB takes a limit of 0 as no limit.
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.with_timeout(async {
            let mut wanted = filter_of(app, kind, filter);
            wanted.insert("id", doc! { "$gt": value::signed(after) });
            self.read_targets(kind, wanted, limit).await
        })
        .await
    }

    async fn remove_target(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        address: &str,
        channel: Option<&ChannelName>,
    ) -> Result<Vec<NotificationTarget>, StorageError> {
        let filter = TargetFilter {
            address: Some(Secret::new(address)),
            channel: channel.cloned(),
        };
        let (store, wanted) = (self.clone(), filter_of(app, kind, &filter));
        self.run_to_completion(async move { store.remove_targets(kind, wanted).await })
            .await
    }

    async fn with_targets(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> Result<Vec<ChannelName>, StorageError> {
        self.with_timeout(async {
            let mut found = Vec::new();
            for channels in channels.chunks(MANY) {
                for targets in self.collections.targets() {
                    let names: Vec<&str> = channels.iter().map(ChannelName::as_str).collect();
                    let wanted = doc! { "instance": app.as_str(), "event": { "$in": names } };
                    let names = targets.distinct("event", wanted).await.map_err(classify)?;
                    found.extend(
                        names
                            .iter()
                            .filter_map(Bson::as_str)
                            .map(ChannelName::trusted),
                    );
                }
            }
            let has_targets = |channel: &&ChannelName| found.contains(channel);
            Ok(channels.iter().filter(has_targets).cloned().collect())
        })
        .await
    }

    async fn has_targets(&self, app: &AppIdent) -> Result<bool, StorageError> {
        self.with_timeout(async {
            for targets in self.collections.targets() {
                let any = targets
                    .find_one(doc! { "instance": app.as_str() })
                    .projection(doc! { "_id": 1 });
                if any.await.map_err(classify)?.is_some() {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
    }

    async fn count_targets(&self, kind: TargetKind) -> Result<u64, StorageError> {
        self.with_timeout(async {
            let targets = self.collections.targets_of(kind);
            targets.estimated_document_count().await.map_err(classify)
        })
        .await
    }
}

/// The query of registrations.
fn filter_of(app: &AppIdent, kind: TargetKind, filter: &TargetFilter) -> Document {
    let mut wanted = doc! { "instance": app.as_str() };
    if let Some(channel) = &filter.channel {
        wanted.insert("event", channel.as_str());
    }
    if let Some(address) = &filter.address {
        wanted.insert(address_field(kind), address.expose());
    }
    wanted
}

/// The query of the registrations that a new one takes the place of.
fn replaced_by(app: &AppIdent, target: &NewTarget) -> Option<Document> {
    if target.kind != TargetKind::WebPush {
        return None;
    }
    let endpoint = target.address.expose();
    let p256dh = target.p256dh.as_ref().map(Secret::expose);
    let auth = target.auth.as_ref().map(Secret::expose);
    let of_key = doc! { "p256dh": p256dh, "endpoint": { "$ne": endpoint } };
    let keys = [
        doc! { "p256dh": { "$ne": p256dh } },
        doc! { "auth": { "$ne": auth } },
    ];
    let of_endpoint = doc! { "endpoint": endpoint, "$or": keys.to_vec() };
    Some(doc! { "instance": app.as_str(), "$or": [of_key, of_endpoint] })
}

impl MongoStore {
    async fn read_targets(
        &self,
        kind: TargetKind,
        wanted: Document,
        limit: usize,
    ) -> StorageResult<Vec<NotificationTarget>> {
        let targets = self.collections.targets_of(kind);
        let found = targets.find(wanted).sort(doc! { "id": 1 });
        let found = all(found.limit(value::signed(limit))).await?;
        // The original checks no member of what it stores.
        let read = found.iter().filter_map(|one| target_from(kind, one).ok());
        Ok(read.collect())
    }

    async fn register_target(
        &self,
        app: &AppIdent,
        target: NewTarget,
        only: bool,
        now: Timestamp,
    ) -> StorageResult<(NotificationTarget, bool)> {
        let app_id = self.app_id(app).await?.ok_or(StorageError::NotFound)?;
        let kind = target.kind;
        let same = TargetFilter {
            address: Some(target.address.clone()),
            channel: Some(target.channel.clone()),
        };
        if only {
            let mut others = filter_of(app, kind, &same);
            others.insert("event", doc! { "$ne": target.channel.as_str() });
            self.remove_targets(kind, others).await?;
        }
        if let Some(replaced) = replaced_by(app, &target) {
            self.remove_targets(kind, replaced).await?;
        }
        // The `_id` makes it unique among concurrent callers; those of the original are found before.
        let name = derived_mid(&[target.channel.as_str(), target.address.expose()]);
        let id = format!("{app_id}/{name}");
        loop {
            let wanted = filter_of(app, kind, &same);
            let targets = self.collections.targets_of(kind);
            if let Some(found) = self.read_targets(kind, wanted.clone(), 1).await?.pop() {
                if (&found.away, found.digest) == (&target.away, target.digest) {
                    return Ok((found, false));
                }
                let change = doc! { "$set": condition_fields(&target.away, target.digest) };
                targets
                    .update_many(wanted, change)
                    .await
                    .map_err(classify)?;
                return Ok((target.registered(found.id, found.created), false));
            }
            let number = self.collections.allocate_id(&targets).await?;
            let new = target.clone().registered(number, now);
            let mut document = target_document(app, app_id, &new);
            document.insert("_id", &id);
            match targets.insert_one(document).await {
                Err(error) if is_duplicate(&error) => {}
                inserted => {
                    inserted.map_err(classify)?;
                    return Ok((new, true));
                }
            }
        }
    }

    async fn remove_targets(
        &self,
        kind: TargetKind,
        wanted: Document,
    ) -> StorageResult<Vec<NotificationTarget>> {
        let targets = self.collections.targets_of(kind);
        let mut removed = Vec::new();
        loop {
            let found = targets.find(wanted.clone()).sort(doc! { "id": 1 });
            let found = all(found.limit(value::signed(MANY))).await?;
            if found.is_empty() {
                return Ok(removed);
            }
            let ids: Vec<Bson> = found
                .iter()
                .filter_map(|one| one.get("_id").cloned())
                .collect();
            targets
                .delete_many(doc! { "_id": { "$in": ids } })
                .await
                .map_err(classify)?;
            removed.extend(found.iter().filter_map(|one| target_from(kind, one).ok()));
        }
    }
}
