//! `pushi openapi`: the document.

use super::failure::Failure;
use crate::inbound::rest::document;

/// Print the OpenAPI document of the REST API
#[derive(clap::Args)]
pub struct OpenApi {
    /// Accepted for symmetry: the document is JSON anyway
    #[arg(long)]
    json: bool,
}

impl OpenApi {
    pub fn run(self) -> Result<String, Failure> {
        let Self { json: _ } = self;
        Ok(document().trim_end().to_owned())
    }
}
