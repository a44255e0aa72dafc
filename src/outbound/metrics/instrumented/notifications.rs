//! The ports of notifications.

use async_trait::async_trait;

use super::Instrumented;
use crate::core::model::{
    AppIdent, ChannelName, DueMark, DuePublish, LoggedNotification, NewTarget, NotificationFilter,
    NotificationTarget, OutboxEvent, TargetFilter, TargetKind, Timestamp,
};
use crate::core::ports::{Call, DuePublishes, NotificationLog, TargetStore};
use crate::outbound::storage::StorageResult;

#[async_trait]
impl TargetStore for Instrumented<dyn TargetStore> {
    async fn register(
        &self,
        app: &AppIdent,
        target: &NewTarget,
        only: bool,
        now: Timestamp,
    ) -> StorageResult<(NotificationTarget, bool)> {
        let call = self.inner.register(app, target, only, now);
        self.call_of(app, Call::Write, call).await
    }

    async fn list_targets(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        filter: &TargetFilter,
        after: u64,
        limit: usize,
    ) -> StorageResult<Vec<NotificationTarget>> {
        let call = self.inner.list_targets(app, kind, filter, after, limit);
        self.call(Call::Read, call).await
    }

    async fn remove_target(
        &self,
        app: &AppIdent,
        kind: TargetKind,
        address: &str,
        channel: Option<&ChannelName>,
    ) -> StorageResult<Vec<NotificationTarget>> {
        let call = self.inner.remove_target(app, kind, address, channel);
        self.call(Call::Write, call).await
    }

    async fn with_targets(
        &self,
        app: &AppIdent,
        channels: &[ChannelName],
    ) -> StorageResult<Vec<ChannelName>> {
        self.call(Call::Read, self.inner.with_targets(app, channels))
            .await
    }

    async fn has_targets(&self, app: &AppIdent) -> StorageResult<bool> {
        self.call(Call::Read, self.inner.has_targets(app)).await
    }

    async fn count_targets(&self, kind: TargetKind) -> StorageResult<u64> {
        self.call(Call::Read, self.inner.count_targets(kind)).await
    }
}

#[async_trait]
impl DuePublishes for Instrumented<dyn DuePublishes> {
    async fn claim_due(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        turn: (&[AppIdent], Option<&AppIdent>),
        apps: usize,
        events: usize,
    ) -> StorageResult<Vec<DuePublish>> {
        let call = self.inner.claim_due(holder, now, until, turn, apps, events);
        self.call(Call::Read, call).await
    }

    async fn advance_due(
        &self,
        due: &DuePublish,
        cursor: Option<&str>,
        until: Timestamp,
    ) -> StorageResult<()> {
        self.call(Call::Write, self.inner.advance_due(due, cursor, until))
            .await
    }

    async fn finish_due(&self, due: &[DuePublish]) -> StorageResult<()> {
        self.call(Call::Write, self.inner.finish_due(due)).await
    }

    async fn list_due(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> StorageResult<Vec<DueMark>> {
        self.call(Call::Read, self.inner.list_due(app, after, limit))
            .await
    }

    async fn put_due(&self, app: &AppIdent, due: &[DueMark]) -> StorageResult<()> {
        self.call(Call::Write, self.inner.put_due(app, due)).await
    }

    async fn release_due(&self, holder: &str) -> StorageResult<()> {
        self.call(Call::Write, self.inner.release_due(holder)).await
    }
}

#[async_trait]
impl NotificationLog for Instrumented<dyn NotificationLog> {
    async fn notifications(
        &self,
        app: &AppIdent,
        filter: NotificationFilter,
        limit: usize,
    ) -> StorageResult<Vec<LoggedNotification>> {
        self.call_of(
            app,
            Call::Read,
            self.inner.notifications(app, filter, limit),
        )
        .await
    }

    async fn waiting_notifications(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> StorageResult<Vec<(u64, OutboxEvent)>> {
        let call = self.inner.waiting_notifications(app, after, limit);
        self.call(Call::Read, call).await
    }

    async fn is_known(&self, app: &AppIdent, address: &str, publish: &str) -> StorageResult<bool> {
        let call = self.inner.is_known(app, address, publish);
        self.call(Call::Read, call).await
    }

    async fn hasten(&self, app: &AppIdent, address: &str, now: Timestamp) -> StorageResult<bool> {
        self.call_of(app, Call::Write, self.inner.hasten(app, address, now))
            .await
    }
}
