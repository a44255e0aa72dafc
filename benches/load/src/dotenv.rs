//! The `.env` file in the working directory, which the server reads too.

/// The syntax is the server's: both programs must read the same values.
#[path = "../../../src/config/dotenv/file.rs"]
mod file;

use std::path::Path;

use crate::error::BenchError;
use crate::server_config::ServerConfig;

/// Adds the variables of the file to the environment; variables that are set already keep their
/// values. A missing file is no error. Call it before any thread is started: changing the
/// environment is not thread-safe.
///
/// # Errors
///
/// The file cannot be read, or the line of a variable of this program is wrong. Then no variable is
/// set.
pub(crate) fn load(path: impl AsRef<Path>) -> Result<(), BenchError> {
    let environment = |name: &str| std::env::var(name).ok();
    let mut values =
        file::read(path.as_ref(), ServerConfig::reads, environment).map_err(BenchError::Start)?;
    values.retain(|name, _| std::env::var_os(name).is_none());
    file::add_to_environment(&values);
    Ok(())
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
    fn an_error_does_not_show_the_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::fs::write(&path, "OTHER = a b\nPUSHI_APP_SECRET = hunter2 hunter3\n").unwrap();
        let text = load(&path).unwrap_err().to_string();
        assert!(
            text.contains("line 2: PUSHI_APP_SECRET has a space") && !text.contains("hunter"),
            "{text}"
        );
    }
}
