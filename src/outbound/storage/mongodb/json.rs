//! Values of documents as JSON, as the original answers them: numbers keep their type, and values without a form in JSON are
//! the text that Python's `str` makes of what its driver reads.

use std::borrow::Cow;

use mongodb::bson::{Bson, Document, Regex};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::macros::format_description;

/// Returns a text as it is, and any other value as JSON.
pub(super) fn to_text(value: &Bson) -> Result<Cow<'_, str>, serde_json::Error> {
    match text_of(value) {
        Some(text) => Ok(text),
        None => serde_json::to_string(&Json(value)).map(Cow::Owned),
    }
}

/// A value that is encoded as JSON.
pub(super) struct Json<'a>(pub &'a Bson);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = text_of(self.0) {
            return serializer.serialize_str(&text);
        }
        match self.0 {
            Bson::Boolean(boolean) => serializer.serialize_bool(*boolean),
            Bson::Int32(number) => serializer.serialize_i32(*number),
            Bson::Int64(number) => serializer.serialize_i64(*number),
            // The original answers `NaN` and `Infinity`, which are not JSON.
            Bson::Double(number) if number.is_finite() => serializer.serialize_f64(*number),
            Bson::Array(values) => serializer.collect_seq(values.iter().map(Json)),
            Bson::Document(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, &Json(value))?;
                }
                map.end()
            }
            _ => serializer.serialize_unit(),
        }
    }
}

/// The text of a value that is a string in JSON; `None`: it is something else.
fn text_of(value: &Bson) -> Option<Cow<'_, str>> {
    Some(match value {
        Bson::String(text) | Bson::Symbol(text) | Bson::JavaScriptCode(text) => text.into(),
        Bson::JavaScriptCodeWithScope(code) => Cow::Borrowed(&*code.code),
        Bson::ObjectId(id) => id.to_hex().into(),
        Bson::DateTime(date) => date_text(date.timestamp_millis()).into(),
        Bson::Decimal128(number) => number.to_string().into(),
        Bson::Binary(binary) => python_bytes(&binary.bytes).into(),
        Bson::Timestamp(time) => format!("Timestamp({}, {})", time.time, time.increment).into(),
        Bson::RegularExpression(regex) => python_regex(regex).into(),
        Bson::MinKey => "MinKey()".into(),
        Bson::MaxKey => "MaxKey()".into(),
        other @ Bson::DbPointer(_) => other.to_string().into(),
        Bson::Null
        | Bson::Undefined
        | Bson::Boolean(_)
        | Bson::Int32(_)
        | Bson::Int64(_)
        | Bson::Double(_)
        | Bson::Array(_)
        | Bson::Document(_) => return None,
    })
}

/// A date of the years 0 to 9999 as Python writes it, with microseconds where it is not a whole second; any other as its
/// milliseconds since 1970.
fn date_text(millis: i64) -> String {
    let whole = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let exact =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:6]");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .ok()
        .filter(|date| date.year() >= 0)
        .and_then(|date| {
            let is_whole = date.nanosecond() == 0;
            if is_whole {
                date.format(whole).ok()
            } else {
                date.format(exact).ok()
            }
        })
        .unwrap_or_else(|| millis.to_string())
}

/// The literal of a byte string in Python.
fn python_bytes(bytes: &[u8]) -> String {
    let quote = python_quote(bytes);
    let mut text = format!("b{quote}");
    for byte in bytes {
        match byte {
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\\' => text.push_str("\\\\"),
            byte if char::from(*byte) == quote => text.extend(['\\', quote]),
            0x20..=0x7e => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push(quote);
    text
}

/// A regular expression as the original's driver shows it, with the number of its flags in Python.
fn python_regex(regex: &Regex) -> String {
    let pattern = regex.pattern.as_str();
    let quote = python_quote(pattern.as_bytes());
    let mut text = format!("Regex({quote}");
    for character in pattern.chars() {
        match character {
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\\' => text.push_str("\\\\"),
            character if character == quote => text.extend(['\\', quote]),
            '\0'..='\x1f' | '\x7f' => text.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ => text.push(character),
        }
    }
    let flag = |option: char| match option {
        'i' => 2,
        'l' => 4,
        'm' => 8,
        's' => 16,
        'u' => 32,
        'x' => 64,
        _ => 0,
    };
    let flags = regex
        .options
        .as_str()
        .chars()
        .fold(0, |all, o| all | flag(o));
    format!("{text}{quote}, {flags})")
}

/// The quote that Python chooses for a literal.
fn python_quote(text: &[u8]) -> char {
    if text.contains(&b'\'') && !text.contains(&b'"') {
        '"'
    } else {
        '\''
    }
}

/// Converts JSON members to fields as the original stores them, without names that are reserved or invalid in MongoDB.
pub(super) fn to_members(json: &Map<String, Value>) -> Document {
    let valid = |name: &str| !name.starts_with('$') && !name.contains(['.', '\0']);
    json.iter()
        .filter(|(name, _)| valid(name))
        .map(|(name, value)| (name.clone(), to_bson(value)))
        .collect()
}

fn to_bson(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(boolean) => Bson::Boolean(*boolean),
        Value::Number(number) => number.as_i64().map_or_else(
            || number.as_f64().map_or(Bson::Null, Bson::Double),
            Bson::Int64,
        ),
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(values) => Bson::Array(values.iter().map(to_bson).collect()),
        Value::Object(members) => Bson::Document(to_members(members)),
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::oid::ObjectId;
    use mongodb::bson::spec::BinarySubtype;
    use mongodb::bson::{Binary, DateTime, Timestamp, doc};

    use super::*;

    fn text(value: impl Into<Bson>) -> String {
        serde_json::to_string(&Json(&value.into())).unwrap()
    }

    /// The expected texts are what the original (pushi-service 0.6.10, appier 1.46.0) answers, except for numbers that are
    /// not finite.
    #[test]
    fn every_type_is_encoded_as_the_original_does() {
        let decimal = |number: &str| number.parse::<mongodb::bson::Decimal128>().unwrap();
        let bytes = |bytes: &[u8]| Binary {
            subtype: BinarySubtype::Generic,
            bytes: bytes.to_vec(),
        };
        let regex = |pattern: &str, options: &str| Regex {
            pattern: pattern.try_into().unwrap(),
            options: options.try_into().unwrap(),
        };
        for (value, expected) in [
            (Bson::from(1_i32), "1"),
            (9_007_199_254_740_993_i64.into(), "9007199254740993"),
            (2.0.into(), "2.0"),
            ((-0.0).into(), "-0.0"),
            (1.5.into(), "1.5"),
            (f64::NAN.into(), "null"),
            (f64::NEG_INFINITY.into(), "null"),
            (true.into(), "true"),
            (Bson::Null, "null"),
            (Bson::Undefined, "null"),
            ("é \"q\" }}".into(), r#""é \"q\" }}""#),
            (decimal("1.50").into(), r#""1.50""#),
            (decimal("1E+3").into(), r#""1E+3""#),
            (decimal("NaN").into(), r#""NaN""#),
            (
                DateTime::from_millis(1_704_164_645_678).into(),
                r#""2024-01-02 03:04:05.678000""#,
            ),
            (
                DateTime::from_millis(1_704_164_645_000).into(),
                r#""2024-01-02 03:04:05""#,
            ),
            (
                DateTime::from_millis(-1).into(),
                r#""1969-12-31 23:59:59.999000""#,
            ),
            (
                DateTime::from_millis(-62_135_596_800_000).into(),
                r#""0001-01-01 00:00:00""#,
            ),
            (DateTime::MAX.into(), r#""9223372036854775807""#),
            (
                ObjectId::from_bytes([0xab; 12]).into(),
                r#""abababababababababababab""#,
            ),
            (bytes(b"ab\xff'\n").into(), r#""b\"ab\\xff'\\n\"""#),
            (bytes(b"a'\"\\\0").into(), r#""b'a\\'\"\\\\\\x00'""#),
            (regex("a/b'", "imsx").into(), r#""Regex(\"a/b'\", 90)""#),
            (
                Timestamp {
                    time: 5,
                    increment: 6,
                }
                .into(),
                r#""Timestamp(5, 6)""#,
            ),
            (Bson::MinKey, r#""MinKey()""#),
            (Bson::JavaScriptCode("x('a')".into()), r#""x('a')""#),
            (
                doc! { "": {}, "a.b": [1, 2.0, { "}": Bson::Null }], "q\"": "{" }.into(),
                r#"{"":{},"a.b":[1,2.0,{"}":null}],"q\"":"{"}"#,
            ),
        ] {
            assert_eq!(text(value.clone()), expected, "{value:?}");
        }
    }

    #[test]
    fn only_values_without_a_text_are_texts_of_json() {
        let shown = |value: Bson| to_text(&value).unwrap().into_owned();
        assert_eq!(shown("{".into()), "{");
        assert_eq!(shown(ObjectId::from_bytes([1; 12]).into()), "01".repeat(12));
        assert_eq!(shown(doc! { "a": 2.0 }.into()), r#"{"a":2.0}"#);
    }

    #[test]
    fn reserved_and_invalid_names_are_left_out() {
        let json = serde_json::json!({ "a": 1, "$set": 2, "a.b": 3, "n\0": 4, "o": { "$x": 5, "y": [null, 1.5, { "$z": 6 }] } });
        let members = json.as_object().map(to_members);
        assert_eq!(
            members,
            Some(doc! { "a": 1_i64, "o": { "y": [null, 1.5, {}] } })
        );
    }
}
