//! The table of the README.

use crate::fill::Stored;
use crate::pairs::Pairs;
use crate::store::Store;
use crate::workload::PUBLISHERS;

/// The results of a store.
pub(crate) struct Column {
    pub store: Store,
    pub pairs: Pairs,
    pub stored: Stored,
}

/// Formats a cell for each store; "–" if it was not measured.
pub(crate) fn table(columns: &[Column]) -> String {
    let mut rows: Vec<(String, Vec<Option<String>>)> = Vec::new();
    let mut row = |title: String, cell: &dyn Fn(&Column) -> Option<String>| {
        rows.push((title, columns.iter().map(cell).collect()))
    };
    for publishers in PUBLISHERS {
        row(
            format!("persisted publishes a second, {publishers} at once"),
            &|column| {
                let median = column.pairs.median(&format!("publish-{publishers}"))?;
                Some(format!(
                    "{} ({:.2})",
                    thousands((publishers as f64 / median.seconds).round() as u64),
                    median.ratio
                ))
            },
        );
    }
    for (name, title) in [
        ("replay", "replay of 1,000 events"),
        ("inbox", "inbox of a user with 1,000 subscriptions"),
    ] {
        row(title.to_owned(), &|column| {
            let median = column.pairs.median(name)?;
            Some(format!(
                "{:.1} ms ({:.2})",
                median.seconds * 1e3,
                median.ratio
            ))
        });
    }
    row("events stored before these two".to_owned(), &|column| {
        Some(thousands(column.stored.events)).filter(|_| !column.stored.memory.is_empty())
    });
    row(
        "memory of the process after a tenth of them, a half, all".to_owned(),
        &|column| {
            let mib = |place: usize| Some(column.stored.memory.get(place)? / 1024);
            Some(format!("{}, {}, {} MiB", mib(0)?, mib(4)?, mib(9)?))
        },
    );
    let name = |column: &Column| {
        format!(
            "{}{}",
            column.store.name(),
            if column.stored.stand_in {
                " (a stand-in)"
            } else {
                ""
            }
        )
    };
    let names: Vec<String> = columns.iter().map(name).collect();
    let mut table = format!(
        "\n| | {} |\n| --- |{}\n",
        names.join(" | "),
        " --- |".repeat(columns.len())
    );
    for (title, cells) in rows {
        let cells: Vec<String> = cells
            .into_iter()
            .map(|cell| cell.unwrap_or_else(|| "–".to_owned()))
            .collect();
        table.push_str(&format!("| {title} | {} |\n", cells.join(" | ")));
    }
    table
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| std::str::from_utf8(group).ok())
        .collect();
    groups.join(",")
}
