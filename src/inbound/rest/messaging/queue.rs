//! Messages that are queued instead of sent.

use poem::http::StatusCode;
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use serde_json::json;

use super::body::DirectBody;
use crate::core::model::App;
use crate::core::service::{DirectMessage, Service};
use crate::inbound::rest::answer::JsonAnswer;
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::schema::{example, inline, plain, shape};

/// The member of a body that asks for it.
const QUEUE: &str = "queue";

/// Its schema.
pub(super) fn queue_member() -> (&'static str, MetaSchemaRef) {
    let about = "Store the message and answer 202 at once: it is sent as notifications are, with retries. Only with the app's own settings.";
    (QUEUE, inline(plain("boolean", about)))
}

/// Whether a message is to be queued. Credentials are not stored, so a body with one of the members `own` cannot be.
pub(super) fn is_queued(body: &DirectBody<'_>, own: &[&str]) -> Result<bool, Problem> {
    if !body.flag(QUEUE)?.unwrap_or(false) {
        return Ok(false);
    }
    match own.iter().find(|name| body.get(name).is_some()) {
        Some(name) => Err(Problem::bad_request(format!(
            "{name} cannot be given with queue: a queued message is sent with the settings of the app"
        ))),
        None => Ok(true),
    }
}

/// Queues messages.
pub(super) async fn queue<T>(
    service: &Service,
    app: &App,
    messages: Vec<DirectMessage>,
) -> Result<DirectAnswer<T>, Problem> {
    let id = service.queue_messages(app, messages).await?;
    let answer = json!({"result": "queued", "id": &*id.0});
    Ok(DirectAnswer::Queued(JsonAnswer::text(answer.to_string())))
}

shape! {
    /// The answer where messages were queued.
    QueuedShape as "QueuedMessages" = |_| {
        let schema = MetaSchema {
            required: vec!["result", "id"],
            properties: vec![
                ("result", inline(plain("string", "Always `queued`."))),
                ("id", inline(plain("string", "The id of the messages of the request; web hooks get it as `X-Pushi-Event-Id`."))),
            ],
            ..plain("object", "Queued messages.")
        };
        example(schema, json!({"result": "queued", "id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}))
    }
}

/// The answer to a direct message: 200 with the results `T`, or 202.
pub(super) enum DirectAnswer<T> {
    /// Attempts were made.
    Sent(JsonAnswer<T>),
    /// The message was queued.
    Queued(JsonAnswer<QueuedShape>),
}

impl<T> IntoResponse for DirectAnswer<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Sent(answer) => answer.into_response(),
            Self::Queued(answer) => {
                let mut response = answer.into_response();
                response.set_status(StatusCode::ACCEPTED);
                response
            }
        }
    }
}

impl<T: Type> ApiResponse for DirectAnswer<T> {
    fn meta() -> MetaResponses {
        let mut responses = JsonAnswer::<T>::meta().responses;
        for mut queued in JsonAnswer::<QueuedShape>::meta().responses {
            queued.status = Some(StatusCode::ACCEPTED.as_u16());
            queued.description = "Queued.";
            responses.push(queued);
        }
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        JsonAnswer::<T>::register(registry);
        JsonAnswer::<QueuedShape>::register(registry);
    }
}
