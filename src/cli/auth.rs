//! `pushi auth`: signs a subscription, as a back end does.

use serde_json::json;

use super::chosen::{Chosen, Credentials};
use super::failure::Failure;
use super::workbench::settings;
use crate::config::Raw;
use crate::core::auth::channel_auth;
use crate::core::model::{ChannelName, SocketId};

/// Sign a subscription to a private, presence or personal channel
///
/// It answers what a client sends as `auth`. The app is the only one in the store, or the one that --app-id, --app-key and
/// --app-secret say.
#[derive(clap::Args)]
pub struct Auth {
    /// The socket's id, from the first frame that it got
    socket_id: String,
    /// The channel
    channel: String,
    /// JSON text that is signed too, as the client sends it in `channel_data`
    channel_data: Option<String>,
    /// Print JSON, as an auth endpoint answers it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    raw: Raw,
}

impl Auth {
    pub async fn run(self) -> Result<String, Failure> {
        let settings = settings(&self.raw)?;
        SocketId::parse(&self.socket_id).ok_or_else(|| {
            Failure::command("the socket id must be two numbers with a dot between them")
        })?;
        let limit = usize::try_from(settings.limits.channel_name).unwrap_or(usize::MAX);
        ChannelName::parse(&self.channel, limit).map_err(Failure::command)?;
        let credentials = Chosen::of(&self.raw).credentials(&settings).await?;
        Ok(self.answer(&credentials))
    }

    fn answer(&self, credentials: &Credentials) -> String {
        let data = self.channel_data.as_deref();
        let auth = channel_auth(
            &credentials.key,
            &credentials.secret,
            &self.socket_id,
            &self.channel,
            data,
        );
        match (self.json, data) {
            (false, _) => auth,
            (true, None) => json!({"auth": auth}).to_string(),
            (true, Some(data)) => json!({"auth": auth, "channel_data": data}).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Secret;

    fn answer(json: bool, channel: &str, channel_data: Option<&str>) -> String {
        let auth = Auth {
            socket_id: "1234.1234".into(),
            channel: channel.into(),
            channel_data: channel_data.map(str::to_owned),
            json,
            raw: Raw::default(),
        };
        auth.answer(&Credentials {
            ident: "1".into(),
            key: "278d425bdf160c739803".into(),
            secret: Secret::new("7ad3773142a6692b25b8"),
        })
    }

    /// The vectors of the Pusher documentation, which the Pushi form shares.
    #[test]
    fn it_signs_as_documented() {
        let private =
            "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
        assert_eq!(answer(false, "private-foobar", None), private);
        assert_eq!(
            answer(true, "private-foobar", None),
            format!(r#"{{"auth":"{private}"}}"#)
        );
        let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
        let presence =
            "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80";
        assert_eq!(answer(false, "presence-foobar", Some(data)), presence);
    }
}
