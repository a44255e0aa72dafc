//! Direct messages to web hooks.

use serde_json::{Value, json};

use super::body::{DirectBody, check_address};
use super::outcome::{Outcome, attempted};
use crate::core::model::{App, Secret, TargetKind, WebContent, WebMethod};
use crate::core::service::{DirectMessage, Service};
use crate::inbound::rest::problem::Problem;
use crate::inbound::wire::read_string;

/// The most headers of a request, and their bytes.
const MAX_HEADERS: usize = 50;
const MAX_HEADER_BYTES: usize = 8 * 1024;

/// Headers that belong to the connection.
const OF_CONNECTION: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Prefixes of the headers that identify and sign requests.
const OF_SIGNATURE: [&str; 2] = ["x-pushi-", "x-pusher-"];

/// A request that is to be sent to web hooks.
pub(super) struct WebRequest {
    urls: Vec<String>,
    content: WebContent,
}

/// Reads the body of `/messaging/webhook`.
pub(super) fn read(body: &DirectBody<'_>) -> Result<WebRequest, Problem> {
    let member = match body.get("urls") {
        Some(_) => "urls",
        None => "url",
    };
    let urls = body.targets(member)?;
    if urls.is_empty() {
        return Err(Problem::bad_request("No webhook URL specified"));
    }
    body.check_address("url")?;
    let data = body
        .content("data")
        .ok_or_else(|| Problem::bad_request("No data specified"))?;
    request(body, [member, "headers", "method"], urls, data.into_owned())
}

/// Reads the members of `/messaging/send`; `None`: there is no target.
pub(super) fn read_of_several(body: &DirectBody<'_>) -> Result<Option<WebRequest>, Problem> {
    let names = ["webhook_urls", "webhook_headers", "webhook_method"];
    let urls = body.targets(names[0])?;
    let data = body.content("data").unwrap_or_else(|| "{}".into());
    let request = request(body, names, urls, data.into_owned())?;
    Ok(Some(request).filter(|request| !request.urls.is_empty()))
}

fn request(
    body: &DirectBody<'_>,
    [urls_name, headers_name, method_name]: [&str; 3],
    urls: Vec<String>,
    data: String,
) -> Result<WebRequest, Problem> {
    for url in &urls {
        check_address(urls_name, url)?;
    }
    let method = match body.get(method_name) {
        None => WebMethod::Post,
        Some(json) => read_string(json)
            .and_then(|name| WebMethod::parse(&name))
            .ok_or_else(|| {
                Problem::bad_request(format!("{method_name} must be POST, PUT, GET or DELETE"))
            })?,
    };
    let content = WebContent {
        method,
        headers: headers(headers_name, body.get(headers_name))?,
        body: data.into(),
    };
    Ok(WebRequest { urls, content })
}

fn headers(member: &str, json: Option<&str>) -> Result<Vec<(String, String)>, Problem> {
    let Some(json) = json else {
        return Ok(Vec::new());
    };
    let must = || {
        Problem::bad_request(format!(
            "{member} must be an object of at most {MAX_HEADERS} headers and {MAX_HEADER_BYTES} bytes, each with a string"
        ))
    };
    let members = DirectBody::nested(json).ok_or_else(must)?;
    let (mut headers, mut bytes) = (Vec::new(), 0);
    for (name, value) in members.members() {
        let value = read_string(value).ok_or_else(must)?;
        bytes += name.len() + value.len();
        if headers.len() == MAX_HEADERS || bytes > MAX_HEADER_BYTES {
            return Err(must());
        }
        check_header(member, name, &value)?;
        headers.push((name.to_owned(), value.into_owned()));
    }
    Ok(headers)
}

fn check_header(member: &str, name: &str, value: &str) -> Result<(), Problem> {
    let lower = name.to_ascii_lowercase();
    if OF_CONNECTION.contains(&lower.as_str()) {
        return Err(Problem::bad_request(format!(
            "{member} must not contain {name}: the header belongs to the connection"
        )));
    }
    if OF_SIGNATURE.iter().any(|prefix| lower.starts_with(prefix)) {
        return Err(Problem::bad_request(format!(
            "{member} must not contain {name}: the header belongs to the signature"
        )));
    }
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let printable = |c: char| c == '\t' || !c.is_control();
    if name.is_empty() || !name.bytes().all(token) || !value.chars().all(printable) {
        return Err(Problem::bad_request(format!(
            "{member} contains a name or value that no header can have: use letters, digits and - in names, and no control characters in values"
        )));
    }
    Ok(())
}

impl WebRequest {
    /// Sends it.
    pub(super) async fn outcome(self, service: &Service, app: &App) -> Outcome {
        let urls = self.urls.iter().map(|url| Secret::new(url.as_str()));
        let results = service
            .send_to_webs(app, urls.collect(), &self.content)
            .await;
        let mut outcome = attempted("urls", &self.urls, &results);
        outcome.insert("method".into(), self.content.method.name().into());
        outcome
    }

    /// What is queued of it.
    pub(super) fn queued(self) -> Vec<DirectMessage> {
        let content = json!({
            "method": self.content.method.name(),
            "headers": self.content.headers,
            "body": String::from_utf8_lossy(&self.content.body),
        });
        vec![DirectMessage {
            kind: TargetKind::Web,
            addresses: self.urls.into_iter().map(Secret::new).collect(),
            content: content.to_string(),
        }]
    }

    /// Sends it; the answer.
    pub(super) async fn send(self, service: &Service, app: &App) -> Value {
        Value::Object(self.outcome(service, app).await)
    }
}
