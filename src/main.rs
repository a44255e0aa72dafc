//! The `pushi` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    pushi::cli::main()
}
