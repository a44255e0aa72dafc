//! Translation of the driver's errors.

use mongodb::error::{Error, ErrorKind, WriteFailure};

use crate::core::error::StorageError;

/// `DuplicateKey`; codes: <https://www.mongodb.com/docs/manual/reference/error-codes/>.
pub(super) const DUPLICATE: i32 = 11000;

/// Translates an error to the core's.
pub(super) fn classify(error: Error) -> StorageError {
    match *error.kind {
        ErrorKind::Bson(_)
        | ErrorKind::BsonDeserialization(_)
        | ErrorKind::InvalidResponse { .. } => StorageError::corrupt(error),
        _ => StorageError::unavailable(error),
    }
}

/// Whether a unique value exists already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE,
        ErrorKind::Command(error) => error.code == DUPLICATE,
        _ => false,
    }
}

/// Why an ordered insert has failed.
pub(super) enum InsertFailure {
    /// The document at this index has a duplicate unique value; those before it are stored.
    Duplicate(usize),
    /// The document at this index was rejected; those before it are stored.
    Rejected(usize),
    /// Any of the documents may be stored.
    Unknown,
}

/// Finds the reason in an error.
pub(super) fn insert_failure(error: &Error) -> InsertFailure {
    let ErrorKind::InsertMany(cause) = &*error.kind else {
        return InsertFailure::Unknown;
    };
    match cause.write_errors.as_deref() {
        // Without the write concern, stored documents may be rolled back.
        _ if cause.write_concern_error.is_some() => InsertFailure::Unknown,
        Some([first, ..]) if first.code == DUPLICATE => InsertFailure::Duplicate(first.index),
        Some([first, ..]) => InsertFailure::Rejected(first.index),
        _ => InsertFailure::Unknown,
    }
}
