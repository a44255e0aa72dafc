//! Tokens of users, in place of signatures.

use std::sync::Arc;
use std::time::Duration;

use super::Service;
use crate::core::auth::{MAX_TOKEN_BYTES, TokenError, TokenGrant};
use crate::core::error::StorageError;
use crate::core::hub::{Connection, SignedIn};
use crate::core::model::{App, AppIdent, ChannelKind, ChannelName, Secret, UserId};

/// A token that a connection holds from now on.
#[derive(Debug)]
pub struct TokenHeld {
    /// The user that the connection is signed in as by it.
    pub user: Option<UserId>,
    /// The time until it expires.
    pub left: Duration,
    /// Channels that the connection left: it was subscribed to them by an earlier token, and this one does not cover them.
    pub ended: Vec<ChannelName>,
}

/// Why a connection does not hold a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HoldTokenError {
    /// The token is not valid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The connection is signed in as another user.
    #[error("the token is of another user (sub) than this connection: open a new one")]
    OtherUser,
}

/// Why a token opens no app.
#[derive(Debug, thiserror::Error)]
pub enum UserTokenError {
    /// The token is not valid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token names no app, and there are several.
    #[error("the token names no app: add the claim app, the id or the key of the app")]
    NoApp,
    /// The app was disabled.
    #[error("the app is disabled: ask the administrator")]
    Disabled,
    /// The store is unavailable, and the app is not cached.
    #[error("the store is unavailable: try again later")]
    Storage(#[from] StorageError),
}

/// Why a request with a token is refused.
#[derive(Debug, thiserror::Error)]
pub enum TokenAccessError {
    /// The token does not name the user.
    #[error(
        "the token is of another user, or of none: its claim sub must be the user_id of the request"
    )]
    OtherUser,
    /// The token does not cover the channel.
    #[error(
        "the token does not cover the channel {0}: its claim channels must have the name, or a prefix of it that ends in *"
    )]
    Channel(String),
    /// The request names no channel.
    #[error(
        "a token covers single channels only: name one of its claim channels in the parameter channel"
    )]
    NoChannel,
}

impl Service {
    /// What a user's token grants in an app.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify_token(&self, app: &App, token: &Secret) -> Result<TokenGrant, TokenError> {
        let token = token.expose();
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let claims = self.ports.tokens.read(token, app)?;
        let now = self.ports.clock.now();
        TokenGrant::new(claims, app, now, self.rules.max_token_ttl)
    }

    /// The app of a user's token, by its claim `app`, and what it grants there. Without the claim it is the only app.
    ///
    /// # Errors
    /// See [`UserTokenError`].
    pub async fn app_of_token(
        &self,
        token: &Secret,
    ) -> Result<(Arc<App>, TokenGrant), UserTokenError> {
        if token.expose().len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong.into());
        }
        let app = match self.ports.tokens.named_app(token.expose())? {
            Some(name) => self.named_app(&name).await?,
            None => self.only_app().await?,
        };
        let grant = self.verify_token(&app, token)?;
        match app.settings.enabled {
            true => Ok((app, grant)),
            false => Err(UserTokenError::Disabled),
        }
    }

    async fn named_app(&self, name: &str) -> Result<Arc<App>, UserTokenError> {
        let apps = &self.parts.apps;
        if let Ok(ident) = AppIdent::parse(name)
            && let Some(app) = apps.get(&ident).await?
        {
            return Ok(app);
        }
        let found = apps.get_by_key(name).await?;
        found.ok_or(UserTokenError::Token(TokenError::OtherApp))
    }

    async fn only_app(&self) -> Result<Arc<App>, UserTokenError> {
        let mut apps = self.ports.stores.apps.list(0, 2).await?;
        match (apps.pop(), apps.pop()) {
            (Some(only), None) => Ok(Arc::new(only)),
            _ => Err(UserTokenError::NoApp),
        }
    }

    /// What the connection's token grants now; `None`: it has none, or it has expired.
    pub(super) fn grant_of(&self, connection: &Connection) -> Option<Arc<TokenGrant>> {
        connection
            .token()
            .filter(|grant| !grant.is_expired(self.ports.clock.now()))
    }

    /// Whether the connection's token allows publishing to a channel; `None`: the app's settings decide. On a channel that was
    /// subscribed to by the token, `publish` is the whole permission; on others it adds to the settings.
    pub(super) fn publishes_by_token(
        &self,
        connection: &Connection,
        channel: &ChannelName,
    ) -> Option<bool> {
        let publishes = self.grant_of(connection)?.publishes(channel)?;
        (publishes || connection.is_by_token(channel)).then_some(publishes)
    }

    /// Has a connection hold a token, in place of an earlier one: its user is signed in, and channels that it covers need no
    /// signature. Channels that are left because of it are added to `left`.
    ///
    /// # Errors
    /// See [`HoldTokenError`]. The connection keeps an earlier token.
    pub async fn hold_token(
        &self,
        connection: &Connection,
        token: &Secret,
        left: &mut Vec<ChannelName>,
    ) -> Result<TokenHeld, HoldTokenError> {
        let app = connection.app();
        let grant = Arc::new(self.verify_token(&app, token)?);
        let (before, by_token) = (connection.signed_in(), connection.is_signed_in_by_token());
        match (&before, grant.user()) {
            (Some(before), Some(user)) if before.user != *user => {
                return Err(HoldTokenError::OtherUser);
            }
            (Some(_), None) if by_token => return Err(HoldTokenError::OtherUser),
            _ => {}
        }
        let uncovered = connection.hold_token(Arc::clone(&grant));
        let member = grant.member(false).filter(|_| before.is_none() || by_token);
        if let Some(member) = member {
            connection.sign_in(SignedIn {
                user: member.user_id.clone(),
                data: member.data,
                watchlist: Vec::new(),
            });
            connection.set_signed_in_by_token(true);
            let roster = &self.ports.nodes.roster;
            let signed_in = roster.sign_in(&app.ident, &member.user_id, connection.id());
            if let Err(error) = signed_in.await {
                tracing::warn!(%error, "sign-in not sent to the other nodes");
            }
        }
        let ended = self.end_granted(connection, uncovered, left).await;
        let now = self.ports.clock.now();
        let micros = grant.expires().micros().saturating_sub(now.micros());
        Ok(TokenHeld {
            user: grant.user().cloned(),
            left: Duration::from_micros(u64::try_from(micros).unwrap_or(0)),
            ended,
        })
    }

    /// The connection's token has expired: what it granted ends. Returns the channels that the client was subscribed to by it;
    /// all channels that the connection left are added to `left`.
    pub async fn expire_token(
        &self,
        connection: &Connection,
        left: &mut Vec<ChannelName>,
    ) -> Vec<ChannelName> {
        let Some(held) = connection.take_token() else {
            return Vec::new();
        };
        let ended = self.end_granted(connection, held.channels, left).await;
        if let Some(user) = held.grant.user().filter(|_| held.signed_in) {
            let app = connection.app();
            connection.sign_out();
            self.require_sign_in(&app, connection);
            // Where the call fails, the connection's lease expires.
            let roster = &self.ports.nodes.roster;
            let _ = roster.sign_out(&app.ident, user, connection.id()).await;
        }
        ended
    }

    async fn end_granted(
        &self,
        connection: &Connection,
        channels: Vec<ChannelName>,
        left: &mut Vec<ChannelName>,
    ) -> Vec<ChannelName> {
        for channel in &channels {
            left.extend(self.unsubscribe(connection, channel).await);
        }
        channels
    }
}

impl TokenGrant {
    /// Checks that the token's user may read the history of a channel.
    ///
    /// # Errors
    /// The token does not cover it.
    pub fn check_channel(&self, channel: &ChannelName) -> Result<(), TokenAccessError> {
        // Also a public channel: without a token its history is not open to anyone.
        match self.covers(channel) {
            true => Ok(()),
            false => Err(TokenAccessError::Channel(channel.to_string())),
        }
    }

    /// Checks that the token is of this user.
    ///
    /// # Errors
    /// It is of another one.
    pub fn check_user(&self, user: &UserId) -> Result<(), TokenAccessError> {
        match self.user() == Some(user) {
            true => Ok(()),
            false => Err(TokenAccessError::OtherUser),
        }
    }

    /// Checks that the token's user may subscribe to a channel.
    ///
    /// # Errors
    /// The channel is not public, and the token does not cover it.
    pub fn check_subscribe(&self, channel: &ChannelName) -> Result<(), TokenAccessError> {
        match channel.kind() {
            ChannelKind::Public => Ok(()),
            _ => self.check_channel(channel),
        }
    }
}
