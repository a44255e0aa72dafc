//! Direct messages to browsers.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::body::{DirectBody, check_address, check_number};
use super::outcome::{Outcome, attempted, not_attempted};
use crate::core::model::{App, BrowserKeys, P256Key, PushContent, Secret, Vapid};
use crate::core::service::{GivenVapid, PushTarget, Service};
use crate::inbound::rest::problem::Problem;
use crate::inbound::wire::push_content;

/// The list of those that were sent to.
const LIST: &str = "endpoints";

/// A message that is to be sent to browsers.
pub(super) struct PushRequest {
    endpoints: Vec<String>,
    targets: Vec<PushTarget>,
    content: PushContent,
    given: GivenVapid,
}

/// Reads the body of `/messaging/web_push`.
pub(super) fn read(body: &DirectBody<'_>) -> Result<PushRequest, Problem> {
    let mut targets = subscriptions(body, "subscriptions")?;
    if targets.is_empty() {
        targets.push(subscription(body, "")?);
    }
    body.check_address("endpoint")?;
    for name in ["p256dh", "auth"] {
        body.text(name)?;
    }
    let given = GivenVapid {
        key: key(body, "vapid_private_key")?,
        contact: contact(body, "vapid_email")?,
    };
    request("message", body.get("message"), targets, given)
}

/// Reads the members of `/messaging/send`; `None`: there is no target.
pub(super) fn read_of_several(body: &DirectBody<'_>) -> Result<Option<PushRequest>, Problem> {
    let targets = subscriptions(body, "web_push_subscriptions")?;
    if targets.is_empty() {
        return Ok(None);
    }
    let own = body.get("web_push_message");
    let (name, message) = match own {
        Some(_) => ("web_push_message", own),
        None => ("data", body.get("data")),
    };
    request(name, message, targets, GivenVapid::default()).map(Some)
}

fn request(
    name: &str,
    message: Option<&str>,
    targets: Vec<(String, BrowserKeys)>,
    given: GivenVapid,
) -> Result<PushRequest, Problem> {
    let content =
        push_content(message).map_err(|error| Problem::bad_request(format!("{name}{error}")))?;
    let (mut endpoints, mut unique) = (Vec::new(), Vec::new());
    for (endpoint, keys) in targets {
        if !endpoints.contains(&endpoint) {
            unique.push(PushTarget {
                endpoint: Secret::new(endpoint.as_str()),
                keys,
            });
            endpoints.push(endpoint);
        }
    }
    Ok(PushRequest {
        endpoints,
        targets: unique,
        content,
        given,
    })
}

fn subscriptions(body: &DirectBody<'_>, name: &str) -> Result<Vec<(String, BrowserKeys)>, Problem> {
    let Some(json) = body.get(name) else {
        return Ok(Vec::new());
    };
    let must = || {
        Problem::bad_request(format!(
            "{name} must be a list of objects with endpoint, p256dh and auth"
        ))
    };
    let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| must())?;
    check_number(name, items.len())?;
    let read = |(place, item): (usize, &&RawValue)| {
        let item = DirectBody::nested(item.get()).ok_or_else(must)?;
        subscription(&item, &format!("{name}[{place}]: "))
    };
    items.iter().enumerate().map(read).collect()
}

/// Reads a browser's subscription; `place` precedes an error.
fn subscription(members: &DirectBody<'_>, place: &str) -> Result<(String, BrowserKeys), Problem> {
    let member = |name: &str, missing: &str| {
        let text = members.text(name)?;
        text.ok_or_else(|| Problem::bad_request(format!("{place}{missing}")))
    };
    let endpoint = member("endpoint", "No endpoint specified")?;
    let p256dh = member("p256dh", "No p256dh key specified")?;
    let auth = member("auth", "No auth secret specified")?;
    check_address(&format!("{place}endpoint"), &endpoint)?;
    let keys = BrowserKeys::parse(&p256dh, &auth)
        .map_err(|error| Problem::bad_request(format!("{place}{error}")))?;
    Ok((endpoint.into_owned(), keys))
}

fn key(body: &DirectBody<'_>, name: &str) -> Result<Option<P256Key>, Problem> {
    let parse = |text: Cow<'_, str>| {
        P256Key::parse(&text).map_err(|error| Problem::bad_request(format!("{name} {error}")))
    };
    body.text(name)?.map(parse).transpose()
}

fn contact(body: &DirectBody<'_>, name: &str) -> Result<Option<String>, Problem> {
    let parse = |text: Cow<'_, str>| {
        Vapid::parse_contact(&text).map_err(|error| Problem::bad_request(format!("{name} {error}")))
    };
    body.text(name)?.map(parse).transpose()
}

impl PushRequest {
    /// Sends it.
    pub(super) async fn outcome(self, service: &Service, app: &App) -> Outcome {
        let Self {
            endpoints,
            targets,
            content,
            given,
        } = self;
        let vapid = match service.vapid(app, given) {
            Ok(vapid) => vapid,
            Err(error) => return not_attempted(LIST, &endpoints, &error.to_string()),
        };
        let results = service
            .send_to_browsers(app, targets, &content, &vapid)
            .await;
        attempted(LIST, &endpoints, &results)
    }

    /// Sends it; the answer.
    pub(super) async fn send(self, service: &Service, app: &App) -> Value {
        Value::Object(self.outcome(service, app).await)
    }
}
