//! Opening an SQLite database: checks the file, connects and migrates.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::time::Instant;

use super::value::primary_code;
use super::{SqliteDriver, Writer};
use crate::core::ports::Stores;
use crate::outbound::storage::sql::SqlStore;
use crate::outbound::storage::sql::error::explain_migration;
use crate::outbound::storage::{OpenError, OpenFailure};

/// The bytes of pages that the writing connection keeps in memory, and those that all reading ones keep together. SQLite drops
/// those of a reader with each commit of the writer, and the operating system keeps the file in memory as well.
const CACHE_KIB: u32 = 16 * 1024;

/// The least that a reading connection keeps, for the pages of one query.
const MIN_CACHE_KIB: u32 = 512;

/// The statements that a connection keeps prepared: those of a commit, for each number of rows, and the others.
const MAX_STATEMENTS: usize = 256;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

// SQLite's codes: <https://www.sqlite.org/rescode.html>.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const CANTOPEN: i32 = 14;
const PROTOCOL: i32 = 15;
const NOTADB: i32 = 26;

/// Configuration of an SQLite store.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The file, created if missing; `None` for a database in memory.
    pub path: Option<PathBuf>,
    /// Limit of each call, including the wait for another process's lock.
    pub timeout: Duration,
    /// Maximum number of connections that read; 0 counts as 1.
    pub readers: u32,
}

/// Opens a database, and creates or migrates it if necessary. Several processes may do so at once.
///
/// # Errors
///
/// The file is not a database, was written by a newer version, is locked, or cannot be read and written.
pub async fn open(options: SqliteOptions) -> Result<Stores, OpenError> {
    connect(options).await.map(SqlStore::stores)
}

pub(super) async fn connect(options: SqliteOptions) -> Result<SqliteDriver, OpenError> {
    let open_error = |failure: OpenFailure| match &options.path {
        Some(path) => OpenError::new(format_args!("the database {}", path.display()), failure),
        None => OpenError::new("the database in memory", failure),
    };
    if let Some(path) = &options.path {
        create_folder(path)
            .and_then(|()| check_file(path))
            .map_err(|reason| open_error(reason.into()))?;
    }
    let connect = connect_options(&options);
    let mut connection = connect
        .connect()
        .await
        .map_err(|error| open_error(explain(&error)))?;
    if options.path.is_some() {
        enable_wal(&mut connection, options.timeout)
            .await
            .map_err(|error| open_error(explain(&error)))?;
    }
    migrate(&mut connection).await.map_err(open_error)?;
    if let Some(path) = &options.path {
        warn_of_readers(path);
    }
    // Readers connect on first use.
    let pool = || {
        SqlitePoolOptions::new()
            .max_connections(options.readers.max(1))
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let readers = options.path.as_ref().map(|_| {
        pool()
            .test_before_acquire(false)
            .connect_lazy_with(connect.clone().pragma("cache_size", reader_cache(&options)))
    });
    let writer = Writer::new(connection, connect, options.path.is_none(), options.timeout);
    Ok(SqliteDriver {
        writer,
        readers,
        timeout: options.timeout,
    })
}

pub(super) fn connect_options(options: &SqliteOptions) -> SqliteConnectOptions {
    let connect = match &options.path {
        // The `./` prevents names from being read as a URI or as `:memory:`.
        Some(path) if path.is_relative() => {
            SqliteConnectOptions::new().filename(Path::new(".").join(path))
        }
        Some(path) => SqliteConnectOptions::new().filename(path),
        None => SqliteConnectOptions::new().in_memory(true),
    };
    connect
        .create_if_missing(true)
        // Syncs at each commit; the default of WAL mode syncs only at checkpoints.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        // The driver panics over more milliseconds than an i32 holds.
        .busy_timeout(options.timeout.min(Duration::from_secs(86_400)))
        // Pages of 4 KiB: fewer but larger checkpoints under load. The log file is truncated to the limit afterwards.
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "33554432")
        .pragma("cache_size", cache_size(CACHE_KIB))
        .statement_cache_capacity(MAX_STATEMENTS)
        .disable_statement_logging()
}

/// The value of the pragma; negative values are KiB.
fn cache_size(kib: u32) -> String {
    format!("-{kib}")
}

fn reader_cache(options: &SqliteOptions) -> String {
    cache_size((CACHE_KIB / options.readers.max(1)).max(MIN_CACHE_KIB))
}

/// Creates the folder of the file where it is missing, for this user alone.
fn create_folder(path: &Path) -> Result<(), String> {
    let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let Some(folder) = path.parent().filter(missing) else {
        return Ok(());
    };
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        // Several folders are missing: the path is probably a mistake, which opening the file reports.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        done => done.map_err(|error| format!("is in a folder that cannot be created: {error}")),
    }
}

/// The files hold the apps' secrets. SQLite creates those beside the database with the database's mode.
fn warn_of_readers(path: &Path) {
    let loose = ["", "-wal", "-shm"].map(|suffix| {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        PathBuf::from(file)
    });
    let is_loose = |file: &PathBuf| {
        fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    };
    for file in loose.iter().filter(|file| is_loose(file)) {
        tracing::warn!(
            file = %file.display(),
            "other users may read the database, which holds the apps' secrets: run chmod 600 {}",
            file.display()
        );
    }
}

/// Checks that the path can be a database file, and creates an empty one, which SQLite takes as a new database. The
/// operating system's error is more precise than SQLite's "unable to open".
fn check_file(path: &Path) -> Result<(), String> {
    let metadata = fs::metadata(path);
    if metadata.as_ref().is_ok_and(fs::Metadata::is_dir) {
        return Err("is a folder: name a file in it".into());
    }
    if metadata.is_ok_and(|metadata| !metadata.is_file()) {
        return Err("is not a regular file: name another".into());
    }
    let opened = fs::OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path);
    opened.map(drop).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "is in a folder that does not exist: create the folder first".into()
        }
        std::io::ErrorKind::PermissionDenied => {
            "cannot be written: give this user write access to the file and its folder".into()
        }
        _ => format!("cannot be opened: {error}"),
    })
}

/// Switches to WAL mode. This needs an exclusive lock and ignores the busy time-out, hence the loop.
async fn enable_wal(
    connection: &mut SqliteConnection,
    timeout: Duration,
) -> Result<(), sqlx::Error> {
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

/// Runs all migrations in one transaction. Of two processes that start at once, the second finds them done.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), OpenFailure> {
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(|error| explain(&error))?;
    // The future of `run` cannot be spawned, because it is `Send` for one lifetime only.
    MIGRATIONS
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| explain_migration(error, explain))?;
    transaction.commit().await.map_err(|error| explain(&error))
}

fn explain(error: &sqlx::Error) -> OpenFailure {
    match primary_code(error) {
        Some(BUSY | LOCKED | PROTOCOL) => OpenFailure::temporary(
            "is locked by another process: stop that one, or name another file".to_owned(),
        ),
        code => reason(error, code).into(),
    }
}

fn reason(error: &sqlx::Error, code: Option<i32>) -> String {
    match code {
        Some(NOTADB) => "is not an SQLite database: name another file".into(),
        Some(READONLY | CANTOPEN) => {
            "cannot be written: give this user write access to the file and its folder".into()
        }
        _ => format!("cannot be used: {error}"),
    }
}
