//! The `.env` file in the working directory.
//!
//! It can be read again without overriding variables of the real environment, and a file with a
//! mistake sets nothing.

#[cfg(any(test, feature = "fuzzing"))]
pub(super) use file::parse;

mod file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::ConfigError;
use super::variables::ALL;

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
    /// The file cannot be read, or the line of a variable of this program is wrong; in that case no
    /// variable is set.
    pub fn load(&self) -> Result<(), ConfigError> {
        let mut values = self.read()?;
        values.retain(|name, _| !self.is_inherited(name));
        file::add_to_environment(&values);
        Ok(())
    }

    /// The current value of a variable: from the environment if it was set before the file was
    /// read, else from the file as it is now.
    ///
    /// # Errors
    /// The file cannot be read, or the line of a variable of this program is wrong.
    pub fn current_value(&self, name: &str) -> Result<Option<String>, ConfigError> {
        Ok(match self.inherited_value(name) {
            Some(value) => Some(value),
            None => self.read()?.remove(name),
        })
    }

    fn read(&self) -> Result<BTreeMap<String, String>, ConfigError> {
        file::read(&self.path, is_own, |name| self.inherited_value(name)).map_err(ConfigError::new)
    }

    fn inherited_value(&self, name: &str) -> Option<String> {
        self.is_inherited(name)
            .then(|| std::env::var(name).ok())
            .flatten()
    }

    fn is_inherited(&self, name: &str) -> bool {
        self.inherited.iter().any(|inherited| inherited == name)
    }
}

/// Whether a line that sets this variable is for this program, known or misspelt.
fn is_own(name: &str) -> bool {
    name.starts_with("PUSHI_") || ALL.iter().any(|variable| variable.name == name)
}
