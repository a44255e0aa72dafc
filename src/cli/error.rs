//! The error of a command.

use std::process::ExitCode;

use crate::config::ConfigError;

/// The error of a command: one line for standard error, and the exit code.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CliError {
    /// The configuration is invalid (exit code 2).
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something that the configuration names is unavailable: a store, an address, a certificate
    /// (exit code 2).
    #[error("{0}")]
    Start(String),
    /// The command failed (exit code 1).
    #[error("{0}")]
    Command(String),
    /// The command has found what it looks for: its result, for standard output (exit code 1).
    #[error("{0}")]
    Report(String),
}

impl CliError {
    /// A [`CliError::Start`] with the text of `reason`.
    pub(super) fn start(reason: impl ToString) -> Self {
        Self::Start(reason.to_string())
    }

    /// A [`CliError::Command`] with the text of `reason`.
    pub(super) fn command(reason: impl ToString) -> Self {
        Self::Command(reason.to_string())
    }

    /// The exit code of the process.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Start(_) => ExitCode::from(2),
            Self::Command(_) | Self::Report(_) => ExitCode::from(1),
        }
    }
}
