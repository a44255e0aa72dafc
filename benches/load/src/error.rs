//! The errors that end a run.

use std::process::ExitCode;

/// Why a run failed: one line on standard error, and an exit code.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BenchError {
    /// The configuration or an address cannot be used: exit code 2.
    #[error("{0}")]
    Start(String),
    /// The run failed: exit code 1.
    #[error("{0}")]
    Run(String),
}

impl BenchError {
    pub(crate) fn start(reason: impl ToString) -> Self {
        Self::Start(reason.to_string())
    }

    pub(crate) fn run(reason: impl ToString) -> Self {
        Self::Run(reason.to_string())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Start(_) => ExitCode::from(2),
            Self::Run(_) => ExitCode::from(1),
        }
    }
}
