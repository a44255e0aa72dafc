//! What the driver's errors mean.

use mongodb::error::{Error, ErrorKind, WriteFailure};

use crate::core::error::StorageError;

/// `DuplicateKey`; codes: <https://www.mongodb.com/docs/manual/reference/error-codes/>.
pub(super) const DUPLICATE: i32 = 11000;

/// What an error means to the core.
pub(super) fn classify(error: Error) -> StorageError {
    match *error.kind {
        ErrorKind::Bson(_)
        | ErrorKind::BsonDeserialization(_)
        | ErrorKind::InvalidResponse { .. } => StorageError::corrupt(error),
        _ => StorageError::unavailable(error),
    }
}

/// Whether something with the same unique value is there already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE,
        ErrorKind::Command(error) => error.code == DUPLICATE,
        _ => false,
    }
}

/// How an ordered insert ended early.
pub(super) enum Stopped {
    /// At the document of this place, whose unique value is there already. Those before it are stored.
    Duplicate(usize),
    /// At the document of this place, for a reason of its own. Those before it are stored.
    Refused(usize),
    /// Nobody knows where.
    Somewhere,
}

/// Where an ordered insert stopped.
pub(super) fn stopped(error: &Error) -> Stopped {
    let ErrorKind::InsertMany(cause) = &*error.kind else {
        return Stopped::Somewhere;
    };
    match cause.write_errors.as_deref() {
        // Without the write concern, what was stored may still be undone.
        _ if cause.write_concern_error.is_some() => Stopped::Somewhere,
        Some([first, ..]) if first.code == DUPLICATE => Stopped::Duplicate(first.index),
        Some([first, ..]) => Stopped::Refused(first.index),
        _ => Stopped::Somewhere,
    }
}
