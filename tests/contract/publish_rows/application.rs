//! Programs that insert rows into the database of a store.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use crate::fixture::{Fixture, Mongo, Postgres, SqliteFile};

/// A row as an application inserts it.
#[derive(Clone, Default)]
pub(crate) struct Inserted<'a> {
    pub app: &'a str,
    pub channel: &'a str,
    pub event: &'a str,
    pub data: Option<&'a str>,
    pub is_transient: bool,
    pub extra: Option<&'a str>,
}

/// An adapter into whose database another program can insert.
pub(crate) trait Application: Fixture {
    /// Whether the rows of a call are all moved or none.
    const ATOMIC: bool = true;

    /// Inserts rows in one transaction, in order.
    async fn insert(&self, rows: &[Inserted<'_>]);

    /// The ids and reasons of the rejected rows.
    async fn rejected(&self) -> Vec<String>;
}

const INSERT: &str = "INSERT INTO pushi_publish (app, channel, event, data, persist, extra) VALUES ($1, $2, $3, $4, $5, $6)";
const REJECTED: &str = "SELECT reason FROM pushi_publish_failed ORDER BY id";

impl Application for Postgres {
    async fn insert(&self, rows: &[Inserted<'_>]) {
        let mut connection = PgConnection::connect(&self.url("")).await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        for row in rows {
            let insert = sqlx::query(INSERT).bind(row.app).bind(row.channel);
            let insert = insert.bind(row.event).bind(row.data);
            let insert = insert.bind(!row.is_transient).bind(row.extra);
            insert.execute(&mut *transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }

    async fn rejected(&self) -> Vec<String> {
        let mut connection = PgConnection::connect(&self.url("")).await.unwrap();
        let reasons = sqlx::query_scalar(REJECTED)
            .fetch_all(&mut connection)
            .await;
        reasons.unwrap()
    }
}

impl SqliteFile {
    async fn application(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path());
        let options = options.busy_timeout(Duration::from_secs(30));
        options.connect().await.unwrap()
    }
}

impl Application for SqliteFile {
    async fn insert(&self, rows: &[Inserted<'_>]) {
        let mut connection = self.application().await;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        for row in rows {
            let insert = sqlx::query(INSERT).bind(row.app).bind(row.channel);
            let insert = insert.bind(row.event).bind(row.data);
            let insert = insert.bind(!row.is_transient).bind(row.extra);
            insert.execute(&mut *transaction).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }

    async fn rejected(&self) -> Vec<String> {
        let mut connection = self.application().await;
        let reasons = sqlx::query_scalar(REJECTED)
            .fetch_all(&mut connection)
            .await;
        reasons.unwrap()
    }
}

impl<const OTHER: bool> Application for Mongo<OTHER> {
    const ATOMIC: bool = false;

    async fn insert(&self, rows: &[Inserted<'_>]) {
        let row = |row: &Inserted<'_>| {
            let mut document = doc! { "app": row.app, "channel": row.channel, "event": row.event, "data": row.data };
            if row.is_transient {
                document.insert("persist", false);
            }
            if let Some(extra) = row.extra {
                document.insert("extra", extra);
            }
            document
        };
        let rows: Vec<Document> = rows.iter().map(row).collect();
        let database = self.database().await;
        let inserted = database.collection("pushi_publish").insert_many(rows).await;
        inserted.unwrap();
    }

    async fn rejected(&self) -> Vec<String> {
        let database = self.database().await;
        let rejected = database.collection::<Document>("pushi_publish_failed");
        let mut found = rejected
            .find(doc! {})
            .sort(doc! { "_id": 1 })
            .await
            .unwrap();
        let mut reasons = Vec::new();
        while found.advance().await.unwrap() {
            let row = found.deserialize_current().unwrap();
            reasons.push(row.get_str("reason").unwrap().to_owned());
        }
        reasons
    }
}
