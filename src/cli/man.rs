//! `pushi man`: writes the manual pages.

use std::path::PathBuf;

use super::error::CliError;

/// Write the manual pages, one a command, into a folder
#[derive(clap::Args)]
pub(super) struct ManArgs {
    /// Folder, which must exist
    folder: PathBuf,
}

impl ManArgs {
    pub(super) fn run(self, command: clap::Command) -> Result<String, CliError> {
        clap_mangen::generate_to(command, &self.folder)
            .map_err(|error| CliError::Command(format!("{}: {error}", self.folder.display())))?;
        Ok(String::new())
    }
}
