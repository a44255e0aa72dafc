//! PostgreSQL only: opening and migrating.

use std::time::Duration;

use pushi::core::error::StorageError;
use pushi::core::model::{ChannelName, Secret};
use pushi::outbound::storage::sql::postgres::{self, PostgresOptions};
use sqlx::{Connection, Executor, postgres::PgConnection};

use crate::fixture::{Fixture, Postgres, Remote, TIMEOUT};
use crate::samples::{app, event, say};

/// The one-line error for a `url` that cannot be opened.
async fn refusal(url: &str, timeout: Duration) -> String {
    let Err(error) = postgres::open(PostgresOptions {
        url: Secret::new(url),
        timeout,
        pool: 1,
    })
    .await
    else {
        panic!("it was opened")
    };
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.contains("hunter2"), "{line}");
    line
}

#[tokio::test]
async fn a_url_that_leads_nowhere_is_refused() {
    let line = refusal("postgres://ann:hunter2@127.0.0.1:notaport/pushi", TIMEOUT).await;
    assert_eq!(
        line,
        "the PostgreSQL URL cannot be read: error with configuration: invalid port number"
    );
    // A port that was just free.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let line = refusal(
        &format!("postgres://ann:hunter2@127.0.0.1:{port}/pushi"),
        TIMEOUT,
    )
    .await;
    assert!(
        line.starts_with(&format!(
            "the PostgreSQL database pushi on 127.0.0.1:{port} cannot be reached ("
        )),
        "{line}"
    );
    // A listener that never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let line = refusal(
        &format!("postgres://ann:hunter2@{address}/pushi"),
        Duration::from_millis(200),
    )
    .await;
    let expected = format!(
        "the PostgreSQL database pushi on {address} does not answer within 200ms: is it the right address, and does the server run?"
    );
    assert_eq!(line, expected);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_refused() {
    let Some(database) = Postgres::start().await else {
        return;
    };
    let (host, port) = database.server().await;
    let line = refusal(&database.url("&dbname=no_such_database"), TIMEOUT).await;
    let expected = format!(
        "the PostgreSQL database no_such_database on {host}:{port} does not exist: create it (createdb no_such_database)"
    );
    assert_eq!(line, expected);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let Some(database) = Postgres::start().await else {
        return;
    };
    database.open().await.database.close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', TRUE, '', 1)";
    PgConnection::connect(&database.url(""))
        .await
        .unwrap()
        .execute(newer)
        .await
        .unwrap();
    let line = refusal(&database.url(""), TIMEOUT).await;
    let reason = "was written by a newer version (it has migration 9999): run that version, or name another database";
    assert!(line.ends_with(reason), "{line}");
}

#[tokio::test]
async fn tls_is_used_where_the_url_asks_for_it_or_the_server_is_refused() {
    let Some(database) = Postgres::start().await else {
        return;
    };
    match database.try_open("&sslmode=require", TIMEOUT).await {
        Ok(stores) => {
            stores.database.ping().await.unwrap();
            let used = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = current_schema()";
            let mut connection = PgConnection::connect(&database.url("&sslmode=require"))
                .await
                .unwrap();
            assert!(
                sqlx::query_scalar::<_, bool>(used)
                    .fetch_one(&mut connection)
                    .await
                    .unwrap()
            );
        }
        Err(error) => assert!(
            error.to_string().contains("cannot be reached over TLS"),
            "{error}"
        ),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_starts_do_not_collide() {
    let Some(database) = Postgres::start().await else {
        return;
    };
    let database = std::sync::Arc::new(database);
    let open = || {
        let database = database.clone();
        tokio::spawn(async move { database.open().await })
    };
    for task in (0..8).map(|_| open()).collect::<Vec<_>>() {
        task.await.unwrap().database.ping().await.unwrap();
    }
}

/// Not a conflict, which would mean that the event is stored.
#[tokio::test]
async fn a_place_that_was_given_twice_tells_of_a_damaged_database() {
    let Some(database) = Postgres::start().await else {
        return;
    };
    let stores = database.open().await;
    let app = app(&stores, "a").await;
    say(&stores, &app, "room", &["one"]).await;
    PgConnection::connect(&database.url(""))
        .await
        .unwrap()
        .execute("UPDATE channels SET head = 0")
        .await
        .unwrap();
    let results = stores
        .events
        .append(&[event(&app, "room", "two"), event(&app, "other", "three")])
        .await;
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Err(StorageError::Corrupt(_)))),
        "{results:?}"
    );
    assert_eq!(
        stores
            .events
            .heads(&app.ident, &[ChannelName::trusted("other")])
            .await
            .unwrap(),
        [0]
    );
}
