//! Reading the tokens of users.

use crate::core::auth::{TokenClaims, TokenError};
use crate::core::model::App;

/// Verifies the signatures of tokens (JSON Web Tokens) and reads their claims.
pub trait TokenReader: Send + Sync {
    /// The claims of a token that is signed with a secret of the app, or a key of its setting `token_keys`. The key decides about
    /// the algorithm. The values of the claims are not checked.
    ///
    /// # Errors
    /// The token is malformed, or no key of the app has signed it.
    fn read(&self, token: &str, app: &App) -> Result<TokenClaims, TokenError>;

    /// The claim `app` of a token, which is not verified: it selects the app whose keys verify the token. `None`: it has none.
    ///
    /// # Errors
    /// The token is malformed.
    fn named_app(&self, token: &str) -> Result<Option<String>, TokenError>;
}
