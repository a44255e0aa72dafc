//! Reading fields of documents. Numbers of every BSON type are accepted, because the original and this server write different
//! ones.

use mongodb::bson::{Bson, Document};

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
}
