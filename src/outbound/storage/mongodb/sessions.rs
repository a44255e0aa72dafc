//! Sessions.

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use mongodb::bson::{Document, doc};

use super::error::{classify, upsert};
use super::{MongoStore, value};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Session, Timestamp, TokenHash};
use crate::core::ports::SessionStore;
use crate::outbound::storage::{StorageResult, credential_from_hex};

#[async_trait]
impl SessionStore for MongoStore {
    async fn put(&self, session: &Session) -> Result<(), StorageError> {
        let (store, session) = (self.clone(), session.clone());
        self.run_to_completion(async move {
            let app = store.app_id(&session.app).await?.ok_or(StorageError::NotFound)?;
            let document = doc! {
                "_id": document_id(&session.hash), "instance": session.app.as_str(), "app": app,
                "credential": HEXLOWER.encode(&session.credential.0), "expires": session.expires.micros(),
            };
            upsert(|| {
                let id = doc! { "_id": document_id(&session.hash) };
                let put = store.collections.sessions.replace_one(id, &document);
                put.upsert(true)
            })
            .await
            .map(drop)
        })
        .await
    }

    async fn get(&self, hash: &TokenHash) -> Result<Option<Session>, StorageError> {
        self.with_timeout(async {
            let found = self
                .collections
                .sessions
                .find_one(doc! { "_id": document_id(hash) })
                .await
                .map_err(classify)?;
            let Some(document) = found else {
                return Ok(None);
            };
            let Some(session) = session_from(*hash, &document)? else {
                return Ok(None);
            };
            // A session of a deleted app is not valid for a new app with the same ident.
            let app = self.app_id(&session.app).await?;
            Ok((app == Some(value::int(&document, "app")?)).then_some(session))
        })
        .await
    }

    async fn end(&self, hash: &TokenHash) -> Result<(), StorageError> {
        let (sessions, session) = (
            self.collections.sessions.clone(),
            doc! { "_id": document_id(hash) },
        );
        self.run_to_completion(async move {
            sessions
                .delete_one(session)
                .await
                .map(drop)
                .map_err(classify)
        })
        .await
    }

    async fn end_all(&self, app: &AppIdent) -> Result<(), StorageError> {
        let (sessions, of_app) = (
            self.collections.sessions.clone(),
            doc! { "instance": app.as_str() },
        );
        self.run_to_completion(async move {
            sessions
                .delete_many(of_app)
                .await
                .map(drop)
                .map_err(classify)
        })
        .await
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError> {
        let sessions = self.collections.sessions.clone();
        let expired = doc! { "expires": { "$lt": now.micros() } };
        self.run_to_completion(async move {
            sessions
                .delete_many(expired)
                .await
                .map(|done| done.deleted_count)
                .map_err(classify)
        })
        .await
    }
}

fn document_id(hash: &TokenHash) -> String {
    HEXLOWER.encode(&hash.0)
}

/// `None`: it was stored before sessions had a `credential`.
fn session_from(hash: TokenHash, document: &Document) -> StorageResult<Option<Session>> {
    let Some(credential) = value::maybe_text(document, "credential")? else {
        return Ok(None);
    };
    Ok(Some(Session {
        hash,
        app: AppIdent::trusted(value::text(document, "instance")?),
        credential: credential_from_hex(credential)?,
        expires: Timestamp::from_micros(value::int(document, "expires")?),
    }))
}
