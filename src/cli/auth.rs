//! `pushi auth`: signs a subscription, as a back end does.

use std::collections::HashMap;

use serde_json::json;
use serde_json::value::RawValue;

use super::app_selector::{AppCredentials, AppSelector};
use super::context::load_settings;
use super::error::CliError;
use super::output::OutputArgs;
use crate::core::auth::{channel_auth, check_signable};
use crate::core::model::{ChannelKind, ChannelName, SocketId};

/// Sign a subscription to a private, presence or personal channel
///
/// Prints the value that a client sends as `auth`; with --json, the response of an auth endpoint.
/// Works on the only app in the store, or on the one selected with --app-id, --app-key and
/// --app-secret.
#[derive(clap::Args)]
pub(super) struct AuthArgs {
    /// Socket id, from the first frame that the client received
    socket_id: String,
    /// Name of the channel
    channel: String,
    /// JSON text that the client sends as `channel_data`, which is signed too
    channel_data: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

impl AuthArgs {
    pub(super) async fn run(self) -> Result<String, CliError> {
        let settings = load_settings(&self.output.raw)?;
        SocketId::parse(&self.socket_id).ok_or_else(|| {
            CliError::command(
                "the socket id must be two numbers separated by a dot, such as 123.456",
            )
        })?;
        let selector = AppSelector::of(&self.output.raw);
        let credentials = selector.credentials(&settings).await?;
        let limit = usize::try_from(settings.limits.channel_name).unwrap_or(usize::MAX);
        let parse = if credentials.pusher_clients {
            ChannelName::parse_pusher
        } else {
            ChannelName::parse
        };
        let channel = parse(&self.channel, limit).map_err(CliError::command)?;
        check_signable(&channel).map_err(CliError::command)?;
        if let Some(data) = &self.channel_data {
            check_channel_data(&channel, data)?;
        }
        Ok(self.sign(&credentials))
    }

    fn sign(&self, credentials: &AppCredentials) -> String {
        let data = self.channel_data.as_deref();
        let auth = channel_auth(
            &credentials.key,
            &credentials.secret,
            &self.socket_id,
            &self.channel,
            data,
        );
        let response = match data {
            None => json!({"auth": auth}),
            Some(data) => json!({"auth": auth, "channel_data": data}),
        };
        self.output.format(&response, |_| auth)
    }
}

/// Checks channel data: a JSON object, with the user for a presence channel. The values are not
/// parsed, because they are passed on as they are.
fn check_channel_data(channel: &ChannelName, data: &str) -> Result<(), CliError> {
    let members: HashMap<String, Box<RawValue>> = serde_json::from_str(data).map_err(|_| {
        CliError::command(r#"the channel data must be a JSON object, such as {"user_id":"ann"}"#)
    })?;
    let is_user = |value: &RawValue| {
        let text = value.get();
        text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            || text.starts_with('"') && text.len() > 2
    };
    if channel.kind() == ChannelKind::Presence
        && !members.get("user_id").is_some_and(|v| is_user(v))
    {
        return Err(CliError::command(
            r#"the channel data of a presence channel needs a user_id, such as {"user_id":"ann"}"#,
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Raw;
    use crate::core::model::Secret;

    fn sign(json: bool, channel: &str, channel_data: Option<&str>) -> String {
        let auth = AuthArgs {
            socket_id: "1234.1234".into(),
            channel: channel.into(),
            channel_data: channel_data.map(str::to_owned),
            output: OutputArgs {
                json,
                raw: Raw::default(),
            },
        };
        auth.sign(&AppCredentials {
            ident: "1".into(),
            key: "278d425bdf160c739803".into(),
            secret: Secret::new("7ad3773142a6692b25b8"),
            pusher_clients: true,
        })
    }

    /// The test vectors of the Pusher documentation. The signature of the Pushi protocol is the
    /// same.
    #[test]
    fn signatures_match_the_documentation() {
        let private =
            "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
        assert_eq!(sign(false, "private-foobar", None), private);
        assert_eq!(
            sign(true, "private-foobar", None),
            format!(r#"{{"auth":"{private}"}}"#)
        );
        let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
        let presence =
            "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80";
        assert_eq!(sign(false, "presence-foobar", Some(data)), presence);
    }
}
