//! `pushi openapi`: prints the OpenAPI document.

use super::error::CliError;
use crate::inbound::rest::document;

/// Print the OpenAPI document of the REST API
#[derive(clap::Args)]
pub(super) struct OpenApiArgs {
    /// Has no effect: the document is always JSON
    #[arg(long)]
    json: bool,
}

impl OpenApiArgs {
    pub(super) fn run(self) -> Result<String, CliError> {
        let Self { json: _ } = self;
        Ok(document().trim_end().to_owned())
    }
}
