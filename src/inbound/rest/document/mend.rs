//! Corrections of the generated document.

use serde_json::{Map, Value, json};

use super::responses;
use crate::inbound::rest::schema::CLOSED;

/// Corrects the whole document.
pub(super) fn mend(document: &mut Value) {
    document["openapi"] = "3.0.3".into();
    tidy(document);
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    for (path, operations) in paths {
        let operations = operations.as_object_mut().into_iter().flatten();
        for (_, operation) in operations {
            mend_operation(path, operation);
        }
    }
    document["components"]["responses"] = responses::shared();
}

fn mend_operation(path: &str, operation: &mut Value) {
    responses::name_errors(path, operation);
    for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
        lift_example(parameter);
    }
    if let Some(operation) = operation.as_object_mut() {
        // An empty array, only where nothing was generated: the operation needs no credentials.
        operation.entry("security").or_insert_with(|| json!([]));
        operation.retain(|_, member| !member.is_null());
    }
}

/// Moves the example of a parameter from its schema to the parameter, where documentation pages and mock servers read it.
fn lift_example(parameter: &mut Value) {
    let example = parameter["schema"]
        .as_object_mut()
        .and_then(|schema| schema.remove("example"));
    if let Some(example) = example {
        parameter["example"] = example;
    }
}

/// Corrects an object of the document and everything in it.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(members) => {
            tidy_additional_properties(members);
            tidy_number(members);
            tidy_reference(members);
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

/// Writes additional properties of any type as `true` and none as `false`: some generators reject an empty schema.
fn tidy_additional_properties(members: &mut Map<String, Value>) {
    let Some(further) = members.get_mut("additionalProperties") else {
        return;
    };
    if further["format"] == CLOSED {
        *further = false.into();
    } else if further.as_object().is_some_and(Map::is_empty) {
        *further = true.into();
    }
}

/// Gives every number one of OpenAPI's formats, without which generators choose 32 bits, and writes the bounds of integers as
/// integers.
fn tidy_number(members: &mut Map<String, Value>) {
    let known: &[&str] = match members.get("type").and_then(Value::as_str) {
        Some("integer") => &["int64", "int32"],
        Some("number") => &["double"],
        _ => return,
    };
    let format = members.get("format").and_then(Value::as_str);
    if let Some(widest) = known
        .first()
        .filter(|_| format.is_none_or(|format| !known.contains(&format)))
    {
        members.insert("format".into(), (*widest).into());
    }
    for bound in ["minimum", "maximum"] {
        if let Some(number) = members
            .get(bound)
            .and_then(Value::as_f64)
            .filter(|number| number.fract() == 0.0)
        {
            members.insert(bound.into(), (number as i64).into());
        }
    }
}

/// Replaces a list of one reference, which the framework writes beside a description, by the reference.
fn tidy_reference(members: &mut Map<String, Value>) {
    let Some([reference]) = members
        .get("allOf")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    else {
        return;
    };
    if let Some(Value::String(target)) = reference.get("$ref").cloned() {
        members.clear();
        members.insert("$ref".into(), target.into());
    }
}
