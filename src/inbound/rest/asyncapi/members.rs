//! The members of a schema as rows of a table: nested ones with their path.

use serde_json::{Map, Value};

/// A member of a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MemberRow {
    /// Its place, such as `data.channel`.
    pub path: String,
    pub required: bool,
    pub kinds: Vec<Kind>,
    pub description: String,
}

/// What a member can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A type in words.
    Plain(String),
    /// This value.
    Value(String),
    /// A schema that is described on its own.
    Named(String),
    /// A string that contains JSON, of a named schema or of one whose members follow.
    JsonText(Option<String>),
}

/// The last part of a reference to a schema.
pub(super) fn referred(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// Whether a schema has a table of its own: an object with members, or a choice of objects.
pub(super) fn is_described(schema: &Value) -> bool {
    let is_object = |schema: &Value| schema["properties"].is_object();
    is_object(schema)
        || schema["oneOf"]
            .as_array()
            .is_some_and(|all| all.iter().any(is_object))
}

/// Whether a schema is a list of values, each with a description.
pub(super) fn is_code_list(schema: &Value) -> bool {
    let is_value =
        |schema: &Value| schema["const"].is_number() && schema["description"].is_string();
    schema["oneOf"]
        .as_array()
        .is_some_and(|all| !all.is_empty() && all.iter().all(is_value))
}

/// The rows of a schema.
pub(super) fn rows(schemas: &Value, schema: &Value) -> Vec<MemberRow> {
    let mut found = Rows {
        schemas,
        rows: Vec::new(),
    };
    found.add_members("", schema);
    for choice in schema["oneOf"].as_array().into_iter().flatten() {
        found.add_members("", choice);
    }
    found.rows
}

struct Rows<'a> {
    schemas: &'a Value,
    rows: Vec<MemberRow>,
}

impl Rows<'_> {
    fn add_members(&mut self, place: &str, schema: &Value) {
        let none = Map::new();
        let required = schema["required"].as_array();
        for (name, member) in schema["properties"].as_object().unwrap_or(&none) {
            let path = match place {
                "" => name.clone(),
                place => format!("{place}.{name}"),
            };
            let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
            self.add(path, is_required, member);
        }
    }

    fn add(&mut self, path: String, required: bool, schema: &Value) {
        let index = match self.rows.iter().position(|row| row.path == path) {
            Some(index) => index,
            None => {
                self.rows.push(MemberRow {
                    path: path.clone(),
                    required,
                    kinds: Vec::new(),
                    description: String::new(),
                });
                self.rows.len() - 1
            }
        };
        self.describe(index, &path, schema);
    }

    /// Adds what a schema permits to a row, and rows for the members of an object that has no name.
    fn describe(&mut self, index: usize, path: &str, schema: &Value) {
        if let Some(name) = referred(schema) {
            let target = &self.schemas[name];
            if is_described(target) || is_code_list(target) {
                self.note(index, Kind::Named(name.to_owned()));
            } else {
                self.describe(index, path, target);
            }
            return;
        }
        if let (Some(text), Some(row)) = (schema["description"].as_str(), self.rows.get_mut(index))
            && row.description.is_empty()
        {
            row.description = text.to_owned();
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            for choice in choices {
                self.describe(index, path, choice);
            }
            return;
        }
        if let Some(value) = schema.get("const") {
            self.note(index, Kind::Value(value.to_string()));
            return;
        }
        if let Some(values) = schema["enum"].as_array() {
            for value in values {
                self.note(index, Kind::Value(value.to_string()));
            }
            return;
        }
        if let Some(inner) = schema.get("contentSchema") {
            let name = referred(inner);
            self.note(index, Kind::JsonText(name.map(str::to_owned)));
            if name.is_none() {
                self.add_members(path, inner);
            }
            return;
        }
        let required = self.rows.get(index).is_some_and(|row| row.required);
        for kind in kinds(schema) {
            // Null counts as absent, so only a required member can be null.
            if kind == "null" && !required {
                continue;
            }
            self.note(index, Kind::Plain(kind.to_owned()));
        }
        self.add_members(path, schema);
        let item = &schema["items"];
        if item.is_object() {
            self.add(format!("{path}[]"), true, item);
        }
        let further = &schema["additionalProperties"];
        if further.is_object() {
            self.add(format!("{path}.*"), false, further);
        }
    }

    fn note(&mut self, index: usize, kind: Kind) {
        if let Some(row) = self.rows.get_mut(index)
            && !row.kinds.contains(&kind)
        {
            row.kinds.push(kind);
        }
    }
}

fn kinds(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => vec!["any value"],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_have_their_path_and_what_they_can_be() {
        let schemas = json!({
            "Named": {"type": "object", "properties": {"x": {"type": "string"}}},
            "Short": {"type": "string", "description": "A name."},
        });
        let schema = json!({
            "required": ["event"],
            "properties": {
                "event": {"const": "e"},
                "name": {"$ref": "#/components/schemas/Short"},
                "since": {"oneOf": [{"type": "null"}, {"type": "integer"}, {"const": "now"}]},
                "data": {"contentSchema": {"required": ["id"], "properties": {"id": {"$ref": "#/components/schemas/Named"}}}},
                "list": {"type": "array", "items": {"type": ["string", "null"]}},
            },
        });
        let plain = |text: &str| Kind::Plain(text.to_owned());
        let row = |path: &str, required, kinds: &[Kind], description: &str| MemberRow {
            path: path.to_owned(),
            required,
            kinds: kinds.to_vec(),
            description: description.to_owned(),
        };
        assert_eq!(
            rows(&schemas, &schema),
            [
                row("event", true, &[Kind::Value("\"e\"".to_owned())], ""),
                row("name", false, &[plain("string")], "A name."),
                row(
                    "since",
                    false,
                    &[plain("integer"), Kind::Value("\"now\"".to_owned())],
                    ""
                ),
                row("data", false, &[Kind::JsonText(None)], ""),
                row("data.id", true, &[Kind::Named("Named".to_owned())], ""),
                row("list", false, &[plain("array")], ""),
                row("list[]", true, &[plain("string"), plain("null")], ""),
            ]
        );
    }
}
