//! The fields of a client's frame as unparsed JSON text, so that data which is only relayed is not
//! changed.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of a frame, or of its `data`, that the protocols define. Of a duplicate field the
/// last value counts; `null` counts as absent.
#[derive(Debug, Default)]
pub(super) struct FrameFields<'a> {
    pub event: Option<&'a RawValue>,
    pub channel: Option<&'a RawValue>,
    pub data: Option<&'a RawValue>,
    pub auth: Option<&'a RawValue>,
    pub channel_data: Option<&'a RawValue>,
    pub since: Option<&'a RawValue>,
    pub follow: Option<&'a RawValue>,
    pub paging: Option<&'a RawValue>,
    pub skip: Option<&'a RawValue>,
    pub count: Option<&'a RawValue>,
    pub echo: Option<&'a RawValue>,
    pub persist: Option<&'a RawValue>,
    pub reference: Option<&'a RawValue>,
    pub user_data: Option<&'a RawValue>,
    pub token: Option<&'a RawValue>,
}

#[derive(Clone, Copy)]
enum FieldName {
    Event,
    Channel,
    Data,
    Auth,
    ChannelData,
    Since,
    Follow,
    Paging,
    Skip,
    Count,
    Echo,
    Persist,
    Ref,
    UserData,
    Token,
    Other,
}

/// Read as bytes, since the name of another field may be no Rust string (`"\\ud83d"`).
impl<'de> Deserialize<'de> for FieldName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = FieldName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<FieldName, E> {
                Ok(match name {
                    b"event" => FieldName::Event,
                    b"channel" => FieldName::Channel,
                    b"data" => FieldName::Data,
                    b"auth" => FieldName::Auth,
                    b"channel_data" => FieldName::ChannelData,
                    b"since" => FieldName::Since,
                    b"follow" => FieldName::Follow,
                    b"paging" => FieldName::Paging,
                    b"skip" => FieldName::Skip,
                    b"count" => FieldName::Count,
                    b"echo" => FieldName::Echo,
                    b"persist" => FieldName::Persist,
                    b"ref" => FieldName::Ref,
                    b"user_data" => FieldName::UserData,
                    b"token" => FieldName::Token,
                    _ => FieldName::Other,
                })
            }
        }

        deserializer.deserialize_bytes(NameVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for FrameFields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = FrameFields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = FrameFields::default();
                while let Some(name) = map.next_key()? {
                    let field = match name {
                        FieldName::Event => &mut fields.event,
                        FieldName::Channel => &mut fields.channel,
                        FieldName::Data => &mut fields.data,
                        FieldName::Auth => &mut fields.auth,
                        FieldName::ChannelData => &mut fields.channel_data,
                        FieldName::Since => &mut fields.since,
                        FieldName::Follow => &mut fields.follow,
                        FieldName::Paging => &mut fields.paging,
                        FieldName::Skip => &mut fields.skip,
                        FieldName::Count => &mut fields.count,
                        FieldName::Echo => &mut fields.echo,
                        FieldName::Persist => &mut fields.persist,
                        FieldName::Ref => &mut fields.reference,
                        FieldName::UserData => &mut fields.user_data,
                        FieldName::Token => &mut fields.token,
                        FieldName::Other => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    let value: &RawValue = map.next_value()?;
                    // `null` counts as absent, as in the original server.
                    *field = (value.get() != "null").then_some(value);
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// The value of a JSON string; `None` for any other value.
pub(super) fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// The value of `true` or `false`; `None` for any other value.
pub(super) fn boolean(value: &RawValue) -> Option<bool> {
    serde_json::from_str(value.get()).ok()
}

/// The value of a whole number from 0 to 2^63 - 1; `None` for any other value.
pub(super) fn number(value: &RawValue) -> Option<u64> {
    let number: u64 = serde_json::from_str(value.get()).ok()?;
    i64::try_from(number).is_ok().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_duplicate_counts_and_null_is_absent() {
        let fields: FrameFields<'_> = serde_json::from_str(
            r#"{"event":"a","ev\u0065nt":"b","data":null,"else":[{}],"\ud83d":"\ud83d"}"#,
        )
        .unwrap();
        assert_eq!(fields.event.and_then(string).as_deref(), Some("b"));
        assert!(fields.data.is_none());
    }
}
