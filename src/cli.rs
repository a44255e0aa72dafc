//! The command line: one file a command.

mod address;
mod api;
mod app;
mod auth;
mod bench;
mod check;
mod chosen;
mod copy;
mod desk;
mod failure;
mod log;
mod openapi;
mod serve;
mod signals;
mod token;
mod trigger;
mod webhook;
mod welcome;
mod workbench;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{DotEnv, variables};
use failure::Failure;

/// Pushi: channels over WebSocket, publishing over REST.
#[derive(Parser)]
#[command(
    name = "pushi",
    version,
    about = "A self-hosted realtime server: channels over WebSocket, publishing over REST."
)]
#[command(after_help = "pushi alone, or with flags first, is pushi serve.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Serve),
    Check(check::Check),
    App(app::Apps),
    Copy(copy::Copy),
    Trigger(trigger::Trigger),
    Bench(bench::Bench),
    Auth(auth::Auth),
    Token(token::Token),
    Webhook(webhook::Webhooks),
    Openapi(openapi::OpenApi),
}

/// Runs the program: reads `.env`, the environment and the arguments, does what they say, and answers the exit code: 0, 1
/// for a command that failed, 2 for a configuration or a start that cannot go well. Both say why in one line.
pub fn main() -> ExitCode {
    let dotenv = DotEnv::new(".env");
    let outcome = dotenv.load().map_err(Failure::from).and_then(|()| {
        let cli = Cli::parse_or_exit(std::env::args_os().collect());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(Failure::start)?;
        let outcome = runtime.block_on(cli.run(dotenv));
        // What still blocks a thread must not hold the end up: all that matters has been closed.
        runtime.shutdown_background();
        outcome
    });
    // Neither can be helped where the reader has gone.
    match outcome {
        Ok(text) if text.is_empty() => ExitCode::SUCCESS,
        Ok(text) => {
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "pushi: {failure}");
            failure.code()
        }
    }
}

impl Cli {
    /// Help, the version and mistakes in the arguments end the process here, as clap does it.
    fn parse_or_exit(args: Vec<OsString>) -> Self {
        let matches = command().get_matches_from(with_command(args));
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    async fn run(self, dotenv: DotEnv) -> Result<String, Failure> {
        match self.command {
            Command::Serve(serve) => serve.run(dotenv).await,
            Command::Check(check) => check.run().await,
            Command::App(apps) => apps.run().await,
            Command::Copy(copy) => copy.run().await,
            Command::Trigger(trigger) => trigger.run().await,
            Command::Bench(bench) => bench.run().await,
            Command::Auth(auth) => auth.run().await,
            Command::Token(token) => token.run().await,
            Command::Webhook(webhooks) => webhooks.run().await,
            Command::Openapi(openapi) => openapi.run(),
        }
    }
}

/// `pushi` alone, and with flags first, is `pushi serve`.
fn with_command(mut args: Vec<OsString>) -> Vec<OsString> {
    let first = args.get(1).and_then(|arg| arg.to_str());
    let flag = first.is_some_and(|arg| {
        arg.starts_with('-') && !matches!(arg, "-h" | "--help" | "-V" | "--version")
    });
    if args.len() < 2 || flag {
        args.insert(1.min(args.len()), "serve".into());
    }
    args
}

/// The commands. All read the same configuration; only the help of `serve` and `check` lists all its flags.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| match command.get_name() {
        "serve" | "check" | "openapi" => command,
        _ => without_settings(command),
    })
}

fn without_settings(command: clap::Command) -> clap::Command {
    let is_setting = |arg: &clap::Arg| {
        variables::ALL
            .iter()
            .any(|variable| arg.get_id() == variable.name)
    };
    let about = "It reads the configuration of the server (DATABASE_URL above all), and takes its flags: see pushi serve --help.";
    command
        .mut_args(|arg| {
            if is_setting(&arg) {
                arg.hide(true)
            } else {
                arg
            }
        })
        .mut_subcommands(without_settings)
        .after_help(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        let args = std::iter::once("pushi")
            .chain(args.iter().copied())
            .map(OsString::from)
            .collect();
        Cli::from_arg_matches(&command().try_get_matches_from(with_command(args))?)
    }

    #[test]
    fn no_two_flags_clash() {
        command().debug_assert();
    }

    #[test]
    fn pushi_alone_or_with_flags_serves() {
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
    fn the_help_of_other_commands_is_about_them() {
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
