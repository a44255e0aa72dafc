//! Direct messages: to web hooks and browsers that a request names.

mod adapters;
mod body;
mod outcome;
mod shapes;
mod web;
mod web_push;

use std::sync::Arc;

use poem_openapi::OpenApi;
use serde_json::Value;

use self::body::DirectBody;
use self::shapes::{
    MessagesSentShape, MessagesShape, PushSentShape, PushShape, WebSentShape, WebShape,
};
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
    ) -> Result<JsonAnswer<MessagesSentShape>, Problem> {
        let body = DirectBody::read(&body.text)?;
        let sent = adapters::send(&self.0.service, &session.app, &body).await?;
        Ok(JsonAnswer::text(Value::Object(sent).to_string()))
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
    ) -> Result<JsonAnswer<WebSentShape>, Problem> {
        let request = web::read(&DirectBody::read(&body.text)?)?;
        let sent = request.send(&self.0.service, &session.app).await;
        Ok(JsonAnswer::text(sent.to_string()))
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
    ) -> Result<JsonAnswer<PushSentShape>, Problem> {
        let request = web_push::read(&DirectBody::read(&body.text)?)?;
        let sent = request.send(&self.0.service, &session.app).await;
        Ok(JsonAnswer::text(sent.to_string()))
    }
}
