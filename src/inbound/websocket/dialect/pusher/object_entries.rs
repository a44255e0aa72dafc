//! The entries of a JSON object as text, and the `user_info` of a member.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::inbound::wire::push_json_string;

/// The entries of a JSON object in their order; the values are unparsed JSON text.
pub(super) struct ObjectEntries<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

/// A name, borrowed unless it contains escapes.
#[derive(Deserialize)]
struct EntryName<'a>(#[serde(borrow)] Cow<'a, str>);

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
                while let Some((name, value)) = map.next_entry::<EntryName<'de>, &'de RawValue>()? {
                    entries.push((name.0, value));
                }
                Ok(ObjectEntries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}

impl<'a> ObjectEntries<'a> {
    /// Parses the text of a JSON object; empty for any other text.
    pub(super) fn parse(object: &'a str) -> Self {
        serde_json::from_str(object).unwrap_or(Self(Vec::new()))
    }

    /// The value of an entry; of duplicates the last one.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.get())
    }
}

/// The `user_info` of a member in Pusher's frames: that of its channel data, or else all its other
/// entries but `user_id`.
pub(super) fn user_info(data: &str) -> String {
    let entries = ObjectEntries::parse(data);
    if let Some(info) = entries.get("user_info") {
        return info.to_owned();
    }
    let mut json = String::with_capacity(data.len());
    json.push('{');
    for (name, value) in entries.0.iter().filter(|(name, _)| name != "user_id") {
        if json.len() > 1 {
            json.push(',');
        }
        push_json_string(&mut json, name);
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
        ] {
            assert_eq!(user_info(data), info, "{data}");
        }
    }
}
