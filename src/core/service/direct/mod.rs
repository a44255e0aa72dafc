//! Direct messages: sent to the targets of one request, one attempt each, or queued.

mod queue;
mod slots;

use futures_util::future::join_all;

pub use self::queue::{DirectMessage, QueueMessagesError};
pub(super) use self::slots::SendSlots;
use super::Service;
use crate::core::model::{
    App, BrowserKeys, PushContent, Secret, TargetKind, Timestamp, Vapid, WebContent, WebMessage,
    WebPushMessage, WebSigning,
};
use crate::core::ports::{NotificationOutcome, SendFailure, Sender};

/// The most targets of one kind in a request.
pub const MAX_DIRECT_TARGETS: usize = 100;

/// A browser.
#[derive(Debug, Clone)]
pub struct PushTarget {
    /// The address of its push service.
    pub endpoint: Secret,
    /// The keys to encrypt for.
    pub keys: BrowserKeys,
}

impl PushTarget {
    /// A message to the browser; `ttl`: the seconds for which push services keep one that does not say.
    pub(super) fn message(
        self,
        content: &PushContent,
        vapid: &Vapid,
        ttl: u32,
        at: Timestamp,
    ) -> WebPushMessage {
        WebPushMessage {
            endpoint: self.endpoint,
            keys: self.keys,
            payload: content.payload.clone(),
            ttl: content.ttl.unwrap_or(ttl),
            urgency: content.urgency,
            topic: content.topic.clone(),
            vapid: vapid.clone(),
            at,
        }
    }
}

impl Service {
    /// Sends the same to web hooks. The results are in the order of the addresses.
    pub async fn send_to_webs(
        &self,
        app: &App,
        urls: Vec<Secret>,
        content: &WebContent,
    ) -> Vec<Result<(), SendFailure>> {
        let (at, id) = (self.ports.clock.now(), self.new_mid());
        let message = |url| WebMessage {
            url,
            method: content.method,
            headers: content.headers.clone(),
            body: content.body.clone(),
            signing: WebSigning::of(app, id.0.to_string(), 1, at),
        };
        let messages = urls.into_iter().map(message).collect();
        self.send_all(app, TargetKind::Web, &*self.ports.senders.web, messages)
            .await
    }

    /// Sends the same to browsers. The results are in the order of the targets.
    pub async fn send_to_browsers(
        &self,
        app: &App,
        targets: Vec<PushTarget>,
        content: &PushContent,
        vapid: &Vapid,
    ) -> Vec<Result<(), SendFailure>> {
        let at = self.ports.clock.now();
        let ttl = self.rules.messages.web_push_ttl;
        let message = |target: PushTarget| target.message(content, vapid, ttl, at);
        let messages = targets.into_iter().map(message).collect();
        let sender = &*self.ports.senders.web_push;
        self.send_all(app, TargetKind::WebPush, sender, messages)
            .await
    }

    /// Makes one attempt for each message, all at once within the bounds of [`SendSlots`].
    pub(super) async fn send_all<M>(
        &self,
        app: &App,
        kind: TargetKind,
        sender: &dyn Sender<M>,
        messages: Vec<M>,
    ) -> Vec<Result<(), SendFailure>> {
        let (slots, wait) = (&self.parts.sends, self.rules.messages.timeout);
        let sends = messages.iter().map(|message| async move {
            let sent = async {
                let _slot = slots.acquire(&app.ident, wait).await?;
                sender.send(message).await
            };
            let sent = sent.await;
            let outcome = match sent {
                Ok(()) => NotificationOutcome::Delivered,
                Err(_) => NotificationOutcome::GivenUp,
            };
            self.hub.metrics().direct_message(kind, outcome);
            sent
        });
        join_all(sends).await
    }
}
