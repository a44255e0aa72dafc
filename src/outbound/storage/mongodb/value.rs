//! Reading fields of documents. Numbers of every BSON type are accepted, because the original and this server write different
//! ones.

use std::borrow::Cow;

use mongodb::bson::{Bson, Document};
use serde_json::{Map, Number, Value};

use crate::core::error::StorageError;
use crate::core::model::Timestamp;
use crate::outbound::storage::StorageResult;

/// Reads a required integer.
pub(super) fn int(document: &Document, member: &str) -> StorageResult<i64> {
    maybe_int(document, member)?.ok_or_else(|| malformed(member))
}

/// Reads an optional integer.
pub(super) fn maybe_int(document: &Document, member: &str) -> StorageResult<Option<i64>> {
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

/// Reads a required integer that is not negative.
pub(super) fn unsigned(document: &Document, member: &str) -> StorageResult<u64> {
    u64::try_from(int(document, member)?).map_err(|_| malformed(member))
}

/// Reads a required number of any type.
pub(super) fn float(document: &Document, member: &str) -> StorageResult<f64> {
    match document.get(member) {
        Some(Bson::Int32(number)) => Ok(f64::from(*number)),
        Some(Bson::Int64(number)) => Ok(*number as f64),
        Some(Bson::Double(number)) => Ok(*number),
        _ => Err(malformed(member)),
    }
}

/// Microseconds in a second.
pub(super) const MICROS: i64 = 1_000_000;

/// Converts a time to whole seconds, as the original stores it.
pub(super) fn seconds(time: Timestamp) -> i64 {
    time.micros().div_euclid(MICROS)
}

/// Reads the time in `micros` if it lies within the second in `second`, which the original updates alone; otherwise the latter.
pub(super) fn time(document: &Document, second: &str, micros: &str) -> StorageResult<Timestamp> {
    let read = Timestamp::from_seconds(float(document, second)?);
    let exact = maybe_int(document, micros)?
        .map(Timestamp::from_micros)
        .filter(|exact| seconds(*exact) == seconds(read));
    Ok(exact.unwrap_or(read))
}

/// Reads a required text.
pub(super) fn text<'d>(document: &'d Document, member: &str) -> StorageResult<&'d str> {
    maybe_text(document, member)?.ok_or_else(|| malformed(member))
}

/// Reads an optional text.
pub(super) fn maybe_text<'d>(
    document: &'d Document,
    member: &str,
) -> StorageResult<Option<&'d str>> {
    match document.get(member) {
        None | Some(Bson::Null) => Ok(None),
        Some(Bson::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed(member)),
    }
}

/// Reads an optional boolean. Some servers and drivers store it as a number.
pub(super) fn maybe_bool(document: &Document, member: &str) -> StorageResult<Option<bool>> {
    match document.get(member) {
        None | Some(Bson::Null) => Ok(None),
        Some(Bson::Boolean(value)) => Ok(Some(*value)),
        Some(_) => maybe_int(document, member).map(|number| number.map(|number| number != 0)),
    }
}

/// Converts a number for a filter or a limit. Bounds above the range saturate, which does not change their meaning.
pub(super) fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Returns a text as it is, and any other value as JSON.
pub(super) fn to_text(value: &Bson) -> Cow<'_, str> {
    match value {
        Bson::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(to_json(other).to_string()),
    }
}

/// Converts a value to JSON; types without a JSON form become text.
pub(super) fn to_json(value: &Bson) -> Value {
    match value {
        Bson::Null | Bson::Undefined => Value::Null,
        Bson::Boolean(boolean) => Value::Bool(*boolean),
        Bson::Int32(number) => Value::Number((*number).into()),
        Bson::Int64(number) => Value::Number((*number).into()),
        Bson::Double(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Bson::String(text) => Value::String(text.clone()),
        Bson::Array(values) => Value::Array(values.iter().map(to_json).collect()),
        Bson::Document(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (name.clone(), to_json(value)))
                .collect(),
        ),
        other => Value::String(other.to_string()),
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

fn malformed(member: &str) -> StorageError {
    StorageError::corrupt(format!(
        "the field {member} of a document is missing or malformed"
    ))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    #[test]
    fn numbers_of_every_type_are_read() {
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
    fn booleans_may_be_numbers() {
        let document = doc! { "a": true, "b": 0_i64, "c": Bson::Null, "d": "yes" };
        assert_eq!(
            ["a", "b", "c"].map(|member| maybe_bool(&document, member).ok()),
            [Some(Some(true)), Some(Some(false)), Some(None)]
        );
        assert!(maybe_bool(&document, "d").is_err());
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
