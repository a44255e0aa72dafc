//! JSON that is read member by member as text, so that numbers and order travel as they were sent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A string that is borrowed from the JSON text where nothing in it was escaped.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The string that a JSON text is; `None`: it is something else, or holds half a surrogate pair.
pub fn read_string(value: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(value)
        .ok()
        .map(|text| text.0)
}

/// The strings of the list that a JSON text is; `None`: it is something else.
pub fn read_strings(value: &str) -> Option<Vec<Cow<'_, str>>> {
    let texts: Vec<Text<'_>> = serde_json::from_str(value).ok()?;
    Some(texts.into_iter().map(|text| text.0).collect())
}

/// The members of an object as text, in the order of first occurrence; of a repeated name the last value counts.
pub struct RawMembers<'a>(pub Vec<(Cow<'a, str>, &'a str)>);

impl<'a> RawMembers<'a> {
    /// The JSON text of a member; `None`: it is missing or null.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let member = self.0.iter().find(|(known, _)| known == name);
        member
            .map(|(_, value)| *value)
            .filter(|value| *value != "null")
    }
}

impl<'de> Deserialize<'de> for RawMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = RawMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut places = std::collections::HashMap::new();
                let mut members: Vec<(Cow<'de, str>, &'de str)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    match places
                        .get(&name.0)
                        .and_then(|place: &usize| members.get_mut(*place))
                    {
                        Some(member) => member.1 = value.get(),
                        None => {
                            places.insert(name.0.clone(), members.len());
                            members.push((name.0, value.get()));
                        }
                    }
                }
                Ok(RawMembers(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
