//! The port of the rows that applications insert.

use std::time::Instant;

use async_trait::async_trait;

use super::Instrumented;
use crate::core::error::StorageError;
use crate::core::model::Timestamp;
use crate::core::ports::{
    Call, Moved, OldestRow, PublishRow, PublishRows, RowId, RowLimit, RowMove,
};
use crate::outbound::storage::StorageResult;

#[async_trait]
impl PublishRows for Instrumented<dyn PublishRows> {
    async fn inserted(&self) {
        self.inner.inserted().await;
    }

    async fn oldest(&self) -> StorageResult<Option<OldestRow>> {
        self.call(Call::Read, self.inner.oldest()).await
    }

    async fn apps(&self, after: &str, limit: usize) -> StorageResult<Vec<String>> {
        self.call(Call::Read, self.inner.apps(after, limit)).await
    }

    async fn rows(&self, app: &str, limit: RowLimit) -> StorageResult<Vec<PublishRow>> {
        self.call(Call::Read, self.inner.rows(app, limit)).await
    }

    async fn move_rows(&self, moves: &[RowMove]) -> Vec<StorageResult<Moved>> {
        let started = Instant::now();
        let moved = self.inner.move_rows(moves).await;
        let is_failure = |result: &StorageResult<Moved>| {
            matches!(
                result,
                Err(StorageError::Unavailable(_) | StorageError::Corrupt(_))
            )
        };
        let failed = moved.iter().any(is_failure);
        self.metrics
            .call_finished(Call::Append, started.elapsed(), failed);
        moved
    }

    async fn reject(&self, rejected: &[(RowId, String)], now: Timestamp) -> StorageResult<()> {
        self.call(Call::Write, self.inner.reject(rejected, now))
            .await
    }

    async fn hold(&self, holder: &str, now: Timestamp, until: Timestamp) -> StorageResult<bool> {
        self.call(Call::Write, self.inner.hold(holder, now, until))
            .await
    }

    async fn release(&self, holder: &str) -> StorageResult<()> {
        self.call(Call::Write, self.inner.release(holder)).await
    }

    async fn prune_rejected(&self, before: Timestamp, limit: usize) -> StorageResult<u64> {
        self.call(Call::Write, self.inner.prune_rejected(before, limit))
            .await
    }
}
