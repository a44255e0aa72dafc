//! The outbox.

use async_trait::async_trait;
use pushi::core::error::StorageError;
use pushi::core::model::{
    AppIdent, Claim, OutboxEvent, QueuedEvent, ReportedPresence, TargetKind, Timestamp,
};
use pushi::core::ports::{AttemptResult, Outbox, OutboxBytes};

use super::FaultyStore;

#[async_trait]
impl Outbox for FaultyStore {
    async fn put(&self, events: &[OutboxEvent]) -> Result<(), StorageError> {
        let channels = events
            .iter()
            .map(|event| (event.app.clone(), event.channel.clone()));
        self.put.lock().push(channels.collect());
        self.outbox_put.call(self.inner.outbox.put(events)).await
    }

    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claim>, StorageError> {
        self.inner.outbox.claim(holder, now, until, limit).await
    }

    async fn claim_targets(
        &self,
        kind: TargetKind,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        busy: &[AppIdent],
        limit: usize,
    ) -> Result<Vec<Claim>, StorageError> {
        self.inner
            .outbox
            .claim_targets(kind, holder, now, until, busy, limit)
            .await
    }

    async fn oldest(&self, claim: &Claim, limit: usize) -> Result<Vec<QueuedEvent>, StorageError> {
        self.inner.outbox.oldest(claim, limit).await
    }

    async fn settle(&self, claim: &Claim, result: &AttemptResult) -> Result<bool, StorageError> {
        self.inner.outbox.settle(claim, result).await
    }

    async fn settle_all(
        &self,
        settled: &[(Claim, AttemptResult)],
    ) -> Result<Vec<bool>, StorageError> {
        self.inner.outbox.settle_all(settled).await
    }

    async fn release(&self, holder: &str) -> Result<(), StorageError> {
        self.inner.outbox.release(holder).await
    }

    async fn reported_presence(
        &self,
        app: &AppIdent,
        after: Option<&ReportedPresence>,
        limit: usize,
    ) -> Result<Vec<ReportedPresence>, StorageError> {
        self.inner.outbox.reported_presence(app, after, limit).await
    }

    async fn bytes_of(&self, app: &AppIdent) -> Result<OutboxBytes, StorageError> {
        self.inner.outbox.bytes_of(app).await
    }

    async fn depth(&self) -> Result<u64, StorageError> {
        self.inner.outbox.depth().await
    }
}
