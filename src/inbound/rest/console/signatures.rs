//! The check of a signature that does not work.

use std::sync::Arc;

use poem_openapi::registry::MetaSchema;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::core::service::{CheckedSignature, ClientSignature, RequestSignature};
use crate::inbound::rest::RestContext;
use crate::inbound::rest::answer::JsonAnswer;
use crate::inbound::rest::body::JsonText;
use crate::inbound::rest::form;
use crate::inbound::rest::problem::Problem;
use crate::inbound::rest::schema::{closed, example, inline, plain, shape};
use crate::inbound::rest::security::Caller;
use crate::inbound::rest::tags::Section;

/// The members of the body, with what they are.
const MEMBERS: [(&str, &str); 10] = [
    (
        "key",
        "The key with which the client connects. Default: that of `auth`.",
    ),
    ("auth", "The signature of a client: `<app_key>:<hex>`."),
    ("socket_id", "The id of the client's connection."),
    ("channel", "The channel that the client subscribes to."),
    ("channel_data", "The channel data, exactly as it was sent."),
    (
        "user_data",
        "The user data of a sign-in, exactly as it was sent, in place of a channel.",
    ),
    ("method", "The method of a signed request."),
    ("path", "The path of a signed request, without the query."),
    (
        "query",
        "The query of a signed request, with `auth_key` and `auth_signature`, as it was sent.",
    ),
    (
        "body",
        "The body of a signed request, exactly as it was sent.",
    ),
];

shape! {
    /// A signature to check, in the document.
    SignatureShape as "SignatureToCheck" = |_| {
        let about = "A signature to check: either of a client (`auth`, `socket_id` and `channel` or `user_data`), or of a request of the Pusher HTTP API (`method`, `path`, `query`).";
        let member = |about| inline(MetaSchema { nullable: true, ..plain("string", about) });
        let schema = MetaSchema {
            properties: MEMBERS.iter().map(|(name, about)| (*name, member(about))).collect(),
            additional_properties: closed(),
            ..plain("object", about)
        };
        example(schema, json!({"auth": "c9f0f895fb98ab91:2f0c", "socket_id": "4711.90210", "channel": "private-news"}))
    }
}

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    key: Option<String>,
    auth: Option<String>,
    socket_id: Option<String>,
    channel: Option<String>,
    channel_data: Option<String>,
    user_data: Option<String>,
    method: Option<String>,
    path: Option<String>,
    query: Option<String>,
    body: Option<String>,
}

/// A part of a signature that is wrong.
#[derive(Debug, Object)]
#[oai(rename = "SignatureProblem")]
pub(in crate::inbound::rest) struct WrongPart {
    /// The part: `key`, `auth`, `socket_id`, `channel`, `channel_data`, `user_data`, `method`, `path`, `query`, `version`, `timestamp`,
    /// `body`, `body_md5`, `signature` or `secret`.
    pub part: String,
    /// What is wrong, and what to do about it.
    pub message: String,
}

/// The result of a check.
#[derive(Debug, Object)]
#[oai(rename = "SignatureCheck")]
pub(in crate::inbound::rest) struct SignatureReport {
    /// Whether the server accepts the signature.
    pub valid: bool,
    /// What was signed: `channel`, `user` or `request`.
    pub kind: String,
    /// The `ident` of the key's app; absent if there is none.
    #[oai(skip_serializing_if_is_none)]
    pub app: Option<String>,
    /// What is wrong; of a valid signature, what to know about it.
    pub problems: Vec<WrongPart>,
    /// The string that should have been signed; absent if parts of it are missing.
    #[oai(skip_serializing_if_is_none)]
    pub string_to_sign: Option<String>,
}

impl SignatureReport {
    fn of(kind: &str, checked: CheckedSignature) -> Self {
        let problem = |fault: crate::core::auth::SignatureFault| WrongPart {
            part: fault.part.into(),
            message: fault.message,
        };
        Self {
            valid: checked.valid,
            kind: kind.into(),
            app: checked.app.map(|app| app.ident.as_str().into()),
            problems: checked.faults.into_iter().map(problem).collect(),
            string_to_sign: checked.text,
        }
    }
}

/// The route of the check.
pub(in crate::inbound::rest) struct SignatureRoutes(pub Arc<RestContext>);

#[OpenApi(tag = "Section::Console")]
impl SignatureRoutes {
    /// Check a signature
    ///
    /// Says which part of a signature that does not work is wrong, and which string should have been signed; never the signature or the
    /// secret. Signatures of any app with the administrator's token, and of the session's own app with a session token.
    #[oai(
        path = "/signatures/check",
        method = "post",
        operation_id = "checkSignature"
    )]
    async fn check(
        &self,
        caller: Caller,
        body: JsonText<SignatureShape>,
    ) -> Result<JsonAnswer<SignatureReport>, Problem> {
        let given: Given = serde_json::from_slice(&body.text)
            .map_err(|error| Problem::bad_request(format!("the body cannot be read: {error}")))?;
        let own = caller.session().map(|session| &session.app);
        let service = &self.0.service;
        let unavailable = |error| Problem::from(crate::core::service::HistoryError::from(error));
        if given.method.is_some() || given.path.is_some() || given.query.is_some() {
            let query = given.query.unwrap_or_default();
            let pairs = form::pairs(query.trim_start_matches('?'))
                .map(|pair| pair.map(|(name, value)| (name.into_owned(), value.into_owned())));
            let request = RequestSignature {
                method: given.method.unwrap_or_else(|| "GET".into()),
                path: given.path.unwrap_or_default(),
                // One that cannot be read has no parameters, which is said.
                query: pairs.collect::<Result<_, _>>().unwrap_or_default(),
                body: given.body,
            };
            let checked = service.check_request_signature(own, &request).await;
            let report = SignatureReport::of("request", checked.map_err(unavailable)?);
            return Ok(JsonAnswer::of(&report));
        }
        let kind = match given.user_data {
            Some(_) => "user",
            None => "channel",
        };
        let data = given.channel_data.as_deref().or(given.user_data.as_deref());
        let client = ClientSignature {
            spellings: data.map(spellings).unwrap_or_default(),
            key: given.key.filter(|key| !key.is_empty()),
            auth: given.auth.unwrap_or_default(),
            socket_id: given.socket_id.unwrap_or_default(),
            channel: given.channel.unwrap_or_default(),
            channel_data: given.channel_data,
            user_data: given.user_data,
        };
        let checked = service.check_client_signature(own, &client).await;
        let report = SignatureReport::of(kind, checked.map_err(unavailable)?);
        Ok(JsonAnswer::of(&report))
    }
}

/// The other forms of a JSON text: compact, with spaces as Python writes it, and as a JSON string.
fn spellings(data: &str) -> Vec<String> {
    let Ok(value) = serde_json::from_str::<Value>(data) else {
        return Vec::new();
    };
    let compact = value.to_string();
    let mut spaced = String::new();
    let (mut quoted, mut escaped) = (false, false);
    for character in compact.chars() {
        spaced.push(character);
        match character {
            '"' if !escaped => quoted = !quoted,
            ',' | ':' if !quoted => spaced.push(' '),
            _ => {}
        }
        escaped = character == '\\' && !escaped;
    }
    let as_string = Value::from(data).to_string();
    let mut found = vec![compact, spaced, as_string];
    if let Value::String(inner) = value {
        found.push(inner);
    }
    found.retain(|other| other != data);
    found
}
