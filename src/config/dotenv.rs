//! The `.env` file in the working directory.
//!
//! `dotenvy` parses it. This wrapper adds three things that the crate lacks: the file can be read
//! again without overriding variables of the real environment, a file with a mistake sets nothing,
//! and an error names the line without showing its content, which may be a secret.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::ConfigError;

/// The `.env` file, which can be read again while the process runs.
#[derive(Clone)]
pub struct DotEnv {
    path: PathBuf,
    /// Names of the variables that were set before the file was read. These take precedence over
    /// the file.
    inherited: Vec<String>,
}

impl DotEnv {
    /// Records which variables the environment holds now; [`DotEnv::load`] reads the file itself.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let inherited = std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .collect();
        Self {
            path: path.into(),
            inherited,
        }
    }

    /// Adds the variables of the file to the environment, except those that are already set. A
    /// missing file is not an error. Must be called before the process starts other threads:
    /// changing the environment while another thread reads it is not safe.
    ///
    /// # Errors
    /// The file cannot be read or parsed; in that case no variable is set.
    pub fn load(&self) -> Result<(), ConfigError> {
        // Parse the whole file first, so that a file with a mistake sets nothing.
        self.read()?;
        match dotenvy::from_path(&self.path) {
            Err(error) if !error.not_found() => Err(read_error(&self.path, &error)),
            _ => Ok(()),
        }
    }

    /// The current value of a variable: from the environment if it was set before the file was
    /// read, else from the file as it is now.
    ///
    /// # Errors
    /// The file cannot be read or parsed.
    pub fn current_value(&self, name: &str) -> Result<Option<String>, ConfigError> {
        if self.inherited.iter().any(|inherited| inherited == name) {
            return Ok(std::env::var(name).ok());
        }
        Ok(self.read()?.remove(name))
    }

    fn read(&self) -> Result<BTreeMap<String, String>, ConfigError> {
        match dotenvy::from_path_iter(&self.path) {
            Err(error) if error.not_found() => Ok(BTreeMap::new()),
            Err(error) => Err(read_error(&self.path, &error)),
            Ok(lines) => {
                let mut values = BTreeMap::new();
                for line in lines {
                    let (name, value) = line.map_err(|error| read_error(&self.path, &error))?;
                    // The first of two lines for one name applies, as in `dotenvy::from_path`.
                    values.entry(name).or_insert(value);
                }
                Ok(values)
            }
        }
    }
}

/// Converts an error of `dotenvy`. The text of that error shows the line, which may hold a secret,
/// so it is not used.
fn read_error(path: &Path, error: &dotenvy::Error) -> ConfigError {
    let shown = path.display();
    match error {
        dotenvy::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            ConfigError::new(format!("{shown} cannot be read: it is not UTF-8 text"))
        }
        dotenvy::Error::Io(error) => ConfigError::new(format!("{shown} cannot be read: {error}")),
        dotenvy::Error::LineParse(part, _) => {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let line = text
                .lines()
                .position(|line| line.contains(part.trim()))
                .map_or(String::new(), |n| format!(" {}", n + 1));
            ConfigError::new(format!(
                "{shown} cannot be read: line{line} is not NAME=value (quote a value with spaces)"
            ))
        }
        _ => ConfigError::new(format!("{shown} cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, DotEnv) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::fs::write(&path, text).unwrap();
        (
            folder,
            DotEnv {
                path,
                inherited: vec!["PATH".into()],
            },
        )
    }

    #[test]
    fn a_missing_file_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let dotenv = DotEnv {
            path: folder.path().join(".env"),
            inherited: Vec::new(),
        };
        assert_eq!(dotenv.load(), Ok(()));
        assert_eq!(dotenv.current_value("RUST_LOG"), Ok(None));
    }

    #[test]
    fn an_invalid_line_is_not_shown() {
        let (_folder, dotenv) = file("# one\nPUSHI_ADMIN_TOKEN = hunter2 hunter3\n");
        let text = dotenv.load().unwrap_err().to_string();
        assert!(
            text.contains("line 2 is not") && !text.contains("hunter") && !text.contains('\n'),
            "{text}"
        );
    }

    #[test]
    fn a_changed_file_is_read_again_and_the_environment_takes_precedence() {
        let (_folder, dotenv) = file("RUST_LOG=debug\nPATH=/nowhere\n");
        assert_eq!(dotenv.current_value("RUST_LOG"), Ok(Some("debug".into())));
        assert_eq!(dotenv.current_value("PATH"), Ok(std::env::var("PATH").ok()));
        std::fs::write(&dotenv.path, "RUST_LOG=trace\n").unwrap();
        assert_eq!(dotenv.current_value("RUST_LOG"), Ok(Some("trace".into())));
    }
}
