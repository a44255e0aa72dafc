//! The binary, run in a temporary folder.

mod commands;
mod configuration;
mod copy;
mod notifications;
mod secrecy;
pub(crate) mod serve;
mod store_start;

use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder in which commands run, with only the environment that a test sets.
pub(crate) struct Shell {
    pub folder: TempDir,
}

/// The result of a command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn command(&self, args: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pushi"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(environment.iter().copied());
        command
    }

    pub(crate) fn run_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Done {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(args, environment).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Done {
            code: status.code(),
            out: text(stdout),
            err: text(stderr),
        }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.run_with(args, &[])
    }

    /// The output of a command that must succeed with empty standard error.
    pub(crate) fn printed(&self, args: &[&str]) -> String {
        let done = self.run(args);
        assert_eq!(
            (done.code, done.err.as_str()),
            (Some(0), ""),
            "{args:?}: {}",
            done.out
        );
        done.out
    }

    /// What a command printed as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.printed(args)).unwrap()
    }

    /// The one line with which a command ended that must not succeed.
    pub(crate) fn complaint(
        &self,
        args: &[&str],
        environment: &[(&str, &str)],
        code: i32,
    ) -> String {
        let Done {
            code: ended,
            out,
            err,
        } = self.run_with(args, environment);
        assert_eq!((ended, out.as_str()), (Some(code), ""), "{args:?}: {err}");
        let line = err
            .strip_prefix("pushi: ")
            .and_then(|line| line.strip_suffix('\n'))
            .unwrap();
        assert!(!line.contains('\n'), "{line}");
        line.to_owned()
    }
}
