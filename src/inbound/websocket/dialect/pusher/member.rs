//! A member's data between the dialects.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::inbound::wire::push_json_string;

/// The members of a JSON object in their order, values as they were written.
pub struct Entries<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

/// A name that is borrowed where nothing in it was escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    entries.push((name.0, value));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

impl<'a> Entries<'a> {
    /// Reads the text of a JSON object; empty where it is none.
    pub fn of(object: &'a str) -> Self {
        serde_json::from_str(object).unwrap_or(Self(Vec::new()))
    }

    /// The value of a member; of two of the same name the last counts.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.get())
    }
}

/// What Pusher frames show of a member beside its id: its `user_info`, or else all that it joined with but `user_id`.
pub fn user_info(data: &str) -> String {
    let entries = Entries::of(data);
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
    fn a_members_info_is_its_user_info_or_all_but_its_id() {
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
