//! The log of notifications.

use std::sync::Arc;

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};

use super::document::queue_id;
use super::log::attempt_from;
use crate::core::error::StorageError;
use crate::core::model::{
    AppIdent, Attempt, ChannelName, LoggedNotification, Notification, NotificationFilter,
    NotificationState, OutboxEvent, OutboxEventKind, TargetKind, Timestamp,
};
use crate::core::ports::NotificationLog;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::mongodb::error::classify;
use crate::outbound::storage::mongodb::events::all;
use crate::outbound::storage::mongodb::{MongoStore, value};

#[async_trait]
impl NotificationLog for MongoStore {
    async fn notifications(
        &self,
        app: &AppIdent,
        filter: NotificationFilter,
        limit: usize,
    ) -> Result<Vec<LoggedNotification>, StorageError> {
        self.with_timeout(async {
            let Some(app_id) = self.app_id(app).await? else {
                return Ok(Vec::new());
            };
            let mut found = Vec::new();
            let waits = |state| state == NotificationState::Waiting;
            if filter.state.is_none_or(waits) {
                found = self.waiting_of(app, app_id, filter.kind, limit).await?;
            }
            let left = limit.saturating_sub(found.len());
            if !filter.state.is_some_and(waits) && left > 0 {
                found.extend(self.ended_of(app_id, filter, left).await?);
            }
            Ok(found)
        })
        .await
    }

    async fn waiting_notifications(
        &self,
        app: &AppIdent,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, OutboxEvent)>, StorageError> {
        // MongoDB takes a limit of 0 as no limit.
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.with_timeout(async {
            let Some(app_id) = self.app_id(app).await? else {
                return Ok(Vec::new());
            };
            let waiting = doc! {
                "instance": app.as_str(), "app": app_id, "seq": { "$gt": value::signed(after) },
                "target": { "$gt": "" }, "queue": { "$gt": "" },
            };
            let found = self.collections.notices.find(waiting);
            let found = found.sort(doc! { "seq": 1 }).limit(value::signed(limit));
            let exported = |notice: &Document| exported(app, notice);
            all(found).await?.iter().map(exported).collect()
        })
        .await
    }

    async fn is_known(
        &self,
        app: &AppIdent,
        address: &str,
        publish: &str,
    ) -> Result<bool, StorageError> {
        self.with_timeout(async {
            let Some(app_id) = self.app_id(app).await? else {
                return Ok(false);
            };
            let notice = doc! { "_id": format!("{app_id}/{publish}/{address}") };
            let found = self.collections.notices.find_one(notice);
            let found = found.projection(doc! { "_id": 1 }).await;
            Ok(found.map_err(classify)?.is_some())
        })
        .await
    }

    async fn hasten(
        &self,
        app: &AppIdent,
        address: &str,
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        self.with_timeout(async {
            let Some(app_id) = self.app_id(app).await? else {
                return Ok(false);
            };
            let queue = doc! { "_id": queue_id(app_id, address) };
            let sooner = doc! { "$min": { "due": now.micros() } };
            let updated = self.collections.queues.update_one(queue, sooner).await;
            Ok(updated.map_err(classify)?.matched_count == 1)
        })
        .await
    }
}

impl MongoStore {
    async fn waiting_of(
        &self,
        app: &AppIdent,
        app_id: i64,
        kind: Option<TargetKind>,
        limit: usize,
    ) -> StorageResult<Vec<LoggedNotification>> {
        let target = match kind {
            Some(kind) => Bson::from(kind.label()),
            None => Bson::from(doc! { "$gt": "" }),
        };
        let waiting = doc! { "instance": app.as_str(), "app": app_id, "target": target, "queue": { "$gt": "" } };
        let notices = self.collections.notices.find(waiting);
        let notices = all(notices.sort(doc! { "seq": -1 }).limit(value::signed(limit))).await?;
        let ids = notices.iter().map(|one| value::text(one, "queue"));
        let ids = ids.collect::<StorageResult<Vec<_>>>()?;
        let queues = self.collections.queues.find(doc! { "_id": { "$in": ids } });
        let queues = all(queues).await?;
        let mut found = Vec::with_capacity(notices.len());
        for notice in &notices {
            let queue = queues
                .iter()
                .find(|queue| queue.get("_id") == notice.get("queue"));
            let Some(queue) = queue else { continue };
            let due = Timestamp::from_micros(value::int(queue, "due")?);
            let logged = logged(notice, queue, "seq", "time", NotificationState::Waiting)?;
            found.extend(logged.map(|logged| LoggedNotification {
                next_attempt: Some(due),
                ..logged
            }));
        }
        Ok(found)
    }

    async fn ended_of(
        &self,
        app_id: i64,
        filter: NotificationFilter,
        limit: usize,
    ) -> StorageResult<Vec<LoggedNotification>> {
        let mut ended = doc! { "app": app_id };
        match filter.kind {
            Some(kind) => ended.insert("target", kind.label()),
            None => ended.insert(
                "target",
                doc! { "$in": TargetKind::NAMES.map(|(kind, _)| kind.label()).to_vec() },
            ),
        };
        if let Some(state) = filter.state {
            ended.insert("given_up", i32::from(state == NotificationState::Failed));
        }
        let found = self.collections.deliveries.find(ended);
        let found = all(found.sort(doc! { "id": -1 }).limit(value::signed(limit))).await?;
        let mut logs = Vec::with_capacity(found.len());
        for delivery in &found {
            let state = match value::int(delivery, "given_up")? {
                0 => NotificationState::Done,
                _ => NotificationState::Failed,
            };
            logs.extend(logged(delivery, delivery, "id", "created", state)?);
        }
        Ok(logs)
    }
}

fn exported(app: &AppIdent, notice: &Document) -> StorageResult<(u64, OutboxEvent)> {
    let text = |member: &str| value::text(notice, member).map(Arc::<str>::from);
    let address = value::text(notice, "queue")?;
    let (_, address) = address.split_once('/').unwrap_or_default();
    let event = OutboxEvent {
        app: app.clone(),
        channel: ChannelName::trusted(value::text(notice, "channel")?),
        at: Timestamp::from_micros(value::int(notice, "time")?),
        kind: OutboxEventKind::Notification(Notification {
            event: text("event")?,
            frame: text("data")?,
            mid: text("socket")?,
            publish: text("publish")?,
        }),
        addresses: [address.into()].into(),
    };
    Ok((value::unsigned(notice, "seq")?, event))
}

/// The notification of a document; `queue` has the address and the attempts.
fn logged(
    document: &Document,
    queue: &Document,
    id: &str,
    created: &str,
    state: NotificationState,
) -> StorageResult<Option<LoggedNotification>> {
    let address = value::text(queue, "address")?;
    let Some((kind, _)) = TargetKind::of_outbox_address(address) else {
        return Ok(None);
    };
    let text = |member: &str| {
        Ok(value::maybe_text(document, member)?
            .unwrap_or_default()
            .into())
    };
    let last: Attempt = attempt_from(queue)?;
    Ok(Some(LoggedNotification {
        id: value::unsigned(document, id)?,
        kind,
        channel: text("channel")?,
        event: text("event")?,
        address: address.into(),
        state,
        attempts: value::unsigned(queue, "attempts")?,
        last,
        next_attempt: None,
        created: Timestamp::from_micros(value::maybe_int(document, created)?.unwrap_or(0)),
    }))
}
