//! Apps.

use async_trait::async_trait;

use super::SqlStore;
use super::driver::{Driver, SqlConnection};
use super::value::{Arg, SqlRow, signed, unsigned};
use crate::core::error::StorageError;
use crate::core::model::{App, AppIdent, Secret, Timestamp};
use crate::core::ports::{AppStore, CreateApp};
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::settings::{
    push_from_text, push_to_text, settings_from_text, settings_to_text,
};

macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT id, ident, public_key, name, description, secret, previous_secret, push, settings, created, modified FROM apps ",
            $condition
        )
    };
}

pub(super) const BY_IDENT: &str = select!("WHERE ident = $1");
pub(super) const BY_KEY: &str = select!("WHERE public_key = $1");
pub(super) const LIST: &str = select!("WHERE id > $1 ORDER BY id LIMIT $2");
const COUNT: &str = "SELECT count(*) FROM apps";
/// Writes what is there, to find out whether the database takes writes.
pub(super) const REWRITE: &str = "UPDATE revision SET value = ~value";
pub(super) const REVISION: &str = "SELECT value FROM revision";

const CREATE: &str = "INSERT INTO apps (ident, public_key, name, description, secret, push, settings, created, modified) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT DO NOTHING RETURNING id";
const UPDATE: &str = "UPDATE apps SET public_key = $2, name = $3, description = $4, secret = $5, previous_secret = $6, push = $7, \
    settings = $8, modified = $9 WHERE ident = $1 AND modified = $10";
pub(super) const IDENT_TAKEN: &str = "SELECT id FROM apps WHERE ident = $1";
pub(super) const KEY_TAKEN: &str = "SELECT id FROM apps WHERE public_key = $1 AND ident <> $2";
const BUMP_REVISION: &str = "UPDATE revision SET value = value + 1";
const DELETE: &str = "DELETE FROM apps WHERE ident = $1 RETURNING id";
const DELETE_SESSIONS: &str = "DELETE FROM sessions WHERE app = $1";
const START_CLEANUP: &str = "INSERT INTO removed_apps (app) VALUES ($1)";

#[async_trait]
impl<D: Driver> AppStore for SqlStore<D> {
    async fn create(&self, app: CreateApp) -> Result<App, StorageError> {
        self.driver
            .write(move |connection| Box::pin(create(connection, app)))
            .await
    }

    async fn update(&self, app: &App, expected_modified: Timestamp) -> Result<(), StorageError> {
        let app = app.clone();
        self.driver
            .write(move |connection| Box::pin(update(connection, app, expected_modified)))
            .await
    }

    async fn delete(&self, ident: &AppIdent) -> Result<(), StorageError> {
        let ident = ident.clone();
        self.driver
            .write(move |connection| Box::pin(delete(connection, ident)))
            .await?;
        self.start_cleanup();
        Ok(())
    }

    async fn by_ident(&self, ident: &AppIdent) -> Result<Option<App>, StorageError> {
        self.find(BY_IDENT, ident.as_str()).await
    }

    async fn by_key(&self, key: &str) -> Result<Option<App>, StorageError> {
        self.find(BY_KEY, key).await
    }

    async fn list(&self, after: u64, limit: usize) -> Result<Vec<App>, StorageError> {
        let args = [Arg::Int(signed(after)), Arg::Int(signed(limit))];
        let rows = self
            .driver
            .read(move |connection| Box::pin(async move { connection.rows(LIST, &args).await }))
            .await?;
        rows.iter().map(app_from).collect()
    }

    async fn count(&self) -> Result<u64, StorageError> {
        let row = self
            .driver
            .read(|connection| Box::pin(connection.row(COUNT, &[])))
            .await?;
        row.map_or(Ok(0), |row| unsigned(row.int(0)?))
    }

    async fn revision(&self) -> Result<u64, StorageError> {
        let row = self
            .driver
            .read(|connection| Box::pin(connection.row(REVISION, &[])))
            .await?;
        unsigned(
            row.ok_or_else(|| StorageError::corrupt("the table revision has no row"))?
                .int(0)?,
        )
    }
}

impl<D: Driver> SqlStore<D> {
    async fn find(&self, sql: &'static str, value: &str) -> StorageResult<Option<App>> {
        let value = value.to_string();
        let row = self
            .driver
            .read(move |connection| {
                Box::pin(async move { connection.row(sql, &[Arg::Text(&value)]).await })
            })
            .await?;
        row.map(|row| app_from(&row)).transpose()
    }
}

async fn create(connection: &mut impl SqlConnection, app: CreateApp) -> StorageResult<App> {
    let (push, settings) = (push_to_text(&app.push)?, settings_to_text(&app.settings)?);
    let args = [
        Arg::Text(app.ident.as_str()),
        Arg::Text(&app.key),
        Arg::Text(&app.name),
        Arg::MaybeText(app.description.as_deref()),
        Arg::Text(app.secret.expose()),
        Arg::Text(&push),
        Arg::Text(&settings),
        Arg::Int(app.now.micros()),
    ];
    if app.first {
        // The row is locked until the end of the transaction, so that another one with `first` finds this app.
        connection.execute(BUMP_REVISION, &[]).await?;
        let any = [Arg::Int(0), Arg::Int(1)];
        if connection.row(LIST, &any).await?.is_some() {
            return Err(StorageError::Conflict("first"));
        }
    }
    let Some(row) = connection.row(CREATE, &args).await? else {
        let ident_taken = connection
            .row(IDENT_TAKEN, &[Arg::Text(app.ident.as_str())])
            .await?
            .is_some();
        return Err(StorageError::Conflict(if ident_taken {
            "ident"
        } else {
            "key"
        }));
    };
    connection.execute(BUMP_REVISION, &[]).await?;
    Ok(app.into_app(unsigned(row.int(0)?)?))
}

async fn update(
    connection: &mut impl SqlConnection,
    app: App,
    expected_modified: Timestamp,
) -> StorageResult<()> {
    let (ident, key) = (Arg::Text(app.ident.as_str()), Arg::Text(&app.key));
    let (push, settings) = (push_to_text(&app.push)?, settings_to_text(&app.settings)?);
    let args = [
        ident,
        key,
        Arg::Text(&app.name),
        Arg::MaybeText(app.description.as_deref()),
        Arg::Text(app.secret.expose()),
        Arg::MaybeText(app.previous_secret.as_ref().map(Secret::expose)),
        Arg::Text(&push),
        Arg::Text(&settings),
        Arg::Int(app.modified.micros()),
        Arg::Int(expected_modified.micros()),
    ];
    if connection.row(KEY_TAKEN, &[key, ident]).await?.is_some() {
        return Err(StorageError::Conflict("key"));
    }
    if connection.execute(UPDATE, &args).await? == 0 {
        let exists = connection.row(IDENT_TAKEN, &[ident]).await?.is_some();
        return Err(if exists {
            StorageError::Conflict("modified")
        } else {
            StorageError::NotFound
        });
    }
    connection.execute(BUMP_REVISION, &[]).await.map(drop)
}

async fn delete(connection: &mut impl SqlConnection, ident: AppIdent) -> StorageResult<()> {
    let row = connection
        .row(DELETE, &[Arg::Text(ident.as_str())])
        .await?
        .ok_or(StorageError::NotFound)?;
    let app = [Arg::Int(row.int(0)?)];
    connection.execute(DELETE_SESSIONS, &app).await?;
    connection.execute(START_CLEANUP, &app).await?;
    connection.execute(BUMP_REVISION, &[]).await.map(drop)
}

fn app_from(row: &impl SqlRow) -> StorageResult<App> {
    Ok(App {
        id: unsigned(row.int(0)?)?,
        ident: AppIdent::trusted(&row.text(1)?),
        key: row.text(2)?.into_owned(),
        name: row.text(3)?.into_owned(),
        description: row.maybe_text(4)?.map(Into::into),
        secret: Secret::new(row.text(5)?.into_owned()),
        previous_secret: row
            .maybe_text(6)?
            .map(|secret| Secret::new(secret.into_owned())),
        push: push_from_text(&row.text(7)?)?,
        settings: settings_from_text(&row.text(8)?)?,
        created: Timestamp::from_micros(row.int(9)?),
        modified: Timestamp::from_micros(row.int(10)?),
    })
}
