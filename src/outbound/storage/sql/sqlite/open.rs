//! Opening an SQLite database: checking what is there, making it what it should be.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::time::Instant;

use super::connection::primary_code;
use super::{Lane, SqliteDriver};
use crate::core::ports::Stores;
use crate::outbound::storage::OpenError;
use crate::outbound::storage::sql::SqlStore;
use crate::outbound::storage::sql::fault::unmigrated;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

// SQLite's codes: <https://www.sqlite.org/rescode.html>.
const BUSY: i32 = 5;
const READONLY: i32 = 8;
const CANTOPEN: i32 = 14;
const NOTADB: i32 = 26;

/// Which SQLite database, and how to use it.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The file, made where there is none; `None`: a database in memory, gone with the process.
    pub path: Option<PathBuf>,
    /// How long a call may take, waiting for another process's lock included.
    pub timeout: Duration,
    /// Connections that read; at least one.
    pub readers: u32,
}

/// Opens a database, making or migrating it where that is needed. Several processes may do it at once.
///
/// # Errors
///
/// What the path names is no database, was written by a newer version, is locked, or cannot be read and written.
pub async fn open(options: SqliteOptions) -> Result<Stores, OpenError> {
    connect(options).await.map(SqlStore::stores)
}

pub(super) async fn connect(options: SqliteOptions) -> Result<SqliteDriver, OpenError> {
    let refused = |why: String| match &options.path {
        Some(path) => OpenError::new(format_args!("the database {} {why}", path.display())),
        None => OpenError::new(format_args!("the database in memory {why}")),
    };
    if let Some(path) = &options.path {
        check_file(path).map_err(refused)?;
    }
    let connect = connect_options(&options);
    let mut connection = connect
        .connect()
        .await
        .map_err(|error| refused(why(&error)))?;
    if options.path.is_some() {
        use_wal(&mut connection, options.timeout)
            .await
            .map_err(|error| refused(why(&error)))?;
    }
    migrate(&mut connection).await.map_err(refused)?;
    // Readers are connected when they are first needed: they cost the start nothing.
    let pool = || {
        SqlitePoolOptions::new()
            .max_connections(options.readers.max(1))
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let readers = options.path.as_ref().map(|_| {
        pool()
            .test_before_acquire(false)
            .connect_lazy_with(connect.clone())
    });
    let lane = Lane::new(connection, connect, options.path.is_none());
    Ok(SqliteDriver {
        lane,
        readers,
        timeout: options.timeout,
    })
}

pub(super) fn connect_options(options: &SqliteOptions) -> SqliteConnectOptions {
    let connect = match &options.path {
        // With a folder before it no name is taken for a URI or for SQLite's own `:memory:`.
        Some(path) if path.is_relative() => {
            SqliteConnectOptions::new().filename(Path::new(".").join(path))
        }
        Some(path) => SqliteConnectOptions::new().filename(path),
        None => SqliteConnectOptions::new().in_memory(true),
    };
    connect
        .create_if_missing(true)
        // A commit is on the disk when it returns: WAL alone would sync only now and then.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        // The driver panics over more milliseconds than an i32 holds.
        .busy_timeout(options.timeout.min(Duration::from_secs(86_400)))
        // In pages of 4 KiB: fewer, larger checkpoints while much is written, and a file that shrinks again after it.
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "33554432")
        // In KiB, where negative.
        .pragma("cache_size", "-16384")
        .disable_statement_logging()
}

/// Whether the path can be a database file; makes an empty one, which SQLite takes for a new database. The system's
/// error says more than SQLite's "unable to open".
fn check_file(path: &Path) -> Result<(), String> {
    let there = fs::metadata(path);
    if there.as_ref().is_ok_and(fs::Metadata::is_dir) {
        return Err("is a folder: name a file in it".into());
    }
    if there.is_ok_and(|there| !there.is_file()) {
        return Err("is not a regular file: name another".into());
    }
    let opened = fs::OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path);
    opened.map(drop).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "is in a folder that does not exist: create the folder first".into()
        }
        std::io::ErrorKind::PermissionDenied => {
            "may not be written: let this user write the file and its folder".into()
        }
        _ => format!("cannot be opened: {error}"),
    })
}

/// Changing to WAL needs the file alone for a moment and, unlike everything else, does not wait for that itself.
async fn use_wal(connection: &mut SqliteConnection, timeout: Duration) -> Result<(), sqlx::Error> {
    let deadline = Instant::now() + timeout;
    loop {
        match sqlx::query("PRAGMA journal_mode = WAL")
            .execute(&mut *connection)
            .await
        {
            Err(error) if primary_code(&error) == Some(BUSY) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            done => return done.map(drop),
        }
    }
}

/// One transaction around all migrations: of two processes that start at once, the second finds them done.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), String> {
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(|error| why(&error))?;
    // `run` is the same, but its future cannot be spawned: it is `Send` for one lifetime alone.
    MIGRATIONS
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| unmigrated(error, why))?;
    transaction.commit().await.map_err(|error| why(&error))
}

fn why(error: &sqlx::Error) -> String {
    match primary_code(error) {
        Some(BUSY) => "is locked by another process: stop that one, or name another file".into(),
        Some(NOTADB) => "is not an SQLite database: name another file".into(),
        Some(READONLY | CANTOPEN) => {
            "cannot be written: let this user write the file and its folder".into()
        }
        _ => format!("cannot be used: {error}"),
    }
}
