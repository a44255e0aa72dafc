//! The ports of the outbox.

use async_trait::async_trait;

use super::Instrumented;
use crate::core::model::{
    AppIdent, Claim, Delivery, LostEvents, OutboxEvent, QueuedAddress, QueuedEvent,
    ReportedPresence, TargetKind, Timestamp,
};
use crate::core::ports::{AttemptResult, Call, DeliveryLog, Outbox, OutboxBytes};
use crate::outbound::storage::StorageResult;

#[async_trait]
impl Outbox for Instrumented<dyn Outbox> {
    async fn put(&self, events: &[OutboxEvent]) -> StorageResult<()> {
        self.call(Call::Write, self.inner.put(events)).await
    }

    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> StorageResult<Vec<Claim>> {
        self.call(Call::Read, self.inner.claim(holder, now, until, limit))
            .await
    }

    async fn claim_targets(
        &self,
        kind: TargetKind,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        busy: &[AppIdent],
        limit: usize,
    ) -> StorageResult<Vec<Claim>> {
        let call = self
            .inner
            .claim_targets(kind, holder, now, until, busy, limit);
        self.call(Call::Read, call).await
    }

    async fn oldest(&self, claim: &Claim, limit: usize) -> StorageResult<Vec<QueuedEvent>> {
        self.call(Call::Read, self.inner.oldest(claim, limit)).await
    }

    async fn settle(&self, claim: &Claim, settlement: &AttemptResult) -> StorageResult<bool> {
        self.call(Call::Write, self.inner.settle(claim, settlement))
            .await
    }

    async fn settle_all(&self, settled: &[(Claim, AttemptResult)]) -> StorageResult<Vec<bool>> {
        self.call(Call::Write, self.inner.settle_all(settled)).await
    }

    async fn release(&self, holder: &str) -> StorageResult<()> {
        self.call(Call::Write, self.inner.release(holder)).await
    }

    async fn reported_presence(
        &self,
        app: &AppIdent,
        after: Option<&ReportedPresence>,
        limit: usize,
    ) -> StorageResult<Vec<ReportedPresence>> {
        self.call(Call::Read, self.inner.reported_presence(app, after, limit))
            .await
    }

    async fn bytes_of(&self, app: &AppIdent) -> StorageResult<OutboxBytes> {
        self.call(Call::Read, self.inner.bytes_of(app)).await
    }

    async fn depth(&self) -> StorageResult<u64> {
        self.call(Call::Read, self.inner.depth()).await
    }
}

#[async_trait]
impl DeliveryLog for Instrumented<dyn DeliveryLog> {
    async fn waiting(&self, app: &AppIdent) -> StorageResult<Vec<QueuedAddress>> {
        self.call_of(app, Call::Read, self.inner.waiting(app)).await
    }

    async fn deliveries(
        &self,
        app: &AppIdent,
        before: Option<u64>,
        limit: usize,
    ) -> StorageResult<Vec<Delivery>> {
        self.call_of(app, Call::Read, self.inner.deliveries(app, before, limit))
            .await
    }

    async fn log_lost(&self, lost: &[LostEvents]) -> StorageResult<()> {
        self.call(Call::Write, self.inner.log_lost(lost)).await
    }

    async fn replay(&self, app: &AppIdent, delivery: u64, now: Timestamp) -> StorageResult<u64> {
        self.call_of(app, Call::Write, self.inner.replay(app, delivery, now))
            .await
    }

    async fn prune(
        &self,
        delivered: Timestamp,
        given_up: Timestamp,
        limit: usize,
    ) -> StorageResult<u64> {
        self.call(Call::Write, self.inner.prune(delivered, given_up, limit))
            .await
    }
}
