//! Statements over many rows at once.

/// How many rows a list has: few sizes, so that a connection keeps all the statements prepared. More are slower: what is
/// looked up by value is looked up in so few that no database thinks of reading everything instead, and binding to a
/// numbered placeholder takes SQLite as long as there are placeholders (64 rows were half as fast as 16).
const SIZES: [usize; 3] = [1, 4, 16];

/// A statement with a list of row values in it, in each size.
pub(super) struct ManyRows([String; SIZES.len()]);

impl ManyRows {
    /// `before`, then as many lists of `columns` placeholders as rows, numbered from `$first` on, then `after`.
    pub fn new(before: &str, first: usize, columns: usize, after: &str) -> Self {
        Self(SIZES.map(|rows| {
            let row = |row: usize| {
                let placeholders =
                    (0..columns).map(|column| format!("${}", first + row * columns + column));
                format!("({})", placeholders.collect::<Vec<_>>().join(", "))
            };
            format!(
                "{before}{}{after}",
                (0..rows).map(row).collect::<Vec<_>>().join(", ")
            )
        }))
    }

    /// `items` cut into runs, with the statement for each.
    pub fn runs<'a, T>(
        &'static self,
        mut items: &'a [T],
    ) -> impl Iterator<Item = (&'static str, &'a [T])> + use<'a, T> {
        std::iter::from_fn(move || {
            let fitting = SIZES
                .iter()
                .zip(&self.0)
                .rev()
                .find(|(size, _)| **size <= items.len());
            fitting.map(|(size, sql)| {
                let (run, rest) = items.split_at(*size);
                items = rest;
                (sql.as_str(), run)
            })
        })
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Whole numbers.
    Int,
    /// Texts, or nothing.
    Text,
}

/// A statement that writes any number of rows of `N` columns, in order.
pub(super) struct Bulk<const N: usize> {
    /// With the rows as lists of values.
    pub lists: ManyRows,
    /// With each column as one array, as PostgreSQL has them.
    pub arrays: String,
    /// What the columns hold.
    pub kinds: [Kind; N],
}

impl<const N: usize> Bulk<N> {
    /// `before`, then the rows, then `after`.
    pub fn new(before: &str, kinds: [Kind; N], after: &str) -> Self {
        let lists = ManyRows::new(&format!("{before} VALUES "), 1, N, after);
        Self {
            lists,
            arrays: format!("{before} SELECT * FROM {}{after}", unnest(kinds)),
            kinds,
        }
    }
}

/// PostgreSQL's table of the columns that are bound as arrays.
pub(super) fn unnest<const N: usize>(kinds: [Kind; N]) -> String {
    let arrays = kinds.iter().enumerate().map(|(column, kind)| match kind {
        Kind::Int => format!("${}::bigint[]", column + 1),
        Kind::Text => format!("${}::text[]", column + 1),
    });
    format!("unnest({})", arrays.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static STATEMENT: LazyLock<ManyRows> = LazyLock::new(|| ManyRows::new("VALUES ", 2, 2, ";"));

    #[test]
    fn placeholders_are_numbered_through() {
        assert_eq!(
            STATEMENT
                .runs(&[()])
                .map(|(sql, _)| sql)
                .collect::<Vec<_>>(),
            ["VALUES ($2, $3);"]
        );
        assert_eq!(
            STATEMENT
                .runs(&[(); 4])
                .map(|(sql, _)| sql)
                .collect::<Vec<_>>(),
            ["VALUES ($2, $3), ($4, $5), ($6, $7), ($8, $9);"]
        );
    }

    #[test]
    fn every_item_is_in_one_run_in_order() {
        let items: Vec<usize> = (0..43).collect();
        let runs: Vec<&[usize]> = STATEMENT.runs(&items).map(|(_, run)| run).collect();
        assert_eq!(
            runs.iter().map(|run| run.len()).collect::<Vec<_>>(),
            [16, 16, 4, 4, 1, 1, 1]
        );
        assert_eq!(runs.concat(), items);
    }

    #[test]
    fn rows_are_written_as_lists_or_as_arrays() {
        static BULK: LazyLock<Bulk<2>> = LazyLock::new(|| {
            Bulk::new(
                "INSERT INTO t (a, b)",
                [Kind::Int, Kind::Text],
                " RETURNING a",
            )
        });
        assert_eq!(
            BULK.lists
                .runs(&[()])
                .map(|(sql, _)| sql)
                .collect::<Vec<_>>(),
            ["INSERT INTO t (a, b) VALUES ($1, $2) RETURNING a"]
        );
        assert_eq!(
            BULK.arrays,
            "INSERT INTO t (a, b) SELECT * FROM unnest($1::bigint[], $2::text[]) RETURNING a"
        );
    }
}
