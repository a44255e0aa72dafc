//! The error responses of operations: one component per status, so that generated clients have one type for each.

use serde_json::{Map, Value, json};

use crate::inbound::rest::console_pages::SESSION as CONSOLE_SESSION;
use crate::inbound::rest::pusher::SCHEME as SIGNED;

/// An error response that operations refer to.
struct ErrorResponse {
    status: u16,
    /// The name of the component.
    name: &'static str,
    description: &'static str,
    /// A response header and its description.
    header: Option<(&'static str, &'static str)>,
}

/// The description of `Retry-After`.
const WAIT: &str = "Seconds to wait before the request is sent again.";

const fn plain(status: u16, name: &'static str, description: &'static str) -> ErrorResponse {
    ErrorResponse {
        status,
        name,
        description,
        header: None,
    }
}

/// Every error response, in the order of their statuses.
static ERRORS: [ErrorResponse; 11] = [
    plain(
        400,
        "BadRequest",
        "The request is invalid. The message states which part, and what is accepted.",
    ),
    ErrorResponse {
        header: Some((
            "Www-Authenticate",
            "The authentication scheme that the operation accepts: `Bearer` or `Pusher-Signature`.",
        )),
        ..plain(
            401,
            "Unauthorized",
            "Authentication failed: the token, the credentials or the signature are missing or invalid.",
        )
    },
    plain(
        403,
        "Forbidden",
        "The caller lacks permission for the operation, or the app is disabled.",
    ),
    plain(404, "NotFound", "The resource does not exist."),
    plain(
        406,
        "NotAcceptable",
        "The client accepts none of the media types of the response.",
    ),
    plain(408, "RequestTimeout", "The body was not received in time."),
    plain(
        409,
        "Conflict",
        "Another resource has the same unique identifier, or the resource exists already.",
    ),
    plain(
        413,
        "PayloadTooLarge",
        "The body, or the data in it, exceeds the configured limit in bytes.",
    ),
    plain(
        415,
        "UnsupportedMediaType",
        "The media type of the body is not supported.",
    ),
    ErrorResponse {
        header: Some(("Retry-After", WAIT)),
        ..plain(
            429,
            "TooManyRequests",
            "Too many logins from this address have failed, or too many publishes of the app wait to be stored.",
        )
    },
    ErrorResponse {
        header: Some(("Retry-After", WAIT)),
        ..plain(
            503,
            "Unavailable",
            "The server or its store is temporarily unavailable. The request can be retried.",
        )
    },
];

/// The components.
pub(super) fn shared() -> Value {
    let component = |error: &ErrorResponse| {
        let mut response = json!({
            "description": error.description,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}},
        });
        if let Some((name, description)) = error.header {
            let header = json!({"description": description, "schema": {"type": "string"}});
            response["headers"] = Map::from_iter([(name.to_owned(), header)]).into();
        }
        (error.name.to_owned(), response)
    };
    ERRORS.iter().map(component).collect::<Map<_, _>>().into()
}

/// Replaces the framework's one answer for all errors by the statuses that the operation can answer.
pub(super) fn name_errors(path: &str, operation: &mut Value) {
    let id = operation["operationId"]
        .as_str()
        .unwrap_or_default()
        .to_string();
    let secured = operation.get("security").is_some();
    let signed = operation["security"][0].get(SIGNED).is_some();
    let body = operation.get("requestBody").is_some();
    let checked = secured || body || operation.get("parameters").is_some();
    let of_console = path == CONSOLE_SESSION;
    let logs_in = id.starts_with("login");
    let first_listener = id == "getDetailedHealth" || id == "getMetrics";
    let never_fails = id == "getHealth" || id == "getLiveness";
    let publishes = id == "publishAsClient";
    let answers = |status| match status {
        400 => checked,
        401 | 403 if publishes => true,
        406 => false,
        401 | 403 => secured || logs_in || of_console,
        404 => {
            path.contains('{')
                || first_listener
                || of_console
                || ["getVapidKey", "deleteWebTargetsByQuery"].contains(&id.as_str())
        }
        409 => id == "createApp" || id == "createVapidKey",
        408 | 413 | 415 => body,
        // Only a token or credentials can be guessed; an app publishes no more than can be stored.
        429 => publishes || (secured && !signed) || logs_in || id.starts_with("pusherTrigger"),
        _ => !never_fails,
    };
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    if responses.remove("default").is_none() {
        return;
    }
    for error in ERRORS.iter().filter(|error| answers(error.status)) {
        let reference = json!({"$ref": format!("#/components/responses/{}", error.name)});
        responses.insert(error.status.to_string(), reference);
    }
}
