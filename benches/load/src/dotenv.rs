//! The `.env` file in the working directory, which the server reads too.

use std::io::ErrorKind;
use std::path::Path;

use crate::error::BenchError;

/// Adds the variables of the file to the environment; variables that are set already keep their
/// values. A missing file is no error. Call it before any thread is started: changing the
/// environment is not thread-safe.
///
/// # Errors
///
/// The file is unreadable or malformed. Then no variable is set.
pub(crate) fn load(path: impl AsRef<Path>) -> Result<(), BenchError> {
    let path = path.as_ref();
    let unreadable = |error: dotenvy::Error| describe(path, &error);
    match dotenvy::from_path_iter(path) {
        Err(error) if error.not_found() => return Ok(()),
        Err(error) => return Err(unreadable(error)),
        // The whole file is parsed before the first variable is set.
        Ok(lines) => lines
            .collect::<Result<Vec<_>, _>>()
            .map(drop)
            .map_err(unreadable)?,
    }
    dotenvy::from_path(path).map_err(unreadable)
}

/// The text of dotenvy's own error contains the line, which may hold a secret.
fn describe(path: &Path, error: &dotenvy::Error) -> BenchError {
    let path = path.display();
    BenchError::Start(match error {
        dotenvy::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            format!("{path} cannot be read: it is not UTF-8 text")
        }
        dotenvy::Error::Io(error) => format!("{path} cannot be read: {error}"),
        _ => format!(
            "{path} cannot be read: a line is not NAME=value (quote a value that has spaces)"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path().join(".env")), Ok(()));
    }

    #[test]
    fn an_error_does_not_show_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::fs::write(&path, "PUSHI_APP_SECRET = hunter2 hunter3\n").unwrap();
        let text = load(&path).unwrap_err().to_string();
        assert!(
            text.contains("is not NAME=value") && !text.contains("hunter"),
            "{text}"
        );
    }
}
