//! `pushi token`: creates a session token without a login, or a token for a user.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use serde_json::value::RawValue;

use super::app_selector::AppSelector;
use super::context::{load_settings, with_service};
use super::error::CliError;
use super::output::OutputArgs;
use crate::config::{Settings, parse_duration};
use crate::core::model::{Timestamp, UserId};
use crate::outbound::jwt::{JwtTokens, NewToken};

/// Create a token for a user, or a session token for the REST API
///
/// With --user, --channels or --publish: a JSON Web Token for a client, signed with the app's secret, which takes the place of an
/// endpoint that signs subscriptions. Without them: a session token, which is stored and expires after PUSHI_SESSION_TTL.
/// Works on the only app in the store, or on the one selected with --app-id or --app-key.
#[derive(clap::Args)]
pub(super) struct TokenArgs {
    /// Id of the user (claim sub)
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Channels that the client may subscribe to: names, or prefixes that end in *, with commas between them
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    channels: Vec<String>,
    /// Channels that the client may publish to; without it, the app's settings decide
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    publish: Option<Vec<String>>,
    /// JSON that the members of presence channels see of the user
    #[arg(long, value_name = "JSON")]
    info: Option<String>,
    /// Time until the token of a user expires, such as 90s, 15m or 1h [default: 1h]
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

impl TokenArgs {
    pub(super) async fn run(self) -> Result<String, CliError> {
        let settings = load_settings(&self.output.raw)?;
        let (text, ttl) = match self.is_for_user() {
            true => self.sign(&settings).await?,
            false => self.create_session(&settings).await?,
        };
        let result = json!({"token": text, "seconds": ttl.as_secs()});
        Ok(self.output.format(&result, |_| text))
    }

    fn is_for_user(&self) -> bool {
        let further = self.info.is_some() || self.ttl.is_some();
        self.user.is_some() || !self.channels.is_empty() || self.publish.is_some() || further
    }

    async fn create_session(&self, settings: &Settings) -> Result<(String, Duration), CliError> {
        let selector = AppSelector::of(&self.output.raw);
        let token = with_service(settings, async |service| {
            let app = selector.find(&service).await?;
            service
                .create_session(&app.ident)
                .await
                .map_err(CliError::command)
        });
        let token = token.await?;
        Ok((token.text, token.ttl))
    }

    async fn sign(&self, settings: &Settings) -> Result<(String, Duration), CliError> {
        let most = settings.access.max_token_ttl;
        let ttl = parse_duration(self.ttl.as_deref().unwrap_or("1h").trim())
            .filter(|ttl| !ttl.is_zero() && *ttl <= most)
            .ok_or_else(|| {
                let most = most.as_secs();
                CliError::Command(format!("--ttl must be a duration from 1s to {most}s (PUSHI_MAX_TOKEN_TTL), such as 90s, 15m or 1h"))
            })?;
        if self
            .user
            .as_deref()
            .is_some_and(|user| UserId::parse(user).is_none())
        {
            return Err(CliError::command(
                "--user must have 1 to 128 characters, and no control characters",
            ));
        }
        let info = self.info.clone().map(RawValue::from_string).transpose();
        let info = info
            .map_err(|_| CliError::command(r#"--info must be JSON, such as '{"name":"Ann"}'"#))?;
        let selector = AppSelector::of(&self.output.raw);
        let credentials = selector.credentials(settings).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let token = NewToken {
            user: self.user.as_deref(),
            channels: &self.channels,
            publish: self.publish.as_deref(),
            info: info.as_deref(),
            app: &credentials.ident,
            issued: Timestamp::default().plus(now.unwrap_or_default()),
            ttl,
        };
        let text = JwtTokens::new().sign(&token, &credentials.secret);
        Ok((text.map_err(CliError::command)?, ttl))
    }
}
