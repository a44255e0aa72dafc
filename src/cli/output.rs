//! Flags of the commands that print a result and end.

use serde_json::Value;

use crate::config::Raw;

/// The output format and the configuration of a command.
#[derive(clap::Args)]
pub(super) struct OutputArgs {
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub raw: Raw,
}

impl OutputArgs {
    /// Formats a result: as JSON with `--json`, else with `text`.
    pub(super) fn format(&self, result: &Value, text: impl FnOnce(&Value) -> String) -> String {
        if self.json {
            result.to_string()
        } else {
            text(result)
        }
    }
}
