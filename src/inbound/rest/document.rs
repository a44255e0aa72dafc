//! The OpenAPI document: generated from the operations, then corrected where the framework cannot express the schema.

use std::collections::HashMap;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem_openapi::registry::{MetaApi, Registry};
use poem_openapi::{LicenseObject, OpenApi, OpenApiService, ServerObject};
use serde_json::{Map, Value, json};

use super::Routes;
use super::pusher::SCHEME as SIGNED;
use super::schema::CLOSED;

/// The server's address, relative to that of the document: a proxy may serve both below a path of its own.
const SERVER: &str = "./";

/// The document's title.
pub(super) const TITLE: &str = "Pushi";

const ABOUT: &str = "Channels over WebSocket, publishing over REST.\n\n\
    Log in with an app's `ident`, `key` and `secret` at `/login`; the session token that it answers is given as the query parameter \
    `sid`, as the cookie `sid`, or as `Authorization: Bearer`. Apps are administered with the token that the server was started with \
    (`PUSHI_ADMIN_TOKEN`). The routes of the Pusher HTTP API are signed with an app's secret instead.\n\n\
    Every error has the same form, with a `message` that says what was wrong and what to do about it.";

/// The routes, for the document alone: nothing is served.
pub(super) struct Described;

impl OpenApi for Described {
    fn meta() -> Vec<MetaApi> {
        Routes::meta()
    }

    fn register(registry: &mut Registry) {
        Routes::register(registry);
    }

    fn add_routes(self, _: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

/// The framework's service for the document.
pub(super) fn service() -> OpenApiService<Described, ()> {
    OpenApiService::new(Described, TITLE, env!("CARGO_PKG_VERSION"))
        .description(ABOUT)
        .license(
            LicenseObject::new("Apache-2.0").url("https://www.apache.org/licenses/LICENSE-2.0"),
        )
        .server(ServerObject::new(SERVER).description("This server"))
}

/// The OpenAPI document that the server serves, indented JSON. It depends on the program alone, not on how it is configured.
pub fn document() -> String {
    let mut document = serde_json::from_str(&service().spec()).unwrap_or_default();
    mend(&mut document);
    let mut text = format!("{document:#}");
    text.push('\n');
    text
}

fn mend(document: &mut Value) {
    document["openapi"] = "3.0.3".into();
    tidy(document);
    // "Any JSON but null" is beyond the framework.
    document["components"]["schemas"]["Publication"]["properties"]["data"]["not"] =
        json!({ "enum": [null] });
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    for (path, operations) in paths {
        let operations = operations.as_object_mut().into_iter().flatten();
        for (_, operation) in operations {
            say_errors(path, operation);
        }
    }
}

/// Writes whole numbers as integers, closed objects as `additionalProperties: false`, and removes empty members.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members
                .get("additionalProperties")
                .is_some_and(|further| further["format"] == CLOSED)
            {
                members.insert("additionalProperties".into(), false.into());
            }
            for bound in ["minimum", "maximum"] {
                if let Some(number) = members
                    .get(bound)
                    .and_then(Value::as_f64)
                    .filter(|number| number.fract() == 0.0)
                {
                    // The cast saturates: 2^63 is not within 63 bits, its predecessor is.
                    members.insert(bound.into(), (number as i64).into());
                }
            }
            let silent = |name: &str, value: &Value| match name {
                "description" => value == "",
                "deprecated" => value == false,
                "explode" => value == true,
                _ => false,
            };
            members.retain(|name, value| !silent(name, value));
            members.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Puts the statuses that an operation can answer in the place of the one answer for all errors.
fn say_errors(path: &str, operation: &mut Value) {
    let id = operation["operationId"]
        .as_str()
        .unwrap_or_default()
        .to_string();
    let secured = operation.get("security").is_some();
    let signed = operation["security"][0].get(SIGNED).is_some();
    let body = operation.get("requestBody").is_some();
    let asked = secured || body || operation.get("parameters").is_some();
    let logs_in = id.starts_with("login");
    let listener = id == "getDetailedHealth" || id == "getMetrics";
    let unfailing = id == "getHealth" || id == "getLiveness";
    let statuses = [
        (400, asked),
        (401, secured || logs_in),
        (403, secured || logs_in),
        (404, path.contains('{') || listener),
        (409, id == "createApp"),
        (408, body),
        (413, body),
        (415, body),
        // Only a bearer or credentials can be guessed at; an app may publish no more than can be stored.
        (
            429,
            (secured && !signed) || logs_in || id.starts_with("pusherTrigger"),
        ),
        (503, !unfailing),
    ];
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    let Some(error) = responses.remove("default") else {
        return;
    };
    for (status, _) in statuses.into_iter().filter(|(_, answered)| *answered) {
        let mut answer = error.clone();
        answer["description"] = about(status).into();
        let header = match status {
            401 if signed => Some((
                "WWW-Authenticate",
                "How to show who you are: `Pusher-Signature`.",
            )),
            401 => Some(("WWW-Authenticate", "How to show who you are: `Bearer`.")),
            429 | 503 => Some(("Retry-After", "After how many seconds to try again.")),
            _ => None,
        };
        if let Some((name, about)) = header {
            let mut headers = Map::new();
            headers.insert(
                name.into(),
                json!({ "description": about, "schema": { "type": "string" } }),
            );
            answer["headers"] = headers.into();
        }
        responses.insert(status.to_string(), answer);
    }
}

fn about(status: u16) -> &'static str {
    match status {
        400 => "The request cannot be meant: the message says what it must be.",
        401 => {
            "It is not known who asks: the token, the credentials or the signature are missing or wrong."
        }
        403 => "Who asks may not, or the app is disabled.",
        404 => "It is not there.",
        409 => "Another one has the same `ident` or `key`.",
        408 => "The body took too long.",
        413 => "The body, or the data in it, has more bytes than the limit.",
        415 => "The body is of another type.",
        429 => {
            "Too many logins from this address have failed, or too many publishes of the app wait to be stored: nothing was done, try again later."
        }
        _ => "The server cannot do it now: try again later.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed() -> Value {
        serde_json::from_str(&document()).unwrap_or_default()
    }

    fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
        let paths = document["paths"].as_object().into_iter().flatten();
        paths.flat_map(|(path, methods)| {
            methods
                .as_object()
                .into_iter()
                .flatten()
                .map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
    }

    #[test]
    fn every_operation_has_an_id_a_section_and_its_errors() {
        let document = parsed();
        let mut ids = std::collections::HashSet::new();
        for (name, operation) in operations(&document) {
            let id = operation["operationId"].as_str().unwrap_or_default();
            assert!(!id.is_empty() && ids.insert(id), "{name}: {id}");
            assert!(
                operation["tags"][0].is_string() && operation["summary"].is_string(),
                "{name}"
            );
            let responses = operation["responses"].as_object();
            assert!(
                responses
                    .is_some_and(|responses| responses.contains_key("200")
                        && !responses.contains_key("default")),
                "{name}"
            );
            for (status, response) in responses.into_iter().flatten() {
                let content = response["content"].as_object();
                // Only the metrics are for a program that reads text.
                let form = if id == "getMetrics" && status == "200" {
                    "text/plain; charset=utf-8"
                } else {
                    "application/json"
                };
                assert!(
                    content.is_some_and(|content| content.keys().eq([form])),
                    "{name} {status}: {response}"
                );
            }
        }
        assert_eq!(ids.len(), 34);
    }

    #[test]
    fn every_section_and_scheme_is_described() {
        let document = parsed();
        for tag in document["tags"].as_array().into_iter().flatten() {
            assert!(tag["description"].is_string(), "{tag}");
        }
        let schemes = document["components"]["securitySchemes"].as_object();
        let names: Vec<_> = schemes
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "administrator",
                "pusherSignature",
                "sessionBearer",
                "sessionCookie",
                "sessionQuery"
            ]
        );
    }

    #[test]
    fn schemas_say_what_the_framework_could_not() {
        let document = parsed();
        let schemas = &document["components"]["schemas"];
        let publication = &schemas["Publication"]["properties"];
        assert_eq!(publication["channel"]["oneOf"][0]["type"], "string");
        assert_eq!(publication["channel"]["oneOf"][1]["type"], "array");
        assert!(publication["channel"].get("type").is_none());
        assert_eq!(publication["data"]["not"], json!({"enum": [null]}));
        assert_eq!(schemas["AppChange"]["additionalProperties"], false);
        assert_eq!(schemas["AppDraft"]["additionalProperties"], false);
        assert_eq!(schemas["Event"]["properties"]["owner_id"]["nullable"], true);
        assert_eq!(
            schemas["App"]["properties"]["max_members"]["maximum"],
            json!(i64::MAX)
        );
        assert!(!document.to_string().contains(&format!("\"{CLOSED}\"")));
    }

    /// Go generators name the body of a POST of `X` `NewX`, and two of these collide.
    #[test]
    fn no_schema_is_named_like_the_new_one_of_another() {
        let document = parsed();
        let schemas = document["components"]["schemas"].as_object();
        let names: Vec<_> = schemas
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        assert!(
            !names
                .iter()
                .any(|name| names.contains(&format!("New{name}").as_str())),
            "{names:?}"
        );
    }
}
