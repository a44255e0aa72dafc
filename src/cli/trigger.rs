//! `pushi trigger`: publishes from the shell.

use serde_json::json;

use super::address::api_url;
use super::api::Api;
use super::chosen::Chosen;
use super::failure::Failure;
use super::workbench::settings;
use crate::config::Raw;

/// Publish an event
///
/// It goes to the server over HTTP, since only the server reaches its sockets. The app is the only one in the store, or
/// the one that --app-id, --app-key and --app-secret say (with all three the store is not opened).
#[derive(clap::Args)]
pub struct Trigger {
    /// The channel
    channel: String,
    /// The event's data, as it is: a text, or JSON
    data: String,
    /// The event's name
    #[arg(long, default_value = "message")]
    event: String,
    /// Do not store it
    #[arg(long)]
    no_persist: bool,
    /// The server's REST API; where APP_HOST and APP_PORT say, if it is not given
    #[arg(long)]
    url: Option<String>,
    /// Print the server's answer as it is
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    raw: Raw,
}

impl Trigger {
    pub async fn run(self) -> Result<String, Failure> {
        let settings = settings(&self.raw)?;
        let url = self
            .url
            .clone()
            .unwrap_or_else(|| api_url(&settings.listen.api, settings.listen.api.port));
        let credentials = Chosen::of(&self.raw).credentials(&settings).await?;
        let api = Api::new(&url, false)?;
        let token = api.token(&credentials).await?;
        let event = json!({"channel": self.channel, "event": self.event, "data": self.data, "persist": !self.no_persist});
        let answer = api.publish(&token, &event).await?;
        Ok(if self.json {
            answer.to_string()
        } else {
            format!("published to {}", self.channel)
        })
    }
}
