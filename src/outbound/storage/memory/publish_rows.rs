//! The memory store has no rows: no other program reaches it.

use async_trait::async_trait;

use super::MemoryStore;
use crate::core::error::StorageError;
use crate::core::model::Timestamp;
use crate::core::ports::{Moved, OldestRow, PublishRow, PublishRows, RowId, RowLimit, RowMove};

#[async_trait]
impl PublishRows for MemoryStore {
    async fn inserted(&self) {
        std::future::pending::<()>().await;
    }

    async fn oldest(&self) -> Result<Option<OldestRow>, StorageError> {
        Ok(None)
    }

    async fn apps(&self, _after: &str, _limit: usize) -> Result<Vec<String>, StorageError> {
        Ok(Vec::new())
    }

    async fn rows(&self, _app: &str, _limit: RowLimit) -> Result<Vec<PublishRow>, StorageError> {
        Ok(Vec::new())
    }

    async fn move_rows(&self, moves: &[RowMove]) -> Vec<Result<Moved, StorageError>> {
        moves
            .iter()
            .map(|_| Err(StorageError::Conflict("row")))
            .collect()
    }

    async fn reject(&self, _: &[(RowId, String)], _now: Timestamp) -> Result<(), StorageError> {
        Ok(())
    }

    async fn hold(
        &self,
        _holder: &str,
        _now: Timestamp,
        _until: Timestamp,
    ) -> Result<bool, StorageError> {
        Ok(true)
    }

    async fn release(&self, _holder: &str) -> Result<(), StorageError> {
        Ok(())
    }

    async fn prune_rejected(&self, _before: Timestamp, _limit: usize) -> Result<u64, StorageError> {
        Ok(0)
    }
}
