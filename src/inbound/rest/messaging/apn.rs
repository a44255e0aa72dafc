//! Direct messages to Apple devices.

use serde_json::Value;

use super::body::DirectBody;
use super::outcome::{Outcome, attempted, not_attempted};
use crate::core::model::{
    ApnContent, App, DeviceToken, PushCheckError, PushCredentials, Secret, TargetKind,
};
use crate::core::service::{
    ApnIdentity, ApnIdentityError, DirectMessage, GivenApnIdentity, Service,
};
use crate::inbound::rest::problem::Problem;

/// The list of those that got the message, in results.
const LIST: &str = "tokens";

/// The members with credentials in place of the app's.
pub(super) const OWN: [&str; 3] = ["key_data", "cer_data", "sandbox"];

/// The problem of a request without a message.
const NO_MESSAGE: &str = "No message specified";

/// A message that is to be sent to devices.
pub(super) struct ApnRequest {
    tokens: Vec<String>,
    /// The JSON text of the message; `None`: there is none.
    message: Option<String>,
    /// What is sent of it.
    content: Option<ApnContent>,
    /// The sender, or why there is none.
    identity: Result<ApnIdentity, ApnIdentityError>,
}

/// Reads the body of `/messaging/apn`.
pub(super) fn read(
    body: &DirectBody<'_>,
    service: &Service,
    app: &App,
) -> Result<ApnRequest, Problem> {
    let tokens = body.targets("tokens")?;
    if tokens.is_empty() {
        return Err(Problem::bad_request("No device tokens specified"));
    }
    let message = message(body, "message").ok_or_else(|| Problem::bad_request(NO_MESSAGE))?;
    let given = GivenApnIdentity {
        key: credential(body, "key_data", PushCredentials::check_apn_key)?,
        cer: credential(body, "cer_data", PushCredentials::check_apn_cer)?,
        sandbox: body.flag("sandbox")?,
    };
    request(service, app, tokens, Some(message), given)
}

/// Reads the members of `/messaging/send`; `None`: there is no device.
pub(super) fn read_of_several(
    body: &DirectBody<'_>,
    service: &Service,
    app: &App,
) -> Result<Option<ApnRequest>, Problem> {
    let tokens = body.targets("apn_tokens")?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let message = message(body, "apn_message").or_else(|| message(body, "data"));
    request(service, app, tokens, message, GivenApnIdentity::default()).map(Some)
}

fn request(
    service: &Service,
    app: &App,
    tokens: Vec<String>,
    message: Option<&str>,
    given: GivenApnIdentity,
) -> Result<ApnRequest, Problem> {
    let content = message
        .map(|message| service.apn_content(message))
        .transpose()
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(ApnRequest {
        tokens,
        message: message.map(String::from),
        content,
        identity: Service::apn_identity(app, given),
    })
}

/// The JSON text of a message that says something.
fn message<'a>(body: &DirectBody<'a>, name: &str) -> Option<&'a str> {
    let empty = |json: &&str| !matches!(*json, "\"\"" | "{}" | "[]" | "false" | "0");
    body.get(name).filter(empty)
}

fn credential(
    body: &DirectBody<'_>,
    name: &str,
    check: fn(&str) -> Result<(), PushCheckError>,
) -> Result<Option<Secret>, Problem> {
    let Some(text) = body.text(name)? else {
        return Ok(None);
    };
    check(&text).map_err(|error| Problem::bad_request(format!("{name} {error}")))?;
    Ok(Some(Secret::new(text)))
}

impl ApnRequest {
    /// Sends it.
    pub(super) async fn outcome(self, service: &Service, app: &App) -> Outcome {
        let (content, identity) = match (self.content, self.identity) {
            (Some(content), Ok(identity)) => (content, identity),
            (None, _) => return not_attempted(LIST, &self.tokens, NO_MESSAGE),
            (_, Err(error)) => return not_attempted(LIST, &self.tokens, &error.to_string()),
        };
        let tokens = self.tokens.iter().map(|token| Secret::new(token.as_str()));
        let results = service
            .send_to_devices(app, tokens.collect(), &content, &identity)
            .await;
        attempted(LIST, &self.tokens, &results)
    }

    /// What is queued of it.
    ///
    /// # Errors
    /// There is no message, or a token is none.
    pub(super) fn queued(self) -> Result<Vec<DirectMessage>, Problem> {
        let message = self
            .message
            .ok_or_else(|| Problem::bad_request(NO_MESSAGE))?;
        for token in &self.tokens {
            DeviceToken::check(token)
                .map_err(|error| Problem::bad_request(format!("the device token {error}")))?;
        }
        Ok(vec![DirectMessage {
            kind: TargetKind::Apn,
            addresses: self.tokens.into_iter().map(Secret::new).collect(),
            content: format!("{{\"apn\":{message}}}"),
        }])
    }

    /// Sends it; the answer.
    pub(super) async fn send(self, service: &Service, app: &App) -> Value {
        Value::Object(self.outcome(service, app).await)
    }
}
