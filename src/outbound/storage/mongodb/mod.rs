//! MongoDB, with the collections of the original: what it stored is live here, and what is stored here it can read.
//!
//! Nothing needs a transaction. What must be unique is one document with that value for its `_id`, or has a unique
//! index of its own; what takes several steps can be taken up after any of them.

mod adoption;
mod apps;
mod archive;
mod association;
mod cache;
mod call;
mod claims;
mod collections;
mod events;
mod fault;
mod inbox;
mod interests;
mod open;
mod outbox;
#[cfg(test)]
mod plans;
mod prune;
mod removal;
mod sessions;
mod subscriptions;
mod value;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;

use self::collections::Collections;
use self::events::{Appends, Numbered};
pub use self::open::{MongoOptions, open};
use crate::core::error::StorageError;
use crate::core::ports::{AppStore, Database};

/// The result of every step.
type Outcome<T> = Result<T, StorageError>;

/// The MongoDB store. Cheap to clone.
#[derive(Clone)]
struct MongoStore {
    collections: Collections,
    /// One append at a time, and none while it is judged what became of one.
    appends: Arc<Mutex<Appends>>,
    /// Channels in which the original wrote nothing lately.
    numbered: Arc<Numbered>,
    timeout: Duration,
}

#[async_trait]
impl Database for MongoStore {
    async fn ping(&self) -> Result<(), StorageError> {
        self.revision().await.map(drop)
    }

    async fn close(&self) {
        let close = async {
            // What is under way comes first.
            let _appends = self.appends.lock().await;
            self.collections
                .client()
                .clone()
                .shutdown()
                .immediate(true)
                .await;
            Ok(())
        };
        if let Err(error) = self.in_time(close).await {
            tracing::warn!(
                error = error.chain(),
                "the connections to the database were not closed cleanly"
            );
        }
    }
}
