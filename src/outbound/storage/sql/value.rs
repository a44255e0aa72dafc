//! SQL values: arguments of statements, columns of rows, and the conversion between the domain's unsigned numbers and
//! the databases' signed ones.

use std::borrow::Cow;

use crate::core::error::StorageError;
use crate::outbound::storage::StorageResult;

/// An argument that is bound to a placeholder.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg<'a> {
    Int(i64),
    Text(&'a str),
    /// A text that another program has written, see [`SqlRow::outside_text`].
    Outside(&'a str),
    MaybeText(Option<&'a str>),
    Bytes(&'a [u8]),
}

impl<'a> Arg<'a> {
    /// The integer; `None` for any other type.
    pub(super) fn int(self) -> Option<i64> {
        if let Self::Int(number) = self {
            Some(number)
        } else {
            None
        }
    }

    /// The text; `None` for NULL and any other type.
    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) | Self::Outside(text) => Some(text),
            Self::MaybeText(text) => text,
            Self::Int(_) | Self::Bytes(_) => None,
        }
    }
}

/// See [`SqlRow::outside_text`].
pub(super) enum OutsideText {
    Null,
    Text(String),
    /// It is not UTF-8.
    Invalid,
}

impl OutsideText {
    /// The text, which may be NULL; `None`: it is none.
    pub(super) fn optional(self) -> Option<Option<String>> {
        match self {
            Self::Null => Some(None),
            Self::Text(text) => Some(Some(text)),
            Self::Invalid => None,
        }
    }
}

/// A result row. A column of another type than the one requested is `Corrupt`; `maybe_` accepts NULL.
pub(super) trait SqlRow {
    fn int(&self, column: usize) -> StorageResult<i64>;
    fn maybe_int(&self, column: usize) -> StorageResult<Option<i64>>;
    fn text(&self, column: usize) -> StorageResult<Cow<'_, str>>;
    fn maybe_text(&self, column: usize) -> StorageResult<Option<Cow<'_, str>>>;
    /// A text that another program has written: it is not escaped, and perhaps not even text.
    fn outside_text(&self, column: usize) -> StorageResult<OutsideText>;
}

/// Converts a number to an argument. Bounds above the range of a column saturate, which does not change their meaning.
pub(super) fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Converts a column that must not be negative; a negative one is `Corrupt`.
pub(super) fn unsigned(number: i64) -> StorageResult<u64> {
    u64::try_from(number).map_err(StorageError::corrupt)
}
