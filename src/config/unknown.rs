//! Warnings about unknown variables with the prefix `PUSHI_`.

use strsim::levenshtein;

use super::variables::ALL;

/// One warning per unknown `PUSHI_…` variable in the environment, with a suggestion if a known name
/// is similar.
pub fn environment_warnings() -> Vec<String> {
    warnings(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))
}

/// The warnings for the given names, sorted. `PUSHI_TEST_…` is ignored, because the test suites
/// read such variables.
fn warnings(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let unknown = |name: &String| {
        name.starts_with("PUSHI_")
            && !name.starts_with("PUSHI_TEST_")
            && ALL.iter().all(|v| v.name != name)
    };
    let mut warnings: Vec<_> = names
        .into_iter()
        .filter(unknown)
        .map(|name| warning(&name))
        .collect();
    warnings.sort();
    warnings
}

fn warning(name: &str) -> String {
    let nearest = ALL
        .iter()
        .map(|v| (levenshtein(name, v.name), v.name))
        .min();
    match nearest {
        // A suggestion has at most 3 edits, and at most one edit per 3 characters after the prefix.
        Some((edits, known)) if edits <= 3 && edits * 3 <= name.len() - "PUSHI_".len() => {
            format!("unknown variable {name} is ignored, did you mean {known}?")
        }
        _ => format!("unknown variable {name} is ignored, see pushi serve --help"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<String> {
        warnings(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn known_names_and_other_prefixes_give_no_warning() {
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
    fn a_similar_name_is_suggested() {
        assert_eq!(
            of(&["PUSHI_MAX_CONECTION"]),
            [
                "unknown variable PUSHI_MAX_CONECTION is ignored, did you mean PUSHI_MAX_CONNECTIONS?"
            ]
        );
        assert_eq!(
            of(&["PUSHI_ADMINTOKEN"]),
            ["unknown variable PUSHI_ADMINTOKEN is ignored, did you mean PUSHI_ADMIN_TOKEN?"]
        );
        assert_eq!(
            of(&["PUSHI_COLOUR"]),
            ["unknown variable PUSHI_COLOUR is ignored, see pushi serve --help"]
        );
        assert_eq!(
            of(&["PUSHI_XYZ"]),
            ["unknown variable PUSHI_XYZ is ignored, see pushi serve --help"]
        );
    }

    #[test]
    fn distances() {
        assert_eq!(levenshtein("", "abc"), 3);
        assert_eq!(levenshtein("kitten", "sitting"), 3);
        assert_eq!(levenshtein("same", "same"), 0);
    }
}
