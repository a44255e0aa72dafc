//! Variables that look like ours and are not.

use super::variables::ALL;

/// A line for each variable of this process's environment that begins `PUSHI_` and is none of ours, with the nearest that
/// is where one is close.
pub fn environment_warnings() -> Vec<String> {
    warnings(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
}

/// Names of the tests' own (`PUSHI_TEST_…`) are left alone.
fn warnings(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let unknown = |name: &String| {
        name.starts_with("PUSHI_")
            && !name.starts_with("PUSHI_TEST_")
            && ALL.iter().all(|v| v.name != name)
    };
    let mut lines: Vec<_> = names
        .into_iter()
        .filter(unknown)
        .map(|name| line(&name))
        .collect();
    lines.sort();
    lines
}

fn line(name: &str) -> String {
    let nearest = ALL.iter().map(|v| (distance(name, v.name), v.name)).min();
    match nearest {
        // Three slips of the finger at most, and never more than a third of what tells the names apart.
        Some((far, known)) if far <= 3 && far * 3 <= name.len() - "PUSHI_".len() => {
            format!("{name} is not known and ignored: is {known} meant?")
        }
        _ => format!("{name} is not known and ignored: pushi serve --help lists what there is"),
    }
}

/// How many letters must be put in, left out or changed to make one name of the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<String> {
        warnings(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn known_and_foreign_names_are_left_alone() {
        assert!(
            of(&[
                "PUSHI_MAX_REPLAY",
                "PUSHI_LOG",
                "PATH",
                "APP_PORTS",
                "PUSHI_TEST_POSTGRES_URL"
            ])
            .is_empty()
        );
    }

    #[test]
    fn the_nearest_name_is_said_where_one_is_close() {
        assert_eq!(
            of(&["PUSHI_MAX_CONECTION"]),
            ["PUSHI_MAX_CONECTION is not known and ignored: is PUSHI_MAX_CONNECTIONS meant?"]
        );
        assert_eq!(
            of(&["PUSHI_ADMINTOKEN"]),
            ["PUSHI_ADMINTOKEN is not known and ignored: is PUSHI_ADMIN_TOKEN meant?"]
        );
        assert_eq!(
            of(&["PUSHI_COLOUR"]),
            ["PUSHI_COLOUR is not known and ignored: pushi serve --help lists what there is"]
        );
        assert_eq!(
            of(&["PUSHI_XYZ"]),
            ["PUSHI_XYZ is not known and ignored: pushi serve --help lists what there is"]
        );
    }

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
