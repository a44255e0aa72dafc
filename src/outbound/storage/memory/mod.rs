//! The memory store, without durability: for evaluation and tests.

mod apps;
mod archive;
mod cache;
mod deliveries;
mod events;
mod inbox;
mod outbox;
mod publish_rows;
mod sessions;
mod state;
mod subscriptions;
mod targets;

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use self::state::MemoryState;
use crate::core::error::StorageError;
use crate::core::ports::{Database, Stores};

/// The memory store. Its calls never wait and are never `Unavailable`.
#[derive(Default)]
struct MemoryStore {
    state: Mutex<MemoryState>,
}

/// Creates an empty store.
pub fn open() -> Stores {
    Stores::from_adapter(Arc::new(MemoryStore::default()))
}

#[async_trait]
impl Database for MemoryStore {
    async fn ping(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn check_writable(&self) -> Result<(), StorageError> {
        Ok(())
    }

    async fn close(&self) {}
}
