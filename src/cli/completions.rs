//! `pushi completions`: prints the completions of a shell.

use clap_complete::Shell;

use super::error::CliError;

/// Print the completions of a shell
///
/// For bash: pushi completions bash > /usr/share/bash-completion/completions/pushi
#[derive(clap::Args)]
pub(super) struct CompletionsArgs {
    /// Shell that reads them
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self, mut command: clap::Command) -> Result<String, CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "pushi", &mut script);
        let script = String::from_utf8(script).map_err(CliError::command)?;
        Ok(script.trim_end().to_owned())
    }
}
