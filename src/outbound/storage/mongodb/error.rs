//! Translation of the driver's errors.

use mongodb::error::{Error, ErrorKind, IndexedWriteError, WriteFailure};

use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;

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

/// Codes of failures that pass: a server that starts, stops or loses its role, and a collection or an index that another
/// client creates at the same time.
const TEMPORARY: [i32; 19] = [
    6, 7, 24, 46, 48, 50, 89, 91, 112, 117, 189, 262, 9001, 10107, 11600, 11602, 12587, 13435,
    13436,
];

/// Whether a later attempt may succeed without a change by an operator.
pub(super) fn is_temporary(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::DnsResolve { .. } => true,
        ErrorKind::Command(error) => TEMPORARY.contains(&error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => TEMPORARY.contains(&error.code),
        _ => false,
    }
}

/// The same for an error that [`classify`] has translated.
pub(super) fn is_temporary_failure(error: &StorageError) -> bool {
    match error {
        StorageError::Unavailable(cause) => cause.downcast_ref::<Error>().is_some_and(is_temporary),
        _ => false,
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

/// Makes an upsert, and repeats it where a concurrent call has inserted the same document: whichever server it is, one of two
/// concurrent ones may fail. Within the time-out of the call.
pub(super) async fn upsert<A, T>(action: impl Fn() -> A) -> StorageResult<T>
where
    A: IntoFuture<Output = Result<T, Error>>,
{
    loop {
        match action().await {
            Err(error) if is_duplicate(&error) => {}
            done => return done.map_err(classify),
        }
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

/// Finds the documents that an unordered insert has not stored, by their indexes: the duplicates, and the rejected ones. `None`:
/// any of the documents may be stored.
pub(super) fn unstored(error: &Error) -> Option<(Vec<usize>, Vec<usize>)> {
    let ErrorKind::InsertMany(cause) = &*error.kind else {
        return None;
    };
    // Without the write concern, stored documents may be rolled back.
    if cause.write_concern_error.is_some() {
        return None;
    }
    let errors = cause
        .write_errors
        .as_deref()
        .filter(|all| !all.is_empty())?;
    let (duplicates, rejected): (Vec<_>, Vec<_>) =
        errors.iter().partition(|error| error.code == DUPLICATE);
    let indexes =
        |errors: Vec<&IndexedWriteError>| errors.iter().map(|error| error.index).collect();
    Some((indexes(duplicates), indexes(rejected)))
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
