//! The command line: one file per command.

mod address;
mod admin_api;
mod api_client;
mod app;
mod app_selector;
mod auth;
mod bench;
mod check;
mod completions;
mod context;
mod copy;
mod doctor;
mod error;
mod log;
mod man;
mod notify;
mod openapi;
mod output;
mod serve;
mod signals;
mod sql;
mod token;
mod trigger;
mod webhook;
mod welcome;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::error::CliError;
use crate::config::{DotEnv, variables};

#[derive(Parser)]
#[command(
    name = "pushi",
    version,
    about = "A self-hosted realtime server: channels over WebSocket, publishing over REST."
)]
#[command(after_help = "Without a command, pushi runs pushi serve.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Check(check::CheckArgs),
    App(app::AppArgs),
    Copy(copy::CopyArgs),
    Doctor(doctor::DoctorArgs),
    Trigger(trigger::TriggerArgs),
    #[command(hide = true)]
    Bench(bench::BenchArgs),
    Auth(auth::AuthArgs),
    Token(token::TokenArgs),
    Webhook(webhook::WebhookArgs),
    Notify(notify::NotifyArgs),
    Sql(sql::SqlArgs),
    Openapi(openapi::OpenApiArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Man(man::ManArgs),
}

/// Reads `.env`, the environment and the arguments, runs the command and returns the exit code of
/// `CliError`. An error is printed as one line on standard error.
pub fn main() -> ExitCode {
    let dotenv = DotEnv::new(".env");
    let outcome = dotenv.load().map_err(CliError::from).and_then(|()| {
        let cli = Cli::parse_or_exit(std::env::args_os().collect());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(CliError::start)?;
        let outcome = runtime.block_on(cli.run(dotenv));
        // Do not wait for threads that still block: the store and all connections have been closed.
        runtime.shutdown_background();
        outcome
    });
    // A failed write means that the reader has closed the pipe, which is not an error.
    match outcome {
        Ok(text) if text.is_empty() => ExitCode::SUCCESS,
        Ok(text) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = match &error {
                CliError::Report(text) => writeln!(std::io::stdout(), "{text}"),
                error => writeln!(std::io::stderr(), "pushi: {error}"),
            };
            error.exit_code()
        }
    }
}

impl Cli {
    /// Parses the arguments. Ends the process after `--help`, `--version` and invalid arguments, as
    /// is usual with clap.
    fn parse_or_exit(args: Vec<OsString>) -> Self {
        let matches = command().get_matches_from(with_default_command(args));
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    async fn run(self, dotenv: DotEnv) -> Result<String, CliError> {
        match self.command {
            Command::Serve(serve) => serve.run(dotenv).await,
            Command::Check(check) => check.run().await,
            Command::App(app) => app.run().await,
            Command::Copy(copy) => copy.run().await,
            Command::Doctor(doctor) => doctor.run().await,
            Command::Trigger(trigger) => trigger.run().await,
            Command::Bench(bench) => bench.run(),
            Command::Auth(auth) => auth.run().await,
            Command::Token(token) => token.run().await,
            Command::Webhook(webhook) => webhook.run().await,
            Command::Notify(notify) => notify.run().await,
            Command::Sql(sql) => sql.run(),
            Command::Openapi(openapi) => openapi.run(),
            Command::Completions(completions) => completions.run(command()),
            Command::Man(man) => man.run(command()),
        }
    }
}

/// Inserts `serve` if there are no arguments, or if the first one is a flag.
fn with_default_command(mut args: Vec<OsString>) -> Vec<OsString> {
    let first = args.get(1).and_then(|arg| arg.to_str());
    let flag = first.is_some_and(|arg| {
        arg.starts_with('-') && !matches!(arg, "-h" | "--help" | "-V" | "--version")
    });
    if args.len() < 2 || flag {
        args.insert(1.min(args.len()), "serve".into());
    }
    args
}

/// The commands. All of them accept the flags of the configuration, but only the help of `serve`
/// and `check` lists them.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| match command.get_name() {
        "serve" | "check" | "openapi" | "completions" | "man" => command,
        _ => hide_settings(command),
    })
}

fn hide_settings(command: clap::Command) -> clap::Command {
    let is_setting = |arg: &clap::Arg| {
        variables::ALL
            .iter()
            .any(|variable| arg.get_id() == variable.name)
    };
    let note = "Reads the configuration of the server, such as DATABASE_URL, and accepts its flags: see pushi serve --help.";
    command
        .mut_args(|arg| {
            if is_setting(&arg) {
                arg.hide(true)
            } else {
                arg
            }
        })
        .mut_subcommands(hide_settings)
        .after_help(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        let args = std::iter::once("pushi")
            .chain(args.iter().copied())
            .map(OsString::from)
            .collect();
        Cli::from_arg_matches(&command().try_get_matches_from(with_default_command(args))?)
    }

    #[test]
    fn no_two_flags_clash() {
        command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_command() {
        for args in [
            &[][..],
            &["--app-port", "0"],
            &["--open-registration"],
            &["serve", "--app-port", "0"],
        ] {
            assert!(
                matches!(
                    parse(args),
                    Ok(Cli {
                        command: Command::Serve(_)
                    })
                ),
                "{args:?}"
            );
        }
        assert!(matches!(
            parse(&["check", "--json"]),
            Ok(Cli {
                command: Command::Check(_)
            })
        ));
        assert!(matches!(
            parse(&["app", "list"]),
            Ok(Cli {
                command: Command::App(_)
            })
        ));
        assert!(parse(&["nonsense"]).is_err() && parse(&["--nonsense"]).is_err());
        assert!(parse(&["--version"]).is_err_and(|error| error.exit_code() == 0));
    }

    #[test]
    fn the_help_of_serve_lists_every_variable_in_its_group() {
        let mut serve = command()
            .find_subcommand("serve")
            .unwrap()
            .clone()
            .term_width(0);
        let help = serve.render_long_help().to_string();
        for variable in variables::ALL {
            assert!(
                help.contains(&format!("--{} ", variable.flag()))
                    || help.contains(&format!("--{}\n", variable.flag())),
                "{}",
                variable.name
            );
            assert!(
                help.contains(&format!("[env: {}]", variable.name))
                    && help.contains(&format!("{}:\n", variable.heading))
            );
        }
    }

    #[test]
    fn the_help_of_other_commands_hides_the_settings() {
        let mut trigger = command()
            .find_subcommand("trigger")
            .unwrap()
            .clone()
            .term_width(0);
        let help = trigger.render_long_help().to_string();
        assert!(
            help.contains("--no-persist")
                && !help.contains("--max-replay")
                && help.contains("pushi serve --help"),
            "{help}"
        );
    }
}
