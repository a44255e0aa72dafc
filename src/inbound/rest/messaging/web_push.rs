//! Direct messages to browsers.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::body::{DirectBody, check_address, check_number};
use super::outcome::{Outcome, attempted, not_attempted};
use crate::core::model::{App, BrowserKeys, P256Key, PushContent, Secret, TargetKind, Vapid};
use crate::core::service::{DirectMessage, GivenVapid, PushTarget, Service};
use crate::inbound::rest::problem::Problem;
use crate::inbound::wire::push_content;

/// The list of those that were sent to.
const LIST: &str = "endpoints";

/// The members with an identity in place of the app's.
pub(super) const OWN: [&str; 2] = ["vapid_private_key", "vapid_email"];

/// A message that is to be sent to browsers.
pub(super) struct PushRequest {
    browsers: Vec<Browser>,
    /// The JSON text of the message; `None`: there is none.
    message: Option<String>,
    content: PushContent,
    given: GivenVapid,
}

/// A browser's subscription, its keys also as they were given.
struct Browser {
    endpoint: String,
    keys: BrowserKeys,
    p256dh: String,
    auth: String,
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
    mut browsers: Vec<Browser>,
    given: GivenVapid,
) -> Result<PushRequest, Problem> {
    let content =
        push_content(message).map_err(|error| Problem::bad_request(format!("{name}{error}")))?;
    let mut seen = HashSet::new();
    browsers.retain(|browser| seen.insert(browser.endpoint.clone()));
    Ok(PushRequest {
        browsers,
        message: message.map(String::from),
        content,
        given,
    })
}

fn subscriptions(body: &DirectBody<'_>, name: &str) -> Result<Vec<Browser>, Problem> {
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
fn subscription(members: &DirectBody<'_>, place: &str) -> Result<Browser, Problem> {
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
    Ok(Browser {
        endpoint: endpoint.into_owned(),
        keys,
        p256dh: p256dh.into_owned(),
        auth: auth.into_owned(),
    })
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
            browsers,
            content,
            given,
            ..
        } = self;
        let (mut endpoints, mut targets) = (Vec::new(), Vec::new());
        for browser in browsers {
            targets.push(PushTarget {
                endpoint: Secret::new(browser.endpoint.as_str()),
                keys: browser.keys,
            });
            endpoints.push(browser.endpoint);
        }
        let vapid = match service.vapid(app, given) {
            Ok(vapid) => vapid,
            Err(error) => return not_attempted(LIST, &endpoints, &error.to_string()),
        };
        let results = service
            .send_to_browsers(app, targets, &content, &vapid)
            .await;
        attempted(LIST, &endpoints, &results)
    }

    /// What is queued of it.
    pub(super) fn queued(self) -> Vec<DirectMessage> {
        let message = self.message.as_deref().unwrap_or("{}");
        let queued = |browser: Browser| {
            let keys = json!({"p256dh": browser.p256dh, "auth": browser.auth});
            let keys = keys.to_string();
            DirectMessage {
                kind: TargetKind::WebPush,
                addresses: vec![Secret::new(browser.endpoint)],
                // The message as it was given: the order of its members is kept.
                content: format!("{{\"web_push\":{message},{}", &keys[1..]),
            }
        };
        self.browsers.into_iter().map(queued).collect()
    }

    /// Sends it; the answer.
    pub(super) async fn send(self, service: &Service, app: &App) -> Value {
        Value::Object(self.outcome(service, app).await)
    }
}
