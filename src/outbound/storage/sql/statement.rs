//! Statements with many rows.

/// Numbers of rows per statement with numbered placeholders. Few sizes, so that a connection keeps all statements prepared.
/// Larger lists are slower: the planner may choose a table scan over index lookups, and in SQLite the cost of binding a
/// numbered placeholder grows with the number of placeholders (64 rows were half as fast as 16).
const CHUNK_SIZES: [usize; 3] = [1, 4, 16];

/// The largest number of rows that SQLite inserts with a statement of its own, and the sizes above. A statement costs two
/// changes of threads in the driver, as much as inserting some rows, so that a commit should have few of them.
const MAX_SINGLE_ROWS: usize = 16;
const LARGE_ROWS: usize = 64;

/// A statement with a list of row values, prepared for each chunk size.
pub(super) struct MultiRowStatement {
    /// By number of rows, ascending from 1.
    sizes: Vec<(usize, String)>,
}

impl MultiRowStatement {
    /// Builds `before`, one list of `columns` placeholders per row, numbered from `$first` on, and `after`.
    pub(super) fn new(before: &str, first: usize, columns: usize, after: &str) -> Self {
        let row = |row: usize| {
            let placeholders =
                (0..columns).map(|column| format!("${}", first + row * columns + column));
            format!("({})", placeholders.collect::<Vec<_>>().join(", "))
        };
        Self::of_sizes(CHUNK_SIZES, before, row, after)
    }

    /// The same for SQLite, where no other placeholder is in the statement: they have no numbers, so that binding one costs
    /// the same in a long list.
    pub(super) fn sqlite(before: &str, columns: usize, after: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(", "));
        let sizes = (1..=MAX_SINGLE_ROWS).chain([LARGE_ROWS]);
        Self::of_sizes(sizes, before, |_| row.clone(), after)
    }

    fn of_sizes(
        sizes: impl IntoIterator<Item = usize>,
        before: &str,
        row: impl Fn(usize) -> String,
        after: &str,
    ) -> Self {
        let statement = |rows: usize| {
            let lists = (0..rows).map(&row).collect::<Vec<_>>().join(", ");
            (rows, format!("{before}{lists}{after}"))
        };
        Self {
            sizes: sizes.into_iter().map(statement).collect(),
        }
    }

    /// Splits `items` into chunks, each with its statement.
    pub(super) fn chunks<'a, T>(
        &'static self,
        mut items: &'a [T],
    ) -> impl Iterator<Item = (&'static str, &'a [T])> + use<'a, T> {
        std::iter::from_fn(move || {
            let fitting = self
                .sizes
                .iter()
                .rev()
                .find(|(size, _)| *size <= items.len());
            fitting.map(|(size, sql)| {
                let (chunk, rest) = items.split_at(*size);
                items = rest;
                (sql.as_str(), chunk)
            })
        })
    }
}

/// The type of a column that is bound as an array.
#[derive(Debug, Clone, Copy)]
pub(super) enum ColumnType {
    Int,
    /// Nullable.
    Text,
}

/// An insert of any number of rows of `N` columns, in order.
pub(super) struct BulkInsert<const N: usize> {
    /// The form with one list of values per row, for SQLite.
    pub row_lists: MultiRowStatement,
    /// The form with one array per column, which only PostgreSQL supports.
    pub column_arrays: String,
    pub column_types: [ColumnType; N],
}

impl<const N: usize> BulkInsert<N> {
    /// Builds `before`, the rows, and `after`.
    pub(super) fn new(before: &str, column_types: [ColumnType; N], after: &str) -> Self {
        let row_lists = MultiRowStatement::sqlite(&format!("{before} VALUES "), N, after);
        Self {
            row_lists,
            column_arrays: format!("{before} SELECT * FROM {}{after}", unnest(column_types)),
            column_types,
        }
    }
}

/// PostgreSQL's `unnest` of columns that are bound as arrays.
pub(super) fn unnest<const N: usize>(types: [ColumnType; N]) -> String {
    let arrays = types.iter().enumerate().map(|(column, kind)| match kind {
        ColumnType::Int => format!("${}::bigint[]", column + 1),
        ColumnType::Text => format!("${}::text[]", column + 1),
    });
    format!("unnest({})", arrays.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static STATEMENT: LazyLock<MultiRowStatement> =
        LazyLock::new(|| MultiRowStatement::new("VALUES ", 2, 2, ";"));

    #[test]
    fn placeholders_are_numbered_consecutively() {
        assert_eq!(
            STATEMENT
                .chunks(&[()])
                .map(|(sql, _)| sql)
                .collect::<Vec<_>>(),
            ["VALUES ($2, $3);"]
        );
        assert_eq!(
            STATEMENT
                .chunks(&[(); 4])
                .map(|(sql, _)| sql)
                .collect::<Vec<_>>(),
            ["VALUES ($2, $3), ($4, $5), ($6, $7), ($8, $9);"]
        );
    }

    #[test]
    fn every_item_is_in_one_chunk_in_order() {
        let items: Vec<usize> = (0..43).collect();
        let chunks: Vec<&[usize]> = STATEMENT.chunks(&items).map(|(_, chunk)| chunk).collect();
        assert_eq!(
            chunks.iter().map(|chunk| chunk.len()).collect::<Vec<_>>(),
            [16, 16, 4, 4, 1, 1, 1]
        );
        assert_eq!(chunks.concat(), items);
    }

    #[test]
    fn sqlite_has_one_statement_for_most_commits() {
        static ROWS: LazyLock<MultiRowStatement> =
            LazyLock::new(|| MultiRowStatement::sqlite("VALUES ", 1, ""));
        let sizes = |rows: usize| -> Vec<usize> {
            let items = vec![(); rows];
            ROWS.chunks(&items).map(|(_, chunk)| chunk.len()).collect()
        };
        assert_eq!([sizes(3), sizes(13)], [[3], [13]]);
        assert_eq!(sizes(100), [64, 16, 16, 4]);
    }

    #[test]
    fn rows_are_bound_as_lists_or_as_column_arrays() {
        static BULK: LazyLock<BulkInsert<2>> = LazyLock::new(|| {
            BulkInsert::new(
                "INSERT INTO t (a, b)",
                [ColumnType::Int, ColumnType::Text],
                " RETURNING a",
            )
        });
        assert_eq!(
            BULK.row_lists
                .chunks(&[()])
                .map(|(sql, _)| sql)
                .collect::<Vec<_>>(),
            ["INSERT INTO t (a, b) VALUES (?, ?) RETURNING a"]
        );
        assert_eq!(
            BULK.column_arrays,
            "INSERT INTO t (a, b) SELECT * FROM unnest($1::bigint[], $2::text[]) RETURNING a"
        );
    }
}
