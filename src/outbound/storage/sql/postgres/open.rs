//! Opening a PostgreSQL database: reaching it, making it what it should be.

use std::str::FromStr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::sync::RwLock;

use super::PostgresDriver;
use super::pool::Pool;
use crate::core::model::Secret;
use crate::core::ports::Stores;
use crate::outbound::storage::OpenError;
use crate::outbound::storage::sql::SqlStore;
use crate::outbound::storage::sql::fault::unmigrated;

/// The migrator's own lock outlives a failed migration, so it is not used: see [`migrate`].
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("migrations/postgres");
    migrations.set_locking(false);
    migrations
});

/// Held by whoever migrates the same schema.
const LOCK: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('pushi migrates ' || current_schema(), 0))";

// Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
const NO_SUCH_DATABASE: &str = "3D000";
const NOT_PERMITTED: &str = "42501";
const CANCELED: &str = "57014";
const WRONG_CREDENTIALS: [&str; 2] = ["28P01", "28000"];

/// Which PostgreSQL database, and how to use it.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with `?sslmode=…` and so on, as libpq reads it.
    pub url: Secret,
    /// How long a call may take, waiting for a connection included.
    pub timeout: Duration,
    /// Connections at most; at least one.
    pub pool: u32,
}

/// Reaches a database and migrates it where that is needed. Several nodes may do it at once.
///
/// # Errors
///
/// The URL cannot be read; the server cannot be reached in time or refuses the user; the database is not there, was
/// written by a newer version, or its user may not make tables.
pub async fn open(options: PostgresOptions) -> Result<Stores, OpenError> {
    let connect = PgConnectOptions::from_str(options.url.expose());
    let connect = connect.map_err(|error| {
        OpenError::new(format_args!("the PostgreSQL URL cannot be read: {error}"))
    })?;
    let name = connect
        .get_database()
        .unwrap_or_else(|| connect.get_username())
        .to_owned();
    let server = match connect.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", connect.get_host(), connect.get_port()),
    };
    let refused = |why: String| {
        OpenError::new(format_args!(
            "the PostgreSQL database {name} on {server} {why}"
        ))
    };
    let mut instance = [0; 8];
    getrandom::fill(&mut instance)
        .map_err(|error| refused(format!("cannot be told apart: {error}")))?;
    let instance = i64::from_ne_bytes(instance);
    let pool = Pool::new(
        connect.disable_statement_logging(),
        options.pool,
        options.timeout,
        instance,
    );
    let prepare = async {
        let mut connection = pool.connect().await.map_err(|error| why(&error, &name))?;
        migrate(&mut connection, &name).await?;
        // It ends also where it is not told.
        let _ = connection.close().await;
        Ok(())
    };
    let late = |_| {
        Err(format!(
            "does not answer within {:?}: is it the right address, and does the server run?",
            options.timeout
        ))
    };
    tokio::time::timeout(options.timeout, prepare)
        .await
        .unwrap_or_else(late)
        .map_err(refused)?;
    let judge = format!("BEGIN; SELECT pg_advisory_xact_lock({instance})");
    let (pool, gate) = (Arc::new(pool), Arc::new(RwLock::new(())));
    Ok(SqlStore::stores(PostgresDriver {
        pool,
        timeout: options.timeout,
        gate,
        judge,
    }))
}

/// One transaction around all migrations, alone: of two nodes that start at once, the second finds them done.
pub(super) async fn migrate(connection: &mut PgConnection, name: &str) -> Result<(), String> {
    let mut transaction = connection
        .begin()
        .await
        .map_err(|error| why(&error, name))?;
    transaction
        .execute(LOCK)
        .await
        .map_err(|error| why(&error, name))?;
    // `run` is the same, but its future cannot be spawned: it is `Send` for one lifetime alone.
    let migrated = MIGRATIONS.run_direct(None, &mut *transaction, false).await;
    migrated.map_err(|error| unmigrated(error, |error| why(error, name)))?;
    transaction
        .commit()
        .await
        .map_err(|error| why(&error, name))
}

fn why(error: &sqlx::Error, name: &str) -> String {
    let code = error.as_database_error().and_then(|error| error.code());
    match (code.as_deref(), error) {
        (Some(NO_SUCH_DATABASE), _) => format!("does not exist: create it (createdb {name})"),
        (Some(NOT_PERMITTED), _) => {
            "does not let this user make tables: grant it CREATE on its schema".into()
        }
        (Some(CANCELED), _) => {
            "is being migrated by another node for too long: try again once that one is done".into()
        }
        (Some(code), _) if WRONG_CREDENTIALS.contains(&code) => {
            "does not let this user in: correct the user and the password".into()
        }
        (_, sqlx::Error::Io(error)) => format!(
            "cannot be reached ({error}): is it the right address, and does the server run?"
        ),
        (_, sqlx::Error::Tls(error)) => {
            format!("cannot be reached over TLS ({error}): correct sslmode and sslrootcert")
        }
        _ => format!("cannot be used: {error}"),
    }
}
