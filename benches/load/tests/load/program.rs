//! Runs the program.

use std::process::{Command, Output};

use serde_json::Value;

use crate::server::TestServer;

/// The credentials of the app of every [`TestServer`].
pub(crate) const CREDENTIALS: [(&str, &str); 3] = [
    ("PUSHI_APP_ID", "7"),
    ("PUSHI_APP_KEY", "k"),
    ("PUSHI_APP_SECRET", "hunter2"),
];

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program with an environment that holds only the credentials.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushi-bench"));
    command
        .args(args)
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env_clear()
        .envs(CREDENTIALS);
    command
}

pub(crate) fn run(command: &mut Command) -> Outcome {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome {
        code: status.code(),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// The error line of a run that must fail with this exit code.
pub(crate) fn error_line(command: &mut Command, code: i32) -> String {
    let Outcome {
        code: exit_code,
        stdout,
        stderr,
    } = run(command);
    assert_eq!(
        (exit_code, stdout.as_str()),
        (Some(code), ""),
        "{command:?}: {stderr}"
    );
    let line = stderr
        .strip_prefix("pushi-bench: ")
        .and_then(|line| line.strip_suffix('\n'))
        .unwrap();
    assert!(!line.contains('\n'), "{line}");
    line.to_owned()
}

impl TestServer {
    /// The error line of a run against this server, which must fail.
    pub(crate) fn error_line(&self, args: &[&str]) -> String {
        error_line(&mut command(&[args, &["--url", &self.url]].concat()), 1)
    }

    /// The JSON report of a run against this server.
    pub(crate) fn report(&self, args: &[&str]) -> Value {
        let pid = std::process::id().to_string();
        let shared = ["--url", &self.url, "--pid", &pid, "--json"];
        let outcome = run(&mut command(&[args, &shared].concat()));
        assert_eq!(
            (outcome.code, outcome.stderr.as_str()),
            (Some(0), ""),
            "{args:?}: {}",
            outcome.stdout
        );
        assert!(!outcome.stdout.contains("hunter2"));
        serde_json::from_str(&outcome.stdout).unwrap()
    }
}

/// A number of a report.
pub(crate) fn number(report: &Value, key: &str) -> f64 {
    report[key]
        .as_f64()
        .unwrap_or_else(|| panic!("no number {key} in {report}"))
}
