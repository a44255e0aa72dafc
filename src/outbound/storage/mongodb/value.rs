//! Reading what documents hold. The original and this server write numbers in several sizes, so any is read.

use std::borrow::Cow;

use mongodb::bson::{Bson, Document};
use serde_json::{Map, Number, Value};

use super::Outcome;
use crate::core::error::StorageError;
use crate::core::model::Timestamp;

/// A whole number that must be there.
pub(super) fn int(document: &Document, member: &str) -> Outcome<i64> {
    maybe_int(document, member)?.ok_or_else(|| malformed(member))
}

/// A whole number that may be missing.
pub(super) fn maybe_int(document: &Document, member: &str) -> Outcome<Option<i64>> {
    match document.get(member) {
        None | Some(Bson::Null) => Ok(None),
        Some(Bson::Int32(number)) => Ok(Some(i64::from(*number))),
        Some(Bson::Int64(number)) => Ok(Some(*number)),
        Some(Bson::Double(number)) if number.fract() == 0.0 && number.abs() < 9e15 => {
            Ok(Some(*number as i64))
        }
        Some(_) => Err(malformed(member)),
    }
}

/// A whole number from 0 that must be there.
pub(super) fn unsigned(document: &Document, member: &str) -> Outcome<u64> {
    u64::try_from(int(document, member)?).map_err(|_| malformed(member))
}

/// A number that may have a fraction.
pub(super) fn float(document: &Document, member: &str) -> Outcome<f64> {
    match document.get(member) {
        Some(Bson::Int32(number)) => Ok(f64::from(*number)),
        Some(Bson::Int64(number)) => Ok(*number as f64),
        Some(Bson::Double(number)) => Ok(*number),
        _ => Err(malformed(member)),
    }
}

/// Microseconds in a second.
pub(super) const MICROS: i64 = 1_000_000;

/// A time in the whole seconds that the original reads and writes.
pub(super) fn seconds(time: Timestamp) -> i64 {
    time.micros().div_euclid(MICROS)
}

/// The time in `micros`, as long as it is within the second that the original reads and writes, in `second`.
pub(super) fn time(document: &Document, second: &str, micros: &str) -> Outcome<Timestamp> {
    let read = Timestamp::from_seconds(float(document, second)?);
    let exact = maybe_int(document, micros)?
        .map(Timestamp::from_micros)
        .filter(|exact| seconds(*exact) == seconds(read));
    Ok(exact.unwrap_or(read))
}

/// A text that must be there.
pub(super) fn text<'d>(document: &'d Document, member: &str) -> Outcome<&'d str> {
    maybe_text(document, member)?.ok_or_else(|| malformed(member))
}

/// A text that may be missing.
pub(super) fn maybe_text<'d>(document: &'d Document, member: &str) -> Outcome<Option<&'d str>> {
    match document.get(member) {
        None | Some(Bson::Null) => Ok(None),
        Some(Bson::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed(member)),
    }
}

/// A truth that may be missing. Some servers and drivers keep it as a number.
pub(super) fn maybe_bool(document: &Document, member: &str) -> Outcome<Option<bool>> {
    match document.get(member) {
        None | Some(Bson::Null) => Ok(None),
        Some(Bson::Boolean(truth)) => Ok(Some(*truth)),
        Some(_) => maybe_int(document, member).map(|number| number.map(|number| number != 0)),
    }
}

/// For a filter or a limit. A bound above what a document can hold means the same as the largest one that it can.
pub(super) fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A text, or the JSON text of anything else.
pub(super) fn text_of(value: &Bson) -> Cow<'_, str> {
    match value {
        Bson::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(json_of(other).to_string()),
    }
}

/// A stored value as JSON. What JSON has no form for comes as its text.
pub(super) fn json_of(value: &Bson) -> Value {
    match value {
        Bson::Null | Bson::Undefined => Value::Null,
        Bson::Boolean(truth) => Value::Bool(*truth),
        Bson::Int32(number) => Value::Number((*number).into()),
        Bson::Int64(number) => Value::Number((*number).into()),
        Bson::Double(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Bson::String(text) => Value::String(text.clone()),
        Bson::Array(values) => Value::Array(values.iter().map(json_of).collect()),
        Bson::Document(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), json_of(value)))
                .collect(),
        ),
        other => Value::String(other.to_string()),
    }
}

/// JSON members as the original would have stored them. Left out are names that MongoDB reads as something else or
/// cannot hold.
pub(super) fn members_of(json: &Map<String, Value>) -> Document {
    let plain = |name: &str| !name.starts_with('$') && !name.contains(['.', '\0']);
    json.iter()
        .filter(|(name, _)| plain(name))
        .map(|(name, value)| (name.clone(), bson_of(value)))
        .collect()
}

fn bson_of(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(truth) => Bson::Boolean(*truth),
        Value::Number(number) => number.as_i64().map_or_else(
            || number.as_f64().map_or(Bson::Null, Bson::Double),
            Bson::Int64,
        ),
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(values) => Bson::Array(values.iter().map(bson_of).collect()),
        Value::Object(members) => Bson::Document(members_of(members)),
    }
}

fn malformed(member: &str) -> StorageError {
    StorageError::corrupt(format!("a document's {member} is missing or malformed"))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    #[test]
    fn numbers_of_any_size_are_read() {
        let document = doc! { "a": 1_i32, "b": 2_i64, "c": 3.0, "d": 3.5, "e": "4" };
        assert_eq!(
            ["a", "b", "c"].map(|member| int(&document, member).ok()),
            [Some(1), Some(2), Some(3)]
        );
        assert!(
            int(&document, "d").is_err()
                && int(&document, "e").is_err()
                && int(&document, "f").is_err()
        );
        assert_eq!(float(&document, "d").ok(), Some(3.5));
    }

    #[test]
    fn truths_may_be_numbers() {
        let document = doc! { "a": true, "b": 0_i64, "c": Bson::Null, "d": "yes" };
        assert_eq!(
            ["a", "b", "c"].map(|member| maybe_bool(&document, member).ok()),
            [Some(Some(true)), Some(Some(false)), Some(None)]
        );
        assert!(maybe_bool(&document, "d").is_err());
    }

    #[test]
    fn members_that_mongodb_reads_otherwise_are_left_out() {
        let json = serde_json::json!({ "a": 1, "$set": 2, "a.b": 3, "n\0": 4, "o": { "$x": 5, "y": [null, 1.5, { "$z": 6 }] } });
        let members = json.as_object().map(members_of);
        assert_eq!(
            members,
            Some(doc! { "a": 1_i64, "o": { "y": [null, 1.5, {}] } })
        );
    }
}
