//! The message for a target, kind by kind.

use std::sync::Arc;

use bytes::Bytes;

use super::ReadEventPush;
use crate::core::auth::{UnsubscribeToken, derived_mid};
use crate::core::model::{
    App, BrowserKeys, EmailMessage, MailContent, Mid, Notification, NotificationTarget, Secret,
    TargetKind, Timestamp, WebContent, WebMessage, WebMethod, WebSigning,
};
use crate::core::ports::{MessageFormat, SendFailure, Senders, Verdict};
use crate::core::service::{
    GivenApnIdentity, GivenMailServer, GivenVapid, MessageRules, Ports, PushTarget, Service, mail,
    vapid,
};

/// Sends notifications of every kind in [`KINDS`](super::KINDS).
#[derive(Clone)]
pub(in crate::core::service) struct Couriers {
    senders: Senders,
    format: Arc<dyn MessageFormat>,
    read_push: ReadEventPush,
    rules: MessageRules,
}

impl Couriers {
    pub(in crate::core::service) fn new(ports: &Ports, rules: &MessageRules) -> Self {
        Self {
            senders: ports.senders.clone(),
            format: Arc::clone(&ports.format),
            read_push: ports.read_event_push,
            rules: rules.clone(),
        }
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
                let content = self.web_content(notification)?;
                let message = WebMessage {
                    url: target.address.clone(),
                    method: content.method,
                    headers: content.headers,
                    body: content.body,
                    signing: WebSigning::of(app, notification.mid.to_string(), attempt, now),
                };
                self.senders.web.send(&message).await
            }
            TargetKind::WebPush => self.web_push(app, target, notification, now).await,
            TargetKind::Smtp => self.email(app, target, notification, now).await,
            TargetKind::Apn => self.apn(app, target, notification, now).await,
        }
    }

    fn web_content(&self, notification: &Notification) -> Result<WebContent, SendFailure> {
        if !notification.is_direct() {
            return Ok(WebContent {
                method: WebMethod::Post,
                headers: Vec::new(),
                body: Bytes::copy_from_slice(notification.frame.as_bytes()),
            });
        }
        let content = self.format.direct_web(&notification.frame);
        content.ok_or_else(|| SendFailure::new(Verdict::Refused, "the stored message is malformed"))
    }

    async fn web_push(
        &self,
        app: &App,
        target: &NotificationTarget,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<(), SendFailure> {
        let content = (self.read_push)(&notification.frame).map_err(refused)?;
        let browser = PushTarget {
            endpoint: target.address.clone(),
            keys: match notification.is_direct() {
                true => self
                    .format
                    .direct_keys(&notification.frame)
                    .map_err(refused)?,
                false => browser_keys(target)?,
            },
        };
        let contact = self.rules.contact.as_deref();
        let vapid = vapid::resolve(app, GivenVapid::default(), contact).map_err(credentials)?;
        let message = browser.message(&content, &vapid, self.rules.web_push_ttl, now);
        self.senders.web_push.send(&message).await
    }

    async fn email(
        &self,
        app: &App,
        target: &NotificationTarget,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<(), SendFailure> {
        let content = match notification.is_direct() {
            true => self.format.direct_mail(&notification.frame),
            false => self.format.event_mail(&notification.frame),
        };
        // The same in every attempt, and another one for each address.
        let id = derived_mid(&[&notification.mid, target.address.expose()]);
        let message = self.mail(app, target, content, &id, now)?;
        self.send_mail(&message).await
    }

    /// A mail to a target.
    fn mail(
        &self,
        app: &App,
        target: &NotificationTarget,
        content: MailContent,
        id: &Mid,
        now: Timestamp,
    ) -> Result<EmailMessage, SendFailure> {
        let operator = self.rules.mail.as_ref();
        let server = mail::resolve(app, operator, &GivenMailServer::default());
        let server = server.map_err(credentials)?;
        let id = id.0.to_string();
        let mut message = mail::message(target.address.clone(), content, server, id, now);
        message.unsubscribe = self.unsubscribe_link(app, target);
        Ok(message)
    }

    /// The mail about several notifications, at least one, and how many of the first ones it lists.
    pub(super) fn digest(
        &self,
        app: &App,
        target: &NotificationTarget,
        notifications: &[&Notification],
        now: Timestamp,
    ) -> Result<(EmailMessage, usize), SendFailure> {
        let frames: Vec<&str> = notifications.iter().map(|one| &*one.frame).collect();
        let content = self.format.digest_mail(&frames);
        // The same in every attempt with the same notifications.
        let ends = [
            notifications.first(),
            notifications.get(content.events.saturating_sub(1)),
        ];
        let ends = ends.map(|one| one.map_or("", |one| &*one.mid));
        let id = derived_mid(&["digest", ends[0], ends[1], target.address.expose()]);
        let message = self.mail(app, target, content.mail, &id, now)?;
        Ok((message, content.events))
    }

    /// Sends a mail.
    pub(super) async fn send_mail(&self, message: &EmailMessage) -> Result<(), SendFailure> {
        self.senders.email.send(message).await
    }

    /// Where the recipient can end the registration; `None`: nowhere, or a test has none.
    fn unsubscribe_link(&self, app: &App, target: &NotificationTarget) -> Option<Secret> {
        let base = self.rules.public_url.as_ref().filter(|_| target.id > 0)?;
        let token = UnsubscribeToken::of(app, target).text();
        Some(Secret::new(format!(
            "{base}/unsubscribe/{}",
            token.expose()
        )))
    }

    async fn apn(
        &self,
        app: &App,
        target: &NotificationTarget,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<(), SendFailure> {
        let content = self
            .format
            .event_apn(&notification.frame)
            .map_err(refused)?;
        let identity =
            Service::apn_identity(app, GivenApnIdentity::default()).map_err(credentials)?;
        let message = identity.message(target.address.clone(), &content, now);
        self.senders.apn.send(&message).await
    }
}

/// The keys of a registered browser. The original checks none.
fn browser_keys(target: &NotificationTarget) -> Result<BrowserKeys, SendFailure> {
    let (Some(p256dh), Some(auth)) = (&target.p256dh, &target.auth) else {
        return Err(SendFailure::new(
            Verdict::Refused,
            "the browser's keys are unknown: register the endpoint first",
        ));
    };
    BrowserKeys::parse(p256dh.expose(), auth.expose()).map_err(refused)
}

fn refused(error: impl std::error::Error) -> SendFailure {
    SendFailure::new(Verdict::Refused, error.to_string())
}

fn credentials(error: impl std::error::Error) -> SendFailure {
    SendFailure::new(Verdict::Credentials, error.to_string())
}
