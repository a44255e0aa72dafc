//! `pushi bench`: names the load generator, which is a program of its own.

use std::ffi::OsString;

use super::failure::Failure;

/// Load a server: see the program pushi-bench
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Bench {
    /// The arguments of the former command; ignored.
    #[arg(
        hide = true,
        num_args = 0..,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    _arguments: Vec<OsString>,
}

impl Bench {
    /// Fails with exit code 2 and the command that runs the load generator.
    pub fn run(&self) -> Result<String, Failure> {
        Err(Failure::start(
            "the load generator is the separate program pushi-bench: cargo run --release -p pushi-bench -- --help",
        ))
    }
}
