//! Statements over many rows at once.

/// How many rows a statement takes: few sizes, so that a connection keeps them all prepared, and none large, because
/// binding to a numbered placeholder takes SQLite as long as there are placeholders (64 rows were half as fast as 16).
const SIZES: [usize; 3] = [1, 4, 16];

/// A statement with a list of row values in it, in each size.
pub(super) struct ManyRows([String; 3]);

impl ManyRows {
    /// `before`, then as many lists of `columns` placeholders as rows, numbered from `$first` on, then `after`.
    pub fn new(before: &str, first: usize, columns: usize, after: &str) -> Self {
        Self(SIZES.map(|rows| {
            let row = |row: usize| {
                let placeholders = (0..columns).map(|column| format!("${}", first + row * columns + column));
                format!("({})", placeholders.collect::<Vec<_>>().join(", "))
            };
            format!("{before}{}{after}", (0..rows).map(row).collect::<Vec<_>>().join(", "))
        }))
    }

    /// `items` cut into runs, with the statement for each.
    pub fn runs<'a, T>(&'static self, mut items: &'a [T]) -> impl Iterator<Item = (&'static str, &'a [T])> + use<'a, T> {
        std::iter::from_fn(move || {
            let fitting = SIZES.iter().zip(&self.0).rev().find(|(size, _)| **size <= items.len());
            fitting.map(|(size, sql)| {
                let (run, rest) = items.split_at(*size);
                items = rest;
                (sql.as_str(), run)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static STATEMENT: LazyLock<ManyRows> = LazyLock::new(|| ManyRows::new("VALUES ", 2, 2, ";"));

    #[test]
    fn placeholders_are_numbered_through() {
        assert_eq!(STATEMENT.runs(&[()]).map(|(sql, _)| sql).collect::<Vec<_>>(), ["VALUES ($2, $3);"]);
        assert_eq!(STATEMENT.runs(&[(); 4]).map(|(sql, _)| sql).collect::<Vec<_>>(), ["VALUES ($2, $3), ($4, $5), ($6, $7), ($8, $9);"]);
    }

    #[test]
    fn every_item_is_in_one_run_in_order() {
        let items: Vec<usize> = (0..43).collect();
        let runs: Vec<&[usize]> = STATEMENT.runs(&items).map(|(_, run)| run).collect();
        assert_eq!(runs.iter().map(|run| run.len()).collect::<Vec<_>>(), [16, 16, 4, 4, 1, 1, 1]);
        assert_eq!(runs.concat(), items);
    }
}
