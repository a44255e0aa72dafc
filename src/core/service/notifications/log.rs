//! The log of notifications, replays and tests.

use std::sync::Arc;

use crate::core::error::StorageError;
use crate::core::model::{
    App, AppIdent, ChannelName, LoggedNotification, Mid, NewEvent, Notification,
    NotificationFilter, NotificationState, NotificationTarget, Payload, Secret, TargetFilter,
    TargetKind,
};
use crate::core::ports::SendFailure;
use crate::core::service::Service;

/// A test message for one target.
#[derive(Debug, Clone)]
pub struct NotificationTest {
    /// The kind of the target.
    pub kind: TargetKind,
    /// Its address. It need not be registered, unless its kind needs more than the address.
    pub address: Secret,
}

/// Why a test message was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum NotificationTestError {
    /// The target did not accept it.
    #[error(transparent)]
    Failed(#[from] SendFailure),
    /// The store is unavailable.
    #[error("the store is unavailable: {}", .0.chain())]
    Storage(#[from] StorageError),
}

impl Service {
    /// Notifications of an app: those that wait, newest first, and then those that ended, newest first; at most `limit`.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn notifications(
        &self,
        app: &AppIdent,
        filter: NotificationFilter,
        limit: usize,
    ) -> Result<Vec<LoggedNotification>, StorageError> {
        let log = &self.ports.stores.notifications;
        log.notifications(app, filter, limit).await
    }

    /// Tries a notification again that waits or was given up: at once, where nothing waits before it.
    ///
    /// # Errors
    /// `NotFound`: there is no such notification, or it was delivered or replayed. Fails where the store does.
    pub async fn replay_notification(
        &self,
        app: &AppIdent,
        id: u64,
        state: NotificationState,
    ) -> Result<(), StorageError> {
        /// The waiting notifications that are searched.
        const SEARCHED: usize = 10_000;
        let (stores, now) = (&self.ports.stores, self.ports.clock.now());
        let replayed = match state {
            NotificationState::Failed => stores.deliveries.replay(app, id, now).await? > 0,
            NotificationState::Waiting => {
                let filter = NotificationFilter {
                    kind: None,
                    state: Some(NotificationState::Waiting),
                };
                let waiting = self.notifications(app, filter, SEARCHED).await?;
                match waiting.iter().find(|waiting| waiting.id == id) {
                    Some(found) => {
                        stores
                            .notifications
                            .hasten(app, &found.address, now)
                            .await?
                    }
                    None => false,
                }
            }
            NotificationState::Done => false,
        };
        if !replayed {
            return Err(StorageError::NotFound);
        }
        self.parts.notifications.notify_sender();
        Ok(())
    }

    /// Sends a test message to a target, and returns when the target has accepted it.
    ///
    /// # Errors
    /// See [`NotificationTestError`].
    pub async fn test_notification(
        &self,
        app: &App,
        test: &NotificationTest,
    ) -> Result<(), NotificationTestError> {
        let now = self.ports.clock.now();
        let filter = TargetFilter {
            address: Some(test.address.clone()),
            channel: None,
        };
        let targets = &self.ports.stores.targets;
        let found = targets
            .list_targets(&app.ident, test.kind, &filter, 0, 1)
            .await?;
        let channel = ChannelName::trusted("test");
        let target = found.into_iter().next().unwrap_or(NotificationTarget {
            kind: test.kind,
            id: 0,
            channel: channel.clone(),
            address: test.address.clone(),
            p256dh: None,
            auth: None,
            away: None,
            digest: None,
            created: now,
        });
        let event = NewEvent {
            app: app.ident.clone(),
            mid: Mid(Arc::from("test")),
            channel,
            owner_id: None,
            timestamp: now,
            publish: None,
            payload: Payload {
                event: "test".into(),
                data: "This is a test of pushi notify.".into(),
                extra: Default::default(),
            },
        };
        let notification = Notification {
            event: Arc::clone(&event.payload.event),
            frame: (self.ports.render_event)(&event, None).into(),
            mid: Arc::clone(&event.mid.0),
            publish: Arc::clone(&event.mid.0),
        };
        let couriers = self.parts.notification_sender.couriers();
        couriers.send(app, &target, &notification, 1, now).await?;
        Ok(())
    }
}
