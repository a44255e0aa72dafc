//! `pushi bench`: names the load generator, which is a program of its own.

use std::ffi::OsString;

use super::error::CliError;

/// Load a server: see the program pushi-bench
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct BenchArgs {
    /// The arguments of the former command; ignored.
    #[arg(
        hide = true,
        num_args = 0..,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    _arguments: Vec<OsString>,
}

impl BenchArgs {
    /// Fails with exit code 2 and the command that runs the load generator.
    pub(super) fn run(&self) -> Result<String, CliError> {
        Err(CliError::start(
            "the load generator is the separate program pushi-bench: cargo run --release -p pushi-bench -- --help",
        ))
    }
}
