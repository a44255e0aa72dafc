//! Deletion of apps. The data of a deleted app is removed after it, as recorded in a removal document, which any node resumes
//! after a crash. Our documents contain the app's id, which is never reused; the original's do not.

use futures_util::future::try_join_all;
use mongodb::bson::{Bson, Document, doc};

use super::error::{classify, upsert};
use super::events::{all, claim_instance};
use super::unique::{IDENT, KEY};
use super::{MongoStore, value};
use crate::core::error::StorageError;
use crate::core::model::AppIdent;
use crate::outbound::storage::StorageResult;

impl MongoStore {
    pub(super) async fn delete_app(&self, ident: &AppIdent) -> StorageResult<()> {
        let found = self
            .collections
            .apps
            .find_one(doc! { "ident": ident.as_str() })
            .await
            .map_err(classify)?;
        let app = found.ok_or(StorageError::NotFound)?;
        let app_id = value::int(&app, "id")?;
        let removal = doc! { "_id": removal_id(app_id) };
        let record = doc! { "$set": { "ident": ident.as_str(), "app": app_id } };
        upsert(|| {
            let state = &self.collections.state;
            let kept = state.update_one(removal.clone(), record.clone());
            kept.upsert(true)
        })
        .await?;
        let deleted = self
            .collections
            .apps
            .delete_one(doc! { "ident": ident.as_str(), "id": app_id })
            .await
            .map_err(classify)?;
        if deleted.deleted_count == 0 {
            return Err(StorageError::NotFound);
        }
        // The ident is released last, because then the app can be created again.
        self.release_unique(KEY, value::text(&app, "key")?, ident)
            .await?;
        self.release_unique(IDENT, ident.as_str(), ident).await?;
        self.bump_revision().await?;
        // The removal of a large app outlasts the call, and continues in the background.
        let removing = self.start_cleanup();
        let _ = tokio::time::timeout(self.timeout / 2, removing).await;
        Ok(())
    }

    /// Starts the cleanup of all deleted apps in the background. If the store fails, the next start or deletion resumes it.
    pub(super) fn start_cleanup(&self) -> tokio::task::JoinHandle<()> {
        let store = self.clone();
        tokio::spawn(async move {
            if let Err(error) = store.finish_matching(doc! { "app": { "$gt": 0 } }).await {
                tracing::warn!(error = error.chain(), "cleanup of deleted apps interrupted");
            }
        })
    }

    /// Completes the removal of deleted apps with this ident.
    pub(super) async fn finish_removals(&self, ident: &AppIdent) -> StorageResult<()> {
        self.finish_matching(doc! { "ident": ident.as_str() }).await
    }

    async fn finish_matching(&self, filter: Document) -> StorageResult<()> {
        for removal in all(self.collections.state.find(filter)).await? {
            let app_id = value::int(&removal, "app")?;
            // If the deletion was interrupted, the app still exists.
            let app = doc! { "ident": value::text(&removal, "ident")?, "id": app_id };
            if self
                .collections
                .apps
                .find_one(app)
                .await
                .map_err(classify)?
                .is_none()
            {
                self.remove_app_data(
                    &AppIdent::trusted(value::text(&removal, "ident")?),
                    Some(app_id),
                )
                .await?;
            }
            self.collections
                .state
                .delete_one(doc! { "_id": removal_id(app_id) })
                .await
                .map_err(classify)?;
        }
        Ok(())
    }

    /// Removes all data of the app with this ident and id, or of all apps with the ident.
    pub(super) async fn remove_app_data(
        &self,
        ident: &AppIdent,
        app_id: Option<i64>,
    ) -> StorageResult<()> {
        let of = |instance: String| match app_id {
            Some(app_id) => {
                doc! { "instance": instance, "app": { "$in": [Bson::Int64(app_id), Bson::Null] } }
            }
            None => doc! { "instance": instance },
        };
        let (own, claims) = (
            of(ident.to_string()),
            doc! { "instance": claim_instance(ident.as_str()) },
        );
        let collections = &self.collections;
        // Before another app can have the ident, whose events would get the serials that a writer has cached.
        collections.count_removal().await?;
        // First, because an append is valid where it finds its head afterwards.
        let heads = collections.heads.delete_many(own.clone());
        heads.await.map_err(classify)?;
        let known = [
            &collections.events,
            &collections.subscriptions,
            &collections.associations,
        ];
        let further = [
            &collections.intervals,
            &collections.sessions,
            &collections.cache,
        ];
        let outbox = [
            &collections.queues,
            &collections.notices,
            &collections.marks,
            &collections.deliveries,
        ];
        let targets = collections.targets();
        let deletions = known
            .into_iter()
            .chain(further)
            .chain(outbox)
            .chain(&targets)
            .map(|collection| (collection, own.clone()));
        try_join_all(deletions.chain([(&collections.events, claims)]).map(
            |(collection, what)| async move {
                collection
                    .delete_many(what)
                    .await
                    .map(drop)
                    .map_err(classify)
            },
        ))
        .await
        .map(drop)
    }
}

fn removal_id(app_id: i64) -> String {
    format!("removal/{app_id}")
}
