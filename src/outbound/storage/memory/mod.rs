//! Everything in this process's memory, gone when it ends: for trying things out and for tests.

mod apps;
mod archive;
mod cache;
mod events;
mod inbox;
mod outbox;
mod sessions;
mod state;
mod subscriptions;

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use self::state::State;
use crate::core::error::StorageError;
use crate::core::ports::{Database, Stores};

/// The memory store. Its calls never wait and never fail for want of a server.
#[derive(Default)]
struct MemoryStore {
    state: Mutex<State>,
}

/// An empty store in memory.
pub fn open() -> Stores {
    Stores::from_adapter(Arc::new(MemoryStore::default()))
}

#[async_trait]
impl Database for MemoryStore {
    async fn ping(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn close(&self) {}
}
