//! Time-outs and cancellation: every call has a time-out, and writes are not cancelled with their caller.

use std::future::Future;

use super::MongoStore;
use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;

impl MongoStore {
    /// Runs `call` with the store time-out.
    pub(super) async fn with_timeout<T>(
        &self,
        call: impl Future<Output = StorageResult<T>> + Send,
    ) -> StorageResult<T> {
        tokio::time::timeout(self.timeout, call)
            .await
            .unwrap_or_else(|elapsed| Err(StorageError::unavailable(elapsed)))
    }

    /// Runs `call` with the store time-out in a separate task, which continues if the caller drops the future.
    pub(super) async fn run_to_completion<T: Send + 'static>(
        &self,
        call: impl Future<Output = StorageResult<T>> + Send + 'static,
    ) -> StorageResult<T> {
        let store = self.clone();
        let task = tokio::spawn(async move { store.with_timeout(call).await });
        task.await.map_err(StorageError::unavailable)?
    }
}
