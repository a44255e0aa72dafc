//! MongoDB, compatible with the collections of the original (the first version of Pushi, in Python): both servers can read
//! and write the same database.
//!
//! There are no transactions. Unique values are the `_id` of a document or have a unique index, and every operation of
//! several steps can be resumed after any of them.

mod adopt;
mod app_cleanup;
mod apps;
mod archive;
mod associations;
mod cache;
mod call;
mod collections;
mod due;
mod error;
mod events;
mod inbox;
mod json;
mod open;
mod outbox;
#[cfg(test)]
mod plans;
mod prune;
mod publish_rows;
mod sessions;
mod subscriptions;
mod targets;
mod unique;
mod value;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mongodb::bson::doc;
use tokio::sync::Mutex;

use self::collections::Collections;
use self::events::{AppendState, BackfillCache};
pub use self::open::{MongoOptions, open};
use self::publish_rows::RowWatch;
use crate::core::error::StorageError;
use crate::core::ports::{AppStore, Database};

/// The MongoDB store. Clones share one state.
#[derive(Clone)]
struct MongoStore {
    collections: Collections,
    /// Serializes appends, and the resolution of appends with an unknown outcome.
    appends: Arc<Mutex<AppendState>>,
    /// Channels that were recently found to have a serial for every event.
    backfill_cache: Arc<BackfillCache>,
    row_watch: Arc<RowWatch>,
    timeout: Duration,
    /// Maximum number of events in one ordered insert.
    insert_limit: usize,
}

#[async_trait]
impl Database for MongoStore {
    async fn ping(&self) -> Result<(), StorageError> {
        self.revision().await.map(drop)
    }

    async fn check_writable(&self) -> Result<(), StorageError> {
        let probed = error::upsert(|| {
            let probe = doc! { "_id": "write_probe" };
            let write = doc! { "$inc": { "written": 1_i64 } };
            let written = self.collections.state.update_one(probe, write);
            written.upsert(true)
        });
        self.with_timeout(async { probed.await.map(drop) }).await
    }

    async fn close(&self) {
        let close = async {
            // Waits for a running append.
            let _appends = self.appends.lock().await;
            self.collections
                .client()
                .clone()
                .shutdown()
                .immediate(true)
                .await;
            Ok(())
        };
        if let Err(error) = self.with_timeout(close).await {
            tracing::warn!(
                error = error.chain(),
                "mongodb connections not closed cleanly"
            );
        }
    }
}
