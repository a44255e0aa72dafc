use serde_json::{Value, json};

use super::document;
use crate::inbound::rest::schema::CLOSED;

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

fn parameters(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    operations(document).flat_map(|(name, operation)| {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters.map(move |parameter| (format!("{name} {}", parameter["name"]), parameter))
    })
}

/// Calls `visit` with every object of the document and its place.
fn each_object(place: &str, value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            visit(place, value);
            for (name, member) in members {
                each_object(&format!("{place}/{name}"), member, visit);
            }
        }
        Value::Array(items) => {
            for item in items {
                each_object(place, item, visit);
            }
        }
        _ => {}
    }
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
        assert!(operation["security"].is_array(), "{name}");
        let responses = operation["responses"].as_object();
        assert!(
            responses.is_some_and(
                |responses| responses.contains_key("200") && !responses.contains_key("default")
            ),
            "{name}"
        );
        for (status, response) in responses.into_iter().flatten() {
            let response = match response["$ref"].as_str() {
                Some(target) => document
                    .pointer(target.trim_start_matches('#'))
                    .unwrap_or(&Value::Null),
                None => response,
            };
            // Only the metrics are for a program that reads text, and only the tail is a stream.
            let forms: &[&str] = match (id, status.as_str()) {
                ("getMetrics", "200") => &["text/plain; charset=utf-8"],
                ("watchEvents", "200") => &["application/x-ndjson", "text/event-stream"],
                ("streamEvents", "200") => &[
                    "application/json",
                    "application/x-ndjson",
                    "text/event-stream",
                ],
                _ => &["application/json"],
            };
            let content = response["content"].as_object();
            assert!(
                content.is_some_and(|content| content.keys().eq(forms)),
                "{name} {status}: {response}"
            );
        }
    }
    assert_eq!(ids.len(), 78);
}

#[test]
fn everything_is_described_in_sentences() {
    let document = parsed();
    let described = |place: &str, object: &Value| {
        let text = object["description"].as_str().unwrap_or_default();
        let begins = text
            .chars()
            .next()
            .is_some_and(|first| first.is_uppercase() || first == '`');
        assert!(begins && text.ends_with('.'), "{place}: {text:?}");
    };
    for (name, operation) in operations(&document) {
        described(&name, operation);
    }
    for (name, parameter) in parameters(&document) {
        described(&name, parameter);
        assert!(!parameter["example"].is_null(), "{name}: no example");
    }
    for tag in document["tags"].as_array().into_iter().flatten() {
        described("tag", tag);
    }
    for (name, scheme) in document["components"]["securitySchemes"]
        .as_object()
        .into_iter()
        .flatten()
    {
        described(name, scheme);
    }
    each_object("", &document, &mut |place, object| {
        let of_schema = object["type"].is_string() && place.starts_with("/components/schemas");
        let item = place.ends_with("/items") || place.ends_with("/properties");
        if of_schema && !item {
            described(place, object);
        }
        if place.contains("/responses/") && object.get("content").is_some() {
            described(place, object);
        }
    });
}

#[test]
fn credentials_are_a_bearer_a_parameter_or_a_signature() {
    let document = parsed();
    let schemes = document["components"]["securitySchemes"].as_object();
    let names: Vec<_> = schemes
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        names,
        ["bearer", "pusherSignature", "sessionQuery", "userToken"]
    );
}

/// Generators of some languages make wrong code, or none, of what is excluded here.
#[test]
fn schemas_are_those_that_every_generator_supports() {
    let document = parsed();
    let mut values = std::collections::HashMap::new();
    each_object("", &document, &mut |place, object| {
        for choice in ["oneOf", "anyOf", "allOf", "not"] {
            assert!(object.get(choice).is_none(), "{place}: {choice}");
        }
        if let Some(further) = object.get("additionalProperties") {
            assert_ne!(further, &json!({}), "{place}");
        }
        if object["type"] == "object" {
            let stated = ["properties", "additionalProperties"].map(|members| object.get(members));
            assert!(stated.iter().any(Option::is_some), "{place}: no members");
        }
        let formats: &[&str] = match object["type"].as_str() {
            Some("integer") => &["int64", "int32"],
            Some("number") => &["double"],
            _ => return,
        };
        let format = object["format"].as_str().unwrap_or_default();
        assert!(formats.contains(&format), "{place}: {format:?}");
    });
    each_object("", &document, &mut |place, object| {
        let Some(items) = object["enum"].as_array() else {
            return;
        };
        for item in items {
            let text = item.as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{place}: an enum of {item}");
            // Constants of Go are global.
            let named = place.strip_prefix("/components/schemas/");
            if named.is_some_and(|name| !name.contains('/')) {
                assert_eq!(values.insert(text.to_owned(), place.to_owned()), None);
            }
        }
    });
}

#[test]
fn patterns_are_in_the_syntax_that_languages_share() {
    each_object("", &parsed(), &mut |place, object| {
        let Some(pattern) = object["pattern"].as_str() else {
            return;
        };
        assert!(
            !pattern.contains("\\u") && !pattern.contains('/') && pattern.is_ascii(),
            "{place}: {pattern}"
        );
        for most in pattern.split('{').skip(1) {
            let most = most.split('}').next().unwrap_or_default();
            let most = most.rsplit(',').next().unwrap_or_default();
            assert!(
                most.parse().is_ok_and(|most: u32| most <= 1000),
                "{place}: {pattern}"
            );
        }
    });
}

#[test]
fn bodies_are_json_alone() {
    let document = parsed();
    for (name, operation) in operations(&document) {
        if let Some(content) = operation["requestBody"]["content"].as_object() {
            assert!(content.keys().eq(["application/json"]), "{name}");
        }
    }
}

#[test]
fn schemas_express_what_the_framework_could_not() {
    let document = parsed();
    let schemas = &document["components"]["schemas"];
    let publication = &schemas["Publication"];
    assert_eq!(
        publication["properties"]["channel"]["default"],
        json!(["global"])
    );
    assert_eq!(publication["additionalProperties"], true);
    assert_eq!(schemas["AppChange"]["additionalProperties"], false);
    assert_eq!(schemas["AppDraft"]["additionalProperties"], false);
    assert_eq!(schemas["Event"]["properties"]["owner_id"]["nullable"], true);
    // Null is accepted for whatever may be omitted: some clients send it for what was not set.
    for (name, member) in schemas["AppChange"]["properties"]
        .as_object()
        .into_iter()
        .flatten()
    {
        assert_eq!(member["nullable"], true, "{name}");
    }
    let marked = format!("\"format\":\"{CLOSED}\"");
    assert!(!document.to_string().contains(&marked));
}

/// Go generators name the body of a POST of `X` `NewX`, and two of these collide.
#[test]
fn no_schema_is_named_like_the_new_one_of_another() {
    let document = parsed();
    let components = &document["components"];
    let names = |kind: &str| {
        let members = components[kind].as_object().into_iter().flatten();
        members.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let schemas = names("schemas");
    for name in &schemas {
        assert!(!schemas.contains(&format!("New{name}")), "{schemas:?}");
        assert!(!names("responses").contains(name), "{name}");
    }
}
