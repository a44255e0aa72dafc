//! How a command ends that did not succeed.

use std::process::ExitCode;

use crate::config::ConfigError;

/// Why a command did not succeed: one line on standard error, and the exit code.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The configuration cannot be used: 2.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// What the configuration names cannot be had (a store, an address, a certificate): 2.
    #[error("{0}")]
    Start(String),
    /// The command was understood and could not be done: 1.
    #[error("{0}")]
    Command(String),
}

impl Failure {
    /// A start that cannot go on, for this reason.
    pub fn start(reason: impl ToString) -> Self {
        Self::Start(reason.to_string())
    }

    /// A command that could not be done, for this reason.
    pub fn command(reason: impl ToString) -> Self {
        Self::Command(reason.to_string())
    }

    /// What the process ends with.
    pub fn code(&self) -> ExitCode {
        match self {
            Self::Configuration(_) | Self::Start(_) => ExitCode::from(2),
            Self::Command(_) => ExitCode::from(1),
        }
    }
}
