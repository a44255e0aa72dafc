//! Statements over many rows at once.

/// How many rows a statement takes: few sizes, so that a connection keeps them all prepared.
const SIZES: [usize; 5] = [1, 4, 16, 64, 256];

/// What is looked up by value is looked up in so few that no database thinks of reading everything instead.
const FEW: usize = 16;

/// A statement with a list of row values in it, in each size.
pub(super) struct ManyRows([String; SIZES.len()]);

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
    pub fn runs<'a, T>(&'static self, items: &'a [T]) -> impl Iterator<Item = (&'static str, &'a [T])> + use<'a, T> {
        self.runs_of(FEW, items)
    }

    /// The same, with runs of `most` at most.
    pub fn runs_of<'a, T>(&'static self, most: usize, mut items: &'a [T]) -> impl Iterator<Item = (&'static str, &'a [T])> + use<'a, T> {
        std::iter::from_fn(move || {
            let fitting = SIZES.iter().zip(&self.0).rev().find(|(size, _)| **size <= items.len().min(most));
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
        for (most, lengths) in
            [(16, vec![16, 16, 4, 4, 1, 1, 1]), (5, [vec![4; 10], vec![1; 3]].concat()), (43, vec![16, 16, 4, 4, 1, 1, 1])]
        {
            let runs: Vec<&[usize]> = STATEMENT.runs_of(most, &items).map(|(_, run)| run).collect();
            assert_eq!(runs.iter().map(|run| run.len()).collect::<Vec<_>>(), lengths);
            assert_eq!(runs.concat(), items);
        }
        assert_eq!(STATEMENT.runs_of(256, &[(); 300]).map(|(_, run)| run.len()).collect::<Vec<_>>(), [256, 16, 16, 4, 4, 4]);
    }
}
