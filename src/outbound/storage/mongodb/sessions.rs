//! Sessions in MongoDB.

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use mongodb::bson::{Document, doc};

use super::fault::classify;
use super::{MongoStore, Outcome, value};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Session, Timestamp, TokenHash};
use crate::core::ports::SessionStore;

#[async_trait]
impl SessionStore for MongoStore {
    async fn put(&self, session: &Session) -> Result<(), StorageError> {
        let (store, session) = (self.clone(), session.clone());
        self.to_the_end(async move {
            let app = store.app_number(&session.app).await?.ok_or(StorageError::NotFound)?;
            let document =
                doc! { "_id": name(&session.hash), "instance": session.app.as_str(), "app": app, "expires": session.expires.micros() };
            let put = store.collections.sessions.replace_one(doc! { "_id": name(&session.hash) }, document).upsert(true);
            put.await.map(drop).map_err(classify)
        })
        .await
    }

    async fn get(&self, hash: &TokenHash) -> Result<Option<Session>, StorageError> {
        self.in_time(async {
            let found = self
                .collections
                .sessions
                .find_one(doc! { "_id": name(hash) })
                .await
                .map_err(classify)?;
            let Some(document) = found else {
                return Ok(None);
            };
            let session = session_of(*hash, &document)?;
            // A session of an app that was deleted is none of the next one with its ident.
            let app = self.app_number(&session.app).await?;
            Ok((app == Some(value::int(&document, "app")?)).then_some(session))
        })
        .await
    }

    async fn end(&self, hash: &TokenHash) -> Result<(), StorageError> {
        let (sessions, session) = (
            self.collections.sessions.clone(),
            doc! { "_id": name(hash) },
        );
        self.to_the_end(async move {
            sessions
                .delete_one(session)
                .await
                .map(drop)
                .map_err(classify)
        })
        .await
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError> {
        let sessions = self.collections.sessions.clone();
        let expired = doc! { "expires": { "$lt": now.micros() } };
        self.to_the_end(async move {
            sessions
                .delete_many(expired)
                .await
                .map(|done| done.deleted_count)
                .map_err(classify)
        })
        .await
    }
}

fn name(hash: &TokenHash) -> String {
    HEXLOWER.encode(&hash.0)
}

fn session_of(hash: TokenHash, document: &Document) -> Outcome<Session> {
    let app = AppIdent::trusted(value::text(document, "instance")?);
    Ok(Session {
        hash,
        app,
        expires: Timestamp::from_micros(value::int(document, "expires")?),
    })
}
