//! The members of a JSON object, unparsed, so that what is only passed on stays as it was sent.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of a JSON object by the names that the protocol knows; of a name that comes twice the last counts.
#[derive(Debug, Default)]
pub struct Members<'a> {
    pub event: Option<&'a RawValue>,
    pub channel: Option<&'a RawValue>,
    pub data: Option<&'a RawValue>,
    pub auth: Option<&'a RawValue>,
    pub channel_data: Option<&'a RawValue>,
    pub since: Option<&'a RawValue>,
    pub skip: Option<&'a RawValue>,
    pub count: Option<&'a RawValue>,
    pub echo: Option<&'a RawValue>,
    pub persist: Option<&'a RawValue>,
    pub reference: Option<&'a RawValue>,
    pub user_data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Name {
    Event,
    Channel,
    Data,
    Auth,
    ChannelData,
    Since,
    Skip,
    Count,
    Echo,
    Persist,
    Ref,
    UserData,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::default();
                while let Some(name) = map.next_key()? {
                    let place = match name {
                        Name::Event => &mut members.event,
                        Name::Channel => &mut members.channel,
                        Name::Data => &mut members.data,
                        Name::Auth => &mut members.auth,
                        Name::ChannelData => &mut members.channel_data,
                        Name::Since => &mut members.since,
                        Name::Skip => &mut members.skip,
                        Name::Count => &mut members.count,
                        Name::Echo => &mut members.echo,
                        Name::Persist => &mut members.persist,
                        Name::Ref => &mut members.reference,
                        Name::UserData => &mut members.user_data,
                        Name::Other => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    let value: &RawValue = map.next_value()?;
                    // `null` is as good as not there, as in the original.
                    *place = (value.get() != "null").then_some(value);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// A string, unescaped.
pub fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// A whole number from 0 that 63 bits hold.
pub fn number(value: &RawValue) -> Option<u64> {
    let number: u64 = serde_json::from_str(value.get()).ok()?;
    i64::try_from(number).is_ok().then_some(number)
}

/// JSON text without the white space between its tokens; everything else stays as it was sent.
pub fn compact(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character.is_ascii_whitespace() {
            continue;
        } else {
            in_string = character == '"';
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_between_tokens_goes() {
        assert_eq!(
            compact("{ \"a b\" : [1.0, 1e5 ,\n\t\"\\\" x\\\\\" , 12345678901234567890 ] }"),
            "{\"a b\":[1.0,1e5,\"\\\" x\\\\\",12345678901234567890]}"
        );
    }

    #[test]
    fn the_last_of_two_counts_and_null_is_nothing() {
        let members: Members<'_> =
            serde_json::from_str(r#"{"event":"a","event":"b","data":null,"else":[{}]}"#).unwrap();
        assert_eq!(members.event.and_then(string).as_deref(), Some("b"));
        assert!(members.data.is_none());
    }
}
