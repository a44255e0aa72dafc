//! The `.env` file in the working directory.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::complaint::Complaint;

/// The `.env` file: what it set, so that it can be read again.
#[derive(Clone)]
pub struct DotEnv {
    path: PathBuf,
    /// What was in the environment before the file was read; that wins.
    before: Vec<String>,
}

impl DotEnv {
    /// Notes what the environment holds now; the file itself is read by [`DotEnv::load`].
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let before = std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .collect();
        Self {
            path: path.into(),
            before,
        }
    }

    /// Puts what the file says into the environment, where it is not set already. A missing file says nothing. Call it
    /// before the process has other threads: changing the environment beside a reader is not safe.
    pub fn load(&self) -> Result<(), Complaint> {
        // Read whole first, so that a file with a mistake sets nothing.
        self.read()?;
        match dotenvy::from_path(&self.path) {
            Err(error) if !error.not_found() => Err(complaint(&self.path, &error)),
            _ => Ok(()),
        }
    }

    /// What the file says now about a variable that the environment did not set before it.
    pub fn again(&self, name: &str) -> Result<Option<String>, Complaint> {
        if self.before.iter().any(|known| known == name) {
            return Ok(std::env::var(name).ok());
        }
        Ok(self.read()?.remove(name))
    }

    fn read(&self) -> Result<BTreeMap<String, String>, Complaint> {
        match dotenvy::from_path_iter(&self.path) {
            Err(error) if error.not_found() => Ok(BTreeMap::new()),
            Err(error) => Err(complaint(&self.path, &error)),
            Ok(lines) => {
                let mut first = BTreeMap::new();
                for line in lines {
                    let (name, value) = line.map_err(|error| complaint(&self.path, &error))?;
                    // Of two lines for one name the first counts, as in `dotenvy::from_path`.
                    first.entry(name).or_insert(value);
                }
                Ok(first)
            }
        }
    }
}

/// The error's own text shows the line, which may hold a secret.
fn complaint(path: &Path, error: &dotenvy::Error) -> Complaint {
    let shown = path.display();
    match error {
        dotenvy::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            Complaint::new(format!("{shown} cannot be read: it is not UTF-8 text"))
        }
        dotenvy::Error::Io(error) => Complaint::new(format!("{shown} cannot be read: {error}")),
        dotenvy::Error::LineParse(part, _) => {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let line = text
                .lines()
                .position(|line| line.contains(part.trim()))
                .map_or(String::new(), |n| format!(" {}", n + 1));
            Complaint::new(format!(
                "{shown} cannot be read: line{line} is not NAME=value (quote a value that has spaces)"
            ))
        }
        _ => Complaint::new(format!("{shown} cannot be read")),
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
                before: vec!["PATH".into()],
            },
        )
    }

    #[test]
    fn a_missing_file_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let dotenv = DotEnv {
            path: folder.path().join(".env"),
            before: Vec::new(),
        };
        assert_eq!(dotenv.load(), Ok(()));
        assert_eq!(dotenv.again("RUST_LOG"), Ok(None));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_not_shown() {
        let (_folder, dotenv) = file("# one\nPUSHI_ADMIN_TOKEN = hunter2 hunter3\n");
        let text = dotenv.load().unwrap_err().to_string();
        assert!(
            text.contains("line 2 is not") && !text.contains("hunter") && !text.contains('\n'),
            "{text}"
        );
    }

    #[test]
    fn what_changed_is_read_again_but_the_environment_wins() {
        let (_folder, dotenv) = file("RUST_LOG=debug\nPATH=/nowhere\n");
        assert_eq!(dotenv.again("RUST_LOG"), Ok(Some("debug".into())));
        assert_eq!(dotenv.again("PATH"), Ok(std::env::var("PATH").ok()));
        std::fs::write(&dotenv.path, "RUST_LOG=trace\n").unwrap();
        assert_eq!(dotenv.again("RUST_LOG"), Ok(Some("trace".into())));
    }
}
