//! The calls of the store that an app may have at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::StorageResult;
use crate::core::error::StorageError;
use crate::core::model::AppIdent;

/// Limits the concurrent calls of each app, so that those of one app cannot occupy all connections to the database: further
/// calls of the app wait for its own. Their number is that of the app's requests and connections.
pub(crate) struct StoreTurns {
    per_app: usize,
    timeout: Duration,
    apps: Mutex<HashMap<AppIdent, Arc<Semaphore>>>,
}

/// The right to one call.
pub(crate) struct StoreTurn<'a> {
    turns: &'a StoreTurns,
    app: &'a AppIdent,
    /// `None`: returned.
    permit: Option<OwnedSemaphorePermit>,
}

impl StoreTurns {
    /// Half of `pool` connections for each app. A call waits no longer than `timeout` for its turn.
    pub(crate) fn new(pool: u32, timeout: Duration) -> Self {
        Self {
            per_app: usize::try_from(pool / 2).unwrap_or(1).max(1),
            timeout,
            apps: Mutex::default(),
        }
    }

    /// Waits for a turn of the app.
    ///
    /// # Errors
    /// `Unavailable` where none of the app's calls ends in time.
    pub(crate) async fn take<'a>(&'a self, app: &'a AppIdent) -> StorageResult<StoreTurn<'a>> {
        let semaphore = {
            let mut apps = self.apps.lock();
            match apps.get(app) {
                Some(semaphore) => Arc::clone(semaphore),
                None => {
                    let semaphore = Arc::new(Semaphore::new(self.per_app));
                    apps.insert(app.clone(), Arc::clone(&semaphore));
                    semaphore
                }
            }
        };
        let permit = timeout(self.timeout, semaphore.acquire_owned())
            .await
            .map_err(|_| StorageError::unavailable("too many calls of the app are in progress"))?
            .map_err(StorageError::unavailable)?;
        Ok(StoreTurn {
            turns: self,
            app,
            permit: Some(permit),
        })
    }
}

impl Drop for StoreTurn<'_> {
    fn drop(&mut self) {
        self.permit.take();
        let mut apps = self.turns.apps.lock();
        // Nobody waits for it, or has it.
        let is_idle = |semaphore: &Arc<Semaphore>| Arc::strong_count(semaphore) == 1;
        if apps.get(self.app).is_some_and(is_idle) {
            apps.remove(self.app);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_app_has_half_of_the_pool_and_another_one_does_not_wait() {
        let turns = StoreTurns::new(5, Duration::from_secs(5));
        let [a, b] = ["a", "b"].map(AppIdent::trusted);
        let first = turns.take(&a).await.unwrap();
        let second = turns.take(&a).await.unwrap();
        let failed = turns.take(&a).await;
        assert!(matches!(failed, Err(StorageError::Unavailable(_))));
        let other = turns.take(&b).await.unwrap();
        drop(first);
        let third = turns.take(&a).await.unwrap();
        assert_eq!(turns.apps.lock().len(), 2);
        drop((second, third, other));
        assert!(turns.apps.lock().is_empty(), "idle apps are forgotten");
    }
}
