//! Conversions between the adapter's values and PostgreSQL's: arguments, rows and errors.

use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Row};

use super::escape::{escaped, unescaped};
use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;
use crate::outbound::storage::sql::error;
use crate::outbound::storage::sql::statement::ColumnType;
use crate::outbound::storage::sql::value::{Arg, OutsideText, SqlRow};

pub(super) fn bind(args: &[Arg<'_>]) -> StorageResult<PgArguments> {
    let mut bound = PgArguments::default();
    bound.reserve(args.len(), 0);
    for arg in args {
        let added = match *arg {
            Arg::Int(number) => bound.add(number),
            Arg::Text(text) => bound.add(escaped(text)),
            Arg::Outside(text) => bound.add(text),
            Arg::MaybeText(text) => bound.add(text.map(escaped)),
            Arg::Bytes(bytes) => bound.add(bytes),
        };
        added.map_err(StorageError::Unavailable)?;
    }
    Ok(bound)
}

/// Binds each column of `rows` as one array.
pub(super) fn bind_arrays<const N: usize>(
    types: &[ColumnType; N],
    rows: &[[Arg<'_>; N]],
) -> StorageResult<PgArguments> {
    let mut bound = PgArguments::default();
    bound.reserve(N, 0);
    for (column, column_type) in types.iter().enumerate() {
        let column = rows.iter().map(|row| row[column]);
        let added = match column_type {
            ColumnType::Int => bound.add(column.map(Arg::int).collect::<Vec<_>>()),
            ColumnType::Text => bound.add(
                column
                    .map(|arg| match arg {
                        Arg::Outside(text) => Some(Cow::Borrowed(text)),
                        other => other.text().map(escaped),
                    })
                    .collect::<Vec<_>>(),
            ),
        };
        added.map_err(StorageError::Unavailable)?;
    }
    Ok(bound)
}

impl SqlRow for PgRow {
    fn int(&self, column: usize) -> StorageResult<i64> {
        self.try_get(column).map_err(classify)
    }

    fn maybe_int(&self, column: usize) -> StorageResult<Option<i64>> {
        self.try_get(column).map_err(classify)
    }

    fn text(&self, column: usize) -> StorageResult<Cow<'_, str>> {
        self.try_get(column).map(unescaped).map_err(classify)
    }

    fn maybe_text(&self, column: usize) -> StorageResult<Option<Cow<'_, str>>> {
        Ok(self
            .try_get::<Option<&str>, _>(column)
            .map_err(classify)?
            .map(unescaped))
    }

    fn outside_text(&self, column: usize) -> StorageResult<OutsideText> {
        let text = self
            .try_get::<Option<String>, _>(column)
            .map_err(classify)?;
        Ok(text.map_or(OutsideText::Null, OutsideText::Text))
    }
}

/// Translates an error of a call. Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(super) fn classify(error: sqlx::Error) -> StorageError {
    /// `data_corrupted` and `index_corrupted`.
    const CORRUPTION: [&str; 2] = ["XX001", "XX002"];
    error::classify(error, |cause| {
        cause
            .code()
            .is_some_and(|code| CORRUPTION.contains(&&*code))
    })
}
