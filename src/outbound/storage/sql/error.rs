//! Translation of sqlx's errors: to the core's [`StorageError`], and to messages about a database that cannot be opened.

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

use crate::core::error::StorageError;
use crate::outbound::storage::OpenFailure;

/// Translates an error of a call. `is_corruption` recognizes the database's codes for damaged data.
pub(super) fn classify(
    error: sqlx::Error,
    is_corruption: impl Fn(&dyn DatabaseError) -> bool,
) -> StorageError {
    match &error {
        sqlx::Error::Database(cause) if cause.is_unique_violation() => {
            StorageError::Conflict("a value that must be unique")
        }
        sqlx::Error::Database(cause) if is_corruption(&**cause) => StorageError::corrupt(error),
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. } => StorageError::corrupt(error),
        _ => StorageError::unavailable(error),
    }
}

/// Explains why a database cannot be migrated; the text follows the database's name. `explain` does the same for an
/// error of the driver.
pub(super) fn explain_migration(
    error: MigrateError,
    explain: impl Fn(&sqlx::Error) -> OpenFailure,
) -> OpenFailure {
    match error {
        MigrateError::VersionMissing(version) => {
            format!(
                "was written by a newer version (it has migration {version}): run that version, or name another database"
            )
            .into()
        }
        MigrateError::VersionMismatch(version) => {
            format!(
                "was made by another build (its migration {version} differs): run that build, or name another database"
            )
            .into()
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => explain(&error),
        other => format!("cannot be migrated: {other}").into(),
    }
}
