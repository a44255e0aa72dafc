//! What the suite needs of an adapter.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pushi::outbound::storage::{OpenError, Stores, memory, sql::sqlite};
use tempfile::TempDir;

/// Longer than any call of a test takes, also on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// A database of its own for one test.
pub trait Fixture: Sync {
    /// A new, empty one.
    async fn start() -> Self;

    /// A store instance on it: a further one, with connections of its own, wherever the adapter has such a thing.
    async fn open(&self) -> Stores;

    /// Whether what was stored is there when all instances are closed.
    const LASTING: bool;
}

pub struct Memory(Stores);

impl Fixture for Memory {
    async fn start() -> Self {
        Self(memory::open())
    }

    async fn open(&self) -> Stores {
        self.0.clone()
    }

    const LASTING: bool = false;
}

pub struct SqliteFile {
    path: PathBuf,
    /// Removes what was made when the test ends.
    _folder: Option<TempDir>,
}

impl SqliteFile {
    pub fn at(path: &str) -> Self {
        Self { path: path.into(), _folder: None }
    }

    /// Another instance, or why not.
    pub async fn try_open(&self, timeout: Duration) -> Result<Stores, OpenError> {
        sqlite::open(sqlite::SqliteOptions { path: Some(self.path.clone()), timeout, readers: 2 }).await
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Fixture for SqliteFile {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        Self { path: folder.path().join("pushi.db"), _folder: Some(folder) }
    }

    async fn open(&self) -> Stores {
        self.try_open(TIMEOUT).await.unwrap()
    }

    const LASTING: bool = true;
}

pub struct SqliteMemory(Stores);

impl Fixture for SqliteMemory {
    async fn start() -> Self {
        Self(sqlite::open(sqlite::SqliteOptions { path: None, timeout: TIMEOUT, readers: 2 }).await.unwrap())
    }

    async fn open(&self) -> Stores {
        self.0.clone()
    }

    const LASTING: bool = false;
}
