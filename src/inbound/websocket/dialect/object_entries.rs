//! The entries of a JSON object as text, and the `user_info` of a member.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::string;

/// The entries of a JSON object in their order, names and values as unparsed JSON text: what no
/// Rust string or number can hold stays as it was written (`"\\ud83d"`, `1e999`).
pub(super) struct ObjectEntries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for ObjectEntries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = ObjectEntries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(ObjectEntries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}

fn is_named(written: &RawValue, name: &str) -> bool {
    let quoted = written.get();
    let inner = quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner == Some(name) || (quoted.contains('\\') && string(written).as_deref() == Some(name))
}

impl<'a> ObjectEntries<'a> {
    /// Parses the text of a JSON object; `None` for any other text.
    pub(super) fn parse(object: &'a str) -> Option<Self> {
        serde_json::from_str(object).ok()
    }

    /// The value of an entry; of duplicates the last one.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| is_named(known, name))
            .map(|(_, value)| *value)
    }
}

/// The `user_info` of a member in Pusher's frames: that of its channel data, or else all its other
/// entries but `user_id`.
pub(super) fn user_info(data: &str) -> String {
    let Some(entries) = ObjectEntries::parse(data) else {
        return "{}".to_owned();
    };
    if let Some(info) = entries.get("user_info") {
        return info.get().to_owned();
    }
    let mut json = String::with_capacity(data.len());
    json.push('{');
    for (name, value) in entries
        .0
        .iter()
        .filter(|(name, _)| !is_named(name, "user_id"))
    {
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(name.get());
        json.push(':');
        json.push_str(value.get());
    }
    json.push('}');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_info_defaults_to_all_entries_but_the_id() {
        for (data, info) in [
            (
                r#"{"user_id":"1","user_info":{"name":"Ann"}}"#,
                r#"{"name":"Ann"}"#,
            ),
            (
                r#"{"user_id":"1","user_info":"text","else":1}"#,
                r#""text""#,
            ),
            (r#"{"user_id":"1","user_info":null}"#, "null"),
            (
                r#"{"user_id":"1","peer":true,"name":"An\"n","n":1.50}"#,
                r#"{"peer":true,"name":"An\"n","n":1.50}"#,
            ),
            (r#"{"us\u0065r_id":"1","a b":[]}"#, r#"{"a b":[]}"#),
            (r#"{"user_id":"1"}"#, "{}"),
            (
                r#"{ "user_id" : 1, "\ud83d" : 1e999, "a\/b" : "\udc00", "x":1, "x":2 }"#,
                r#"{"\ud83d":1e999,"a\/b":"\udc00","x":1,"x":2}"#,
            ),
        ] {
            assert_eq!(user_info(data), info, "{data}");
        }
    }
}
