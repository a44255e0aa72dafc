//! `pushi trigger`: publishes an event through a running server.

use serde_json::json;

use super::address::api_url;
use super::api_client::ApiClient;
use super::app_selector::AppSelector;
use super::context::load_settings;
use super::error::CliError;
use super::output::OutputArgs;

/// Publish an event
///
/// Sends the event to a running server over HTTP, because only the server can deliver it to its
/// connections. Works on the only app in the store, or on the one selected with --app-id, --app-key
/// and --app-secret; if all three are given, the store is not opened.
#[derive(clap::Args)]
pub(super) struct TriggerArgs {
    /// Name of the channel
    channel: String,
    /// Data of the event, sent unchanged: text or JSON
    data: String,
    /// Name of the event
    #[arg(long, default_value = "message")]
    event: String,
    /// Do not store the event
    #[arg(long)]
    no_persist: bool,
    /// URL of the REST API [default: from APP_HOST and APP_PORT]
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

impl TriggerArgs {
    pub(super) async fn run(self) -> Result<String, CliError> {
        let settings = load_settings(&self.output.raw)?;
        let url = self
            .url
            .clone()
            .unwrap_or_else(|| api_url(&settings.listen.api, settings.listen.api.port));
        let selector = AppSelector::of(&self.output.raw);
        let credentials = selector.credentials(&settings).await?;
        let api = ApiClient::new(&url)?;
        let token = api.token(&credentials).await?;
        let event = json!({"channel": self.channel, "event": self.event, "data": self.data, "persist": !self.no_persist});
        let response = api.publish(&token, &event).await?;
        Ok(self
            .output
            .format(&response, |_| format!("published to {}", self.channel)))
    }
}
