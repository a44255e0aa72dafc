//! What the drivers' errors mean: to the core, and to whoever starts the server.

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

use crate::core::error::StorageError;

/// What an error means to the core. `damaged` knows the codes of a database whose contents cannot be trusted.
pub(super) fn classify(
    error: sqlx::Error,
    damaged: impl Fn(&dyn DatabaseError) -> bool,
) -> StorageError {
    match &error {
        sqlx::Error::Database(cause) if cause.is_unique_violation() => {
            StorageError::Conflict("a value that must be unique")
        }
        sqlx::Error::Database(cause) if damaged(&**cause) => StorageError::corrupt(error),
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. } => StorageError::corrupt(error),
        _ => StorageError::unavailable(error),
    }
}

/// Why a database cannot be migrated, to go after its name. `why` says it of the driver's own errors.
pub(super) fn unmigrated(error: MigrateError, why: impl Fn(&sqlx::Error) -> String) -> String {
    match error {
        MigrateError::VersionMissing(version) => {
            format!(
                "was written by a newer version (it has migration {version}): run that version, or name another database"
            )
        }
        MigrateError::VersionMismatch(version) => {
            format!(
                "was made by another build (its migration {version} differs): run that build, or name another database"
            )
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => why(&error),
        other => format!("cannot be migrated: {other}"),
    }
}
