//! The message for a target, kind by kind.

use bytes::Bytes;

use crate::core::model::{
    App, Notification, NotificationTarget, TargetKind, Timestamp, WebMessage, WebMethod, WebSigning,
};
use crate::core::ports::{SendFailure, Senders, Verdict};

/// Sends notifications of every kind in [`KINDS`](super::KINDS).
#[derive(Clone)]
pub(super) struct Couriers {
    senders: Senders,
}

impl Couriers {
    pub(super) fn new(senders: Senders) -> Self {
        Self { senders }
    }

    /// Makes one attempt.
    pub(super) async fn send(
        &self,
        app: &App,
        target: &NotificationTarget,
        notification: &Notification,
        attempt: u64,
        now: Timestamp,
    ) -> Result<(), SendFailure> {
        match target.kind {
            TargetKind::Web => {
                let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
                let message = WebMessage {
                    url: target.address.clone(),
                    method: WebMethod::Post,
                    headers: Vec::new(),
                    body: Bytes::copy_from_slice(notification.frame.as_bytes()),
                    signing: WebSigning::of(app, notification.mid.to_string(), attempt, now),
                };
                self.senders.web.send(&message).await
            }
            TargetKind::WebPush | TargetKind::Apn | TargetKind::Smtp => Err(SendFailure::new(
                Verdict::Refused,
                "this server cannot notify targets of this kind",
            )),
        }
    }
}
