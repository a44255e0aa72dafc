//! A value that cannot be used.

use super::variables::Variable;

/// At most so many characters of a value are shown.
const SHOWN: usize = 100;

/// Why the configuration cannot be used: one line that names the variable, the value (never a secret one) and what it accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Complaint(String);

impl Complaint {
    /// A complaint in words of its own; `text` is one line without secrets.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `value` of `variable` is not one of what it `accepts`. A secret value is not shown, and neither is one that
    /// looks like a URL with a password in it.
    pub fn value(variable: &Variable, value: &str, accepts: &str) -> Self {
        let name = variable.name;
        if variable.is_secret() || value.contains(['@', '?']) {
            return Self(format!("{name} cannot be used: it accepts {accepts}"));
        }
        let mut shown: String = value.chars().take(SHOWN).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        Self(format!(
            "{name}={shown:?} cannot be used: it accepts {accepts}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::variables::{APP_PORT, DATABASE_URL, PUSHI_ADMIN_TOKEN};
    use super::*;

    #[test]
    fn it_names_the_variable_the_value_and_what_is_accepted_on_one_line() {
        let text = Complaint::value(&APP_PORT, "80\n80", "a port").to_string();
        assert_eq!(
            text,
            r#"APP_PORT="80\n80" cannot be used: it accepts a port"#
        );
        assert!(
            Complaint::value(&APP_PORT, &"9".repeat(5000), "a port")
                .to_string()
                .len()
                < 200
        );
    }

    #[test]
    fn it_shows_no_secret() {
        assert!(
            !Complaint::value(&PUSHI_ADMIN_TOKEN, "hunter2", "x")
                .to_string()
                .contains("hunter2")
        );
        assert!(
            !Complaint::value(&DATABASE_URL, "postgre://u:hunter2@h/db", "x")
                .to_string()
                .contains("hunter2")
        );
        assert!(
            !Complaint::value(&DATABASE_URL, "postgre://h/db?password=hunter2", "x")
                .to_string()
                .contains("hunter2")
        );
    }
}
