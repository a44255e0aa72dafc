//! Deleting apps. What an app leaves behind goes after it, while a document says so: whoever comes across that document
//! goes on. Its documents carry the app's number, which is never given twice; those of the original carry none.

use futures_util::future::try_join_all;
use mongodb::bson::{Bson, Document, doc};

use super::claims::{IDENT, KEY};
use super::events::{all, numbers_of};
use super::fault::classify;
use super::{MongoStore, Outcome, value};
use crate::core::error::StorageError;
use crate::core::model::AppIdent;

impl MongoStore {
    pub(super) async fn delete_app(&self, ident: &AppIdent) -> Outcome<()> {
        let found = self
            .collections
            .apps
            .find_one(doc! { "ident": ident.as_str() })
            .await
            .map_err(classify)?;
        let app = found.ok_or(StorageError::NotFound)?;
        let number = value::int(&app, "id")?;
        let removal = doc! { "_id": removal_id(number) };
        let remember = doc! { "$set": { "ident": ident.as_str(), "app": number } };
        self.collections
            .state
            .update_one(removal, remember)
            .upsert(true)
            .await
            .map_err(classify)?;
        let deleted = self
            .collections
            .apps
            .delete_one(doc! { "ident": ident.as_str(), "id": number })
            .await
            .map_err(classify)?;
        if deleted.deleted_count == 0 {
            return Err(StorageError::NotFound);
        }
        // The ident's comes last: only then can the app be created anew.
        self.unclaim(KEY, value::text(&app, "key")?, ident).await?;
        self.unclaim(IDENT, ident.as_str(), ident).await?;
        self.bump_revision().await?;
        // A large app takes longer than a call may; it goes on by itself.
        let removing = self.sweep();
        let _ = tokio::time::timeout(self.timeout / 2, removing).await;
        Ok(())
    }

    /// Removes what deleted apps left behind, until nothing is left or the store fails: the next start or deletion goes on.
    pub(super) fn sweep(&self) -> tokio::task::JoinHandle<()> {
        let store = self.clone();
        tokio::spawn(async move {
            if let Err(error) = store.remove_all_left(doc! { "app": { "$gt": 0 } }).await {
                tracing::warn!(
                    error = error.chain(),
                    "what a deleted app left is not all removed yet"
                );
            }
        })
    }

    /// Removes what deleted apps with this ident left behind.
    pub(super) async fn finish_removals(&self, ident: &AppIdent) -> Outcome<()> {
        self.remove_all_left(doc! { "ident": ident.as_str() }).await
    }

    async fn remove_all_left(&self, which: Document) -> Outcome<()> {
        for removal in all(self.collections.state.find(which)).await? {
            let number = value::int(&removal, "app")?;
            // Where the deletion stopped early, the app is still there.
            let app = doc! { "ident": value::text(&removal, "ident")?, "id": number };
            if self
                .collections
                .apps
                .find_one(app)
                .await
                .map_err(classify)?
                .is_none()
            {
                self.clear(
                    &AppIdent::trusted(value::text(&removal, "ident")?),
                    Some(number),
                )
                .await?;
            }
            self.collections
                .state
                .delete_one(doc! { "_id": removal_id(number) })
                .await
                .map_err(classify)?;
        }
        Ok(())
    }

    /// Removes everything of the apps with an ident: of the one with this number, or of all.
    pub(super) async fn clear(&self, ident: &AppIdent, number: Option<i64>) -> Outcome<()> {
        let of = |instance: String| match number {
            Some(number) => {
                doc! { "instance": instance, "app": { "$in": [Bson::Int64(number), Bson::Null] } }
            }
            None => doc! { "instance": instance },
        };
        let (own, claims) = (
            of(ident.to_string()),
            doc! { "instance": numbers_of(ident.as_str()) },
        );
        let collections = &self.collections;
        let known = [
            &collections.events,
            &collections.subscriptions,
            &collections.associations,
            &collections.heads,
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

fn removal_id(number: i64) -> String {
    format!("removal/{number}")
}
