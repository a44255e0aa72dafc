//! Direct messages: to targets that a request names.

mod adapters;
mod apn;
mod body;
mod email;
mod mail_shapes;
mod outcome;
mod queue;
mod several_shapes;
mod shapes;
mod web;
mod web_push;

use std::sync::Arc;

use poem_openapi::OpenApi;
use serde_json::Value;

use self::body::DirectBody;
use self::mail_shapes::{ApnSentShape, ApnShape, MailSentShape, MailShape};
use self::queue::{DirectAnswer, is_queued, queue};
use self::several_shapes::{MessagesSentShape, MessagesShape};
use self::shapes::{PushSentShape, PushShape, WebSentShape, WebShape};
use super::RestContext;
use super::answer::JsonAnswer;
use super::body::JsonText;
use super::problem::Problem;
use super::security::SessionCaller;
use super::tags::Section;

/// The routes of direct messages.
pub(super) struct MessagingRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Messaging")]
impl MessagingRoutes {
    /// Send a message through several adapters
    ///
    /// Sends to the targets in the body, which need no registration, and answers with the result of each adapter by its name. Adapters
    /// without targets are left out. `success` is true if all targets of the adapter accepted the message.
    #[oai(
        path = "/messaging/send",
        method = "post",
        operation_id = "sendMessages"
    )]
    async fn send(
        &self,
        session: SessionCaller,
        body: JsonText<MessagesShape>,
    ) -> Result<DirectAnswer<MessagesSentShape>, Problem> {
        let (service, app) = (&self.0.service, &session.app);
        let body = DirectBody::read(&body.text)?;
        if is_queued(&body, &[])? {
            return queue(service, app, adapters::queued(service, app, &body)?).await;
        }
        let sent = adapters::send(service, app, &body).await?;
        Ok(sent_answer(Value::Object(sent)))
    }

    /// Send a message to Apple devices
    ///
    /// Sends the message over Apple's push service (HTTP/2), with the key or certificate of the app or of the request. `success` is true
    /// if Apple accepted it for all devices.
    #[oai(path = "/messaging/apn", method = "post", operation_id = "sendApn")]
    async fn apn(
        &self,
        session: SessionCaller,
        body: JsonText<ApnShape>,
    ) -> Result<DirectAnswer<ApnSentShape>, Problem> {
        let (service, app) = (&self.0.service, &session.app);
        let body = DirectBody::read(&body.text)?;
        let request = apn::read(&body, service, app)?;
        if is_queued(&body, &apn::OWN)? {
            return queue(service, app, request.queued()?).await;
        }
        Ok(sent_answer(request.send(service, app).await))
    }

    /// Send an e-mail
    ///
    /// Sends one e-mail to each recipient, through the mail server of the request, else of the app (`smtp_url`), else of the operator.
    /// `success` is true if the mail server accepted all of them.
    #[oai(path = "/messaging/email", method = "post", operation_id = "sendEmail")]
    async fn email(
        &self,
        session: SessionCaller,
        body: JsonText<MailShape>,
    ) -> Result<DirectAnswer<MailSentShape>, Problem> {
        let (service, app) = (&self.0.service, &session.app);
        let body = DirectBody::read(&body.text)?;
        let request = email::read(&body, service, app)?;
        if is_queued(&body, &email::OWN)? {
            return queue(service, app, request.queued()?).await;
        }
        Ok(sent_answer(request.send(service, app).await))
    }

    /// Send a request to web hooks
    ///
    /// Sends one request to each address, signed as those of registered web hooks: `X-Pushi-Signature` is `t=<seconds>,v1=<hex>` with the
    /// HMAC-SHA256 of `<seconds>.<body>`, keyed with the app's secret. `success` is true if all of them answered with 2xx.
    #[oai(
        path = "/messaging/webhook",
        method = "post",
        operation_id = "sendWebhook"
    )]
    async fn webhook(
        &self,
        session: SessionCaller,
        body: JsonText<WebShape>,
    ) -> Result<DirectAnswer<WebSentShape>, Problem> {
        let (service, app) = (&self.0.service, &session.app);
        let body = DirectBody::read(&body.text)?;
        let request = web::read(&body)?;
        if is_queued(&body, &[])? {
            return queue(service, app, request.queued()).await;
        }
        Ok(sent_answer(request.send(service, app).await))
    }

    /// Send a message to browsers
    ///
    /// Encrypts the message for each browser and sends it to the browser's push service (RFC 8030, 8291, 8292). `success` is true if all
    /// push services accepted it.
    #[oai(
        path = "/messaging/web_push",
        method = "post",
        operation_id = "sendWebPush"
    )]
    async fn web_push(
        &self,
        session: SessionCaller,
        body: JsonText<PushShape>,
    ) -> Result<DirectAnswer<PushSentShape>, Problem> {
        let (service, app) = (&self.0.service, &session.app);
        let body = DirectBody::read(&body.text)?;
        let request = web_push::read(&body)?;
        if is_queued(&body, &web_push::OWN)? {
            return queue(service, app, request.queued()).await;
        }
        Ok(sent_answer(request.send(service, app).await))
    }
}

fn sent_answer<T>(results: Value) -> DirectAnswer<T> {
    DirectAnswer::Sent(JsonAnswer::text(results.to_string()))
}
