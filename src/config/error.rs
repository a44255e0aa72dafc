//! The error of an invalid configuration.

use super::variables::Variable;

/// The maximum number of characters of a value in an error text.
const MAX_SHOWN_CHARS: usize = 100;

/// An invalid configuration. The text is one line that names the variable, its value (unless
/// secret) and the expected format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// An error with the given text, which must be one line without secrets.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The error for a `value` of `variable` that does not have the `expected` format. The value is
    /// left out if the variable is secret, or if the value looks like a URL with a password.
    pub fn invalid_value(variable: &Variable, value: &str, expected: &str) -> Self {
        let name = variable.name;
        if variable.is_secret() || value.contains(['@', '?']) {
            return Self(format!("{name} is invalid: expected {expected}"));
        }
        let mut shown: String = value.chars().take(MAX_SHOWN_CHARS).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self(format!("{name}={shown:?} is invalid: expected {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::variables::{APP_PORT, DATABASE_URL, PUSHI_ADMIN_TOKEN};

    #[test]
    fn it_names_the_variable_the_value_and_the_expected_format_on_one_line() {
        let text = ConfigError::invalid_value(&APP_PORT, "80\n80", "a port").to_string();
        assert_eq!(text, r#"APP_PORT="80\n80" is invalid: expected a port"#);
        assert!(
            ConfigError::invalid_value(&APP_PORT, &"9".repeat(5000), "a port")
                .to_string()
                .len()
                < 200
        );
    }

    #[test]
    fn it_shows_no_secret() {
        assert!(
            !ConfigError::invalid_value(&PUSHI_ADMIN_TOKEN, "hunter2", "x")
                .to_string()
                .contains("hunter2")
        );
        assert!(
            !ConfigError::invalid_value(&DATABASE_URL, "postgre://u:hunter2@h/db", "x")
                .to_string()
                .contains("hunter2")
        );
        assert!(
            !ConfigError::invalid_value(&DATABASE_URL, "postgre://h/db?password=hunter2", "x")
                .to_string()
                .contains("hunter2")
        );
    }
}
