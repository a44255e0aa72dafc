//! How calls are made: each ends in time, and what changes something goes on to its end.

use std::future::Future;

use super::{MongoStore, Outcome};
use crate::core::error::StorageError;

impl MongoStore {
    /// Ends `call` when the store time-out has passed.
    pub(super) async fn in_time<T>(
        &self,
        call: impl Future<Output = Outcome<T>> + Send,
    ) -> Outcome<T> {
        tokio::time::timeout(self.timeout, call)
            .await
            .unwrap_or_else(|late| Err(StorageError::unavailable(late)))
    }

    /// The same; where the caller gives up earlier, `call` goes on.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        call: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> Outcome<T> {
        let store = self.clone();
        let task = tokio::spawn(async move { store.in_time(call).await });
        task.await.map_err(StorageError::unavailable)?
    }
}
