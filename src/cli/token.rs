//! `pushi token`: a session token without a login.

use serde_json::json;

use super::chosen::Chosen;
use super::failure::Failure;
use super::workbench::{settings, work};
use crate::config::Raw;

/// Make a session token for the REST API
///
/// It is stored, and good for as long as PUSHI_SESSION_TTL says. The app is the only one in the store, or the one that
/// --app-id or --app-key says.
#[derive(clap::Args)]
pub struct Token {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    raw: Raw,
}

impl Token {
    pub async fn run(self) -> Result<String, Failure> {
        let settings = settings(&self.raw)?;
        let chosen = Chosen::of(&self.raw);
        let token = work(&settings, async |service| {
            let app = chosen.app(&service).await?;
            service
                .create_session(&app.ident)
                .await
                .map_err(Failure::command)
        });
        let token = token.await?;
        Ok(if self.json {
            json!({"token": token.text, "seconds": token.ttl.as_secs()}).to_string()
        } else {
            token.text
        })
    }
}
