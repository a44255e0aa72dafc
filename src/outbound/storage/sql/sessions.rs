//! Sessions.

use async_trait::async_trait;
use data_encoding::HEXLOWER;

use super::SqlStore;
use super::driver::{Driver, SqlConnection};
use super::value::{Arg, SqlRow};
use crate::core::error::StorageError;
use crate::core::model::{AppIdent, Session, Timestamp, TokenHash};
use crate::core::ports::SessionStore;
use crate::outbound::storage::credential_from_hex;

const PUT: &str = "INSERT INTO sessions (hash, app, expires, credential) SELECT $1, id, $3, $4 FROM apps WHERE ident = $2 \
    ON CONFLICT (hash) DO UPDATE SET app = excluded.app, expires = excluded.expires, credential = excluded.credential";
pub(super) const GET: &str = "SELECT a.ident, s.expires, s.credential FROM sessions s JOIN apps a ON a.id = s.app WHERE s.hash = $1";
pub(super) const END: &str = "DELETE FROM sessions WHERE hash = $1";
pub(super) const END_ALL: &str =
    "DELETE FROM sessions WHERE app = (SELECT id FROM apps WHERE ident = $1)";
pub(super) const PRUNE: &str = "DELETE FROM sessions WHERE expires < $1";

#[async_trait]
impl<D: Driver> SessionStore for SqlStore<D> {
    async fn put(&self, session: &Session) -> Result<(), StorageError> {
        let session = session.clone();
        let stored = self.driver.write(move |connection| {
            Box::pin(async move {
                let credential = HEXLOWER.encode(&session.credential.0);
                let args = [
                    Arg::Bytes(&session.hash.0),
                    Arg::Text(session.app.as_str()),
                    Arg::Int(session.expires.micros()),
                    Arg::Text(&credential),
                ];
                connection.execute(PUT, &args).await
            })
        });
        if stored.await? == 0 {
            Err(StorageError::NotFound)
        } else {
            Ok(())
        }
    }

    async fn get(&self, hash: &TokenHash) -> Result<Option<Session>, StorageError> {
        let hash = *hash;
        let row = self.driver.read(move |connection| {
            Box::pin(async move { connection.row(GET, &[Arg::Bytes(&hash.0)]).await })
        });
        let Some(row) = row.await? else {
            return Ok(None);
        };
        let Some(credential) = row.maybe_text(2)? else {
            return Ok(None);
        };
        Ok(Some(Session {
            hash,
            app: AppIdent::trusted(&row.text(0)?),
            credential: credential_from_hex(&credential)?,
            expires: Timestamp::from_micros(row.int(1)?),
        }))
    }

    async fn end(&self, hash: &TokenHash) -> Result<(), StorageError> {
        let hash = *hash;
        let ended = self.driver.write(move |connection| {
            Box::pin(async move { connection.execute(END, &[Arg::Bytes(&hash.0)]).await })
        });
        ended.await.map(drop)
    }

    async fn end_all(&self, app: &AppIdent) -> Result<(), StorageError> {
        let app = app.clone();
        let ended = self.driver.write(move |connection| {
            Box::pin(async move {
                connection
                    .execute(END_ALL, &[Arg::Text(app.as_str())])
                    .await
            })
        });
        ended.await.map(drop)
    }

    async fn prune(&self, now: Timestamp) -> Result<u64, StorageError> {
        let now = now.micros();
        self.driver
            .write(move |connection| {
                Box::pin(async move { connection.execute(PRUNE, &[Arg::Int(now)]).await })
            })
            .await
    }
}
