//! An outbox that can be away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use pushi::core::error::StorageError;
use pushi::core::model::{AppIdent, Claim, OutboxEvent, QueuedEvent, ReportedPresence, Timestamp};
use pushi::core::ports::{AttemptResult, Outbox};

/// Nothing can be put into it while it is away; where it says so, that was done all the same.
pub struct Shaky {
    pub inner: Arc<dyn Outbox>,
    pub away: AtomicBool,
    pub unsure: AtomicBool,
}

#[async_trait]
impl Outbox for Shaky {
    async fn put(&self, happenings: &[OutboxEvent]) -> Result<(), StorageError> {
        if !self.away.load(Ordering::SeqCst) {
            return self.inner.put(happenings).await;
        }
        if self.unsure.load(Ordering::SeqCst) {
            self.inner.put(happenings).await?;
        }
        Err(StorageError::unavailable("away"))
    }

    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claim>, StorageError> {
        self.inner.claim(holder, now, until, limit).await
    }

    async fn oldest(&self, claim: &Claim, limit: usize) -> Result<Vec<QueuedEvent>, StorageError> {
        self.inner.oldest(claim, limit).await
    }

    async fn settle(
        &self,
        claim: &Claim,
        settlement: &AttemptResult,
    ) -> Result<bool, StorageError> {
        self.inner.settle(claim, settlement).await
    }

    async fn release(&self, holder: &str) -> Result<(), StorageError> {
        self.inner.release(holder).await
    }

    async fn reported_presence(
        &self,
        app: &AppIdent,
        after: Option<&ReportedPresence>,
        limit: usize,
    ) -> Result<Vec<ReportedPresence>, StorageError> {
        self.inner.reported_presence(app, after, limit).await
    }

    async fn depth(&self) -> Result<u64, StorageError> {
        self.inner.depth().await
    }
}
