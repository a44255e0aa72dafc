//! Tokens of users, in place of signatures.

use super::Service;
use crate::core::auth::{MAX_TOKEN_BYTES, TokenError, TokenGrant};
use crate::core::model::{App, Secret};

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
}
