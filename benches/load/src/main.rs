//! `pushi-bench`: connects many clients to a server that speaks the Pushi or the Pusher protocol,
//! publishes, and measures.
//!
//! The clients of a run share one thread, one poll and one read buffer ([`clients`]), so that a
//! single core of the generator can saturate a server. For the same reason the WebSocket and HTTP
//! code in [`net`] is hand-written: a general client keeps buffers per connection and writes one
//! frame at a time, and would be the limit.

mod auth;
mod bare;
mod cli;
mod clients;
mod dotenv;
mod error;
mod idle;
mod login;
mod measure;
mod net;
mod presence;
mod protocol;
mod publish;
mod sequence_marker;
mod server_config;
mod soak;
mod storm;
mod target;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use self::cli::Cli;
use self::error::BenchError;

fn main() -> ExitCode {
    // Write errors are ignored: they mean that the reader closed the pipe.
    match run() {
        Ok(text) if text.is_empty() => ExitCode::SUCCESS,
        Ok(text) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "pushi-bench: {error}");
            error.exit_code()
        }
    }
}

/// Reads `.env` and the arguments, and returns what the command prints.
fn run() -> Result<String, BenchError> {
    dotenv::load(".env")?;
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(BenchError::start)?;
    runtime.block_on(cli.run())
}
