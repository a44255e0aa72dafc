//! Opening a PostgreSQL database: connects and migrates.

use std::io::ErrorKind;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::sync::RwLock;

use super::PostgresDriver;
use super::listen::RowListener;
use super::pool::ConnectionPool;
use crate::core::model::Secret;
use crate::core::ports::Stores;
use crate::outbound::storage::sql::SqlStore;
use crate::outbound::storage::sql::error::explain_migration;
use crate::outbound::storage::{OpenError, OpenFailure};

/// Without the migrator's own lock, which outlives a failed migration; see [`migrate`].
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("migrations/postgres");
    migrations.set_locking(false);
    migrations
});

/// Serializes migrations of one schema.
const MIGRATION_LOCK: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('pushi migrates ' || current_schema(), 0))";

// Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
const NO_SUCH_DATABASE: &str = "3D000";
const NOT_PERMITTED: &str = "42501";
const CANCELED: &str = "57014";
const WRONG_CREDENTIALS: [&str; 2] = ["28P01", "28000"];

/// The beginnings of codes of failures that pass: a broken connection, a rolled back transaction, a lack of connections,
/// a server that starts or stops, and a schema that another process changes at the same time.
const TEMPORARY: [&str; 6] = ["08", "40", "53", "57P0", "55P03", "23505"];

/// Configuration of a PostgreSQL store.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with libpq's parameters such as `?sslmode=…`.
    pub url: Secret,
    /// Limit of each call, including the wait for a connection.
    pub timeout: Duration,
    /// Maximum number of connections; 0 counts as 1.
    pub pool: u32,
}

/// Connects to a database and migrates it if necessary. Several nodes may do so at once.
///
/// # Errors
///
/// The URL is malformed; the server cannot be reached in time or rejects the user; the database does not exist, was
/// written by a newer version, or the user may not create tables.
pub async fn open(options: PostgresOptions) -> Result<Stores, OpenError> {
    let connect = PgConnectOptions::from_str(options.url.expose());
    let connect = connect.map_err(|error| {
        let reason = format!("cannot be read: {error}");
        OpenError::new("the PostgreSQL URL", reason.into())
    })?;
    let name = connect
        .get_database()
        .unwrap_or_else(|| connect.get_username())
        .to_owned();
    let server = match connect.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", connect.get_host(), connect.get_port()),
    };
    let open_error = |failure: OpenFailure| {
        OpenError::new(
            format_args!("the PostgreSQL database {name} on {server}"),
            failure,
        )
    };
    let mut instance = [0; 8];
    getrandom::fill(&mut instance).map_err(|error| {
        open_error(format!("cannot be opened: no random instance id ({error})").into())
    })?;
    let instance = i64::from_ne_bytes(instance);
    let connect = connect.disable_statement_logging();
    let listener = RowListener::new(connect.clone(), options.timeout);
    let pool = ConnectionPool::new(connect, options.pool, options.timeout, instance);
    let prepare = async {
        let mut connection = pool
            .connect()
            .await
            .map_err(|error| explain(&error, &name))?;
        migrate(&mut connection, &name).await?;
        // If the message is lost, the server notices the closed socket.
        let _ = connection.close().await;
        Ok(())
    };
    let timed_out = |_| {
        Err(OpenFailure::temporary(format!(
            "does not answer within {:?}: is it the right address, and does the server run?",
            options.timeout
        )))
    };
    tokio::time::timeout(options.timeout, prepare)
        .await
        .unwrap_or_else(timed_out)
        .map_err(open_error)?;
    let begin_settled = format!("BEGIN; SELECT pg_advisory_xact_lock({instance})");
    let (pool, barrier) = (Arc::new(pool), Arc::new(RwLock::new(())));
    Ok(SqlStore::stores(PostgresDriver {
        pool,
        timeout: options.timeout,
        barrier,
        begin_settled,
        listener,
    }))
}

/// Runs all migrations in one transaction under a lock. Of two nodes that start at once, the second finds them done.
pub(super) async fn migrate(connection: &mut PgConnection, name: &str) -> Result<(), OpenFailure> {
    let mut transaction = connection
        .begin()
        .await
        .map_err(|error| explain(&error, name))?;
    transaction
        .execute(MIGRATION_LOCK)
        .await
        .map_err(|error| explain(&error, name))?;
    // The future of `run` cannot be spawned, because it is `Send` for one lifetime only.
    let migrated = MIGRATIONS.run_direct(None, &mut *transaction, false).await;
    migrated.map_err(|error| explain_migration(error, |error| explain(error, name)))?;
    transaction
        .commit()
        .await
        .map_err(|error| explain(&error, name))
}

fn explain(error: &sqlx::Error, name: &str) -> OpenFailure {
    let code = error.as_database_error().and_then(|error| error.code());
    let temporary = match (&code, error) {
        (Some(code), _) => TEMPORARY.iter().any(|class| code.starts_with(class)),
        (None, sqlx::Error::Io(error)) => error.kind() != ErrorKind::PermissionDenied,
        _ => false,
    };
    OpenFailure {
        reason: reason(error, code.as_deref(), name),
        temporary,
    }
}

fn reason(error: &sqlx::Error, code: Option<&str>, name: &str) -> String {
    match (code, error) {
        (Some(NO_SUCH_DATABASE), _) => format!("does not exist: create it (createdb {name})"),
        (Some(NOT_PERMITTED), _) => {
            "does not let this user create tables: grant it CREATE on its schema".into()
        }
        (Some(CANCELED), _) => {
            "is still being migrated by another node: try again when that node has started".into()
        }
        (Some(code), _) if WRONG_CREDENTIALS.contains(&code) => {
            "rejects the user: correct the user and the password".into()
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
