//! Conversions between the adapter's values and SQLite's: arguments, rows and errors.

use std::borrow::Cow;

use sqlx::error::DatabaseError;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Row};

use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::error;
use crate::outbound::storage::sql::value::{Arg, OutsideText, SqlRow};

pub(super) fn bind(args: &[Arg<'_>]) -> StorageResult<SqliteArguments> {
    let mut bound = SqliteArguments::default();
    bound.reserve(args.len(), 0);
    for arg in args {
        let added = match *arg {
            Arg::Int(number) => bound.add(number),
            Arg::Text(text) | Arg::Outside(text) => bound.add(text),
            Arg::MaybeText(text) => bound.add(text),
            Arg::Bytes(bytes) => bound.add(bytes),
        };
        added.map_err(StorageError::Unavailable)?;
    }
    Ok(bound)
}

impl SqlRow for SqliteRow {
    fn int(&self, column: usize) -> StorageResult<i64> {
        self.try_get(column).map_err(classify)
    }

    fn maybe_int(&self, column: usize) -> StorageResult<Option<i64>> {
        self.try_get(column).map_err(classify)
    }

    fn text(&self, column: usize) -> StorageResult<Cow<'_, str>> {
        self.try_get::<&str, _>(column)
            .map(Cow::Borrowed)
            .map_err(classify)
    }

    fn maybe_text(&self, column: usize) -> StorageResult<Option<Cow<'_, str>>> {
        Ok(self
            .try_get::<Option<&str>, _>(column)
            .map_err(classify)?
            .map(Cow::Borrowed))
    }

    fn outside_text(&self, column: usize) -> StorageResult<OutsideText> {
        // Unchecked: a column takes values of any type.
        let bytes = self
            .try_get_unchecked::<Option<Vec<u8>>, _>(column)
            .map_err(classify)?;
        Ok(match bytes.map(String::from_utf8) {
            None => OutsideText::Null,
            Some(Ok(text)) => OutsideText::Text(text),
            Some(Err(_)) => OutsideText::Invalid,
        })
    }
}

/// Translates an error of a call. Codes: <https://www.sqlite.org/rescode.html>.
pub(super) fn classify(error: sqlx::Error) -> StorageError {
    /// `SQLITE_CORRUPT` and `SQLITE_NOTADB`.
    const CORRUPTION: [i32; 2] = [11, 26];
    error::classify(error, |cause| {
        code(cause).is_some_and(|code| CORRUPTION.contains(&code))
    })
}

/// Returns SQLite's primary result code, without the extension.
pub(super) fn primary_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error().and_then(code)
}

fn code(error: &dyn DatabaseError) -> Option<i32> {
    let code: i32 = error.code()?.parse().ok()?;
    Some(code & 0xff)
}
