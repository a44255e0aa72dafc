//! `pushi token`: creates a session token without a login.

use serde_json::json;

use super::app_selector::AppSelector;
use super::context::{load_settings, with_service};
use super::error::CliError;
use super::output::OutputArgs;

/// Create a session token for the REST API
///
/// The token is stored and expires after PUSHI_SESSION_TTL. Works on the only app in the store, or
/// on the one selected with --app-id or --app-key.
#[derive(clap::Args)]
pub(super) struct TokenArgs {
    #[command(flatten)]
    output: OutputArgs,
}

impl TokenArgs {
    pub(super) async fn run(self) -> Result<String, CliError> {
        let settings = load_settings(&self.output.raw)?;
        let selector = AppSelector::of(&self.output.raw);
        let token = with_service(&settings, async |service| {
            let app = selector.find(&service).await?;
            service
                .create_session(&app.ident)
                .await
                .map_err(CliError::command)
        });
        let token = token.await?;
        let result = json!({"token": token.text, "seconds": token.ttl.as_secs()});
        Ok(self.output.format(&result, |_| token.text))
    }
}
