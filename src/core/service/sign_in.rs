//! Signing a connection in as a user.

use super::Service;
use crate::core::auth::{self, SignatureError};
use crate::core::hub::{Connection, SignedIn};
use crate::core::model::UserId;

/// A sign-in request; the edge has parsed its user data.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The signature, where one was given.
    pub auth: Option<String>,
    /// The user data as sent, which the signature covers.
    pub user_data: String,
    /// The parsed user data.
    pub signed: SignedIn,
}

/// The status of the users on a watchlist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// Users with a signed-in connection.
    pub online: Vec<UserId>,
    /// Users without one.
    pub offline: Vec<UserId>,
    /// The version of the app's user states; changes up to it are included.
    pub version: u64,
}

/// Why a sign-in is rejected.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The signature is missing or wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The connection is signed in as another user.
    #[error("this connection is signed in as another user: open a new one")]
    OtherUser,
}

impl Service {
    /// Signs a connection in, or updates the data of the same user. Returns the status of the users on its watchlist; later
    /// changes arrive in the mailbox. `None`: the watchlist is empty, or the other nodes cannot be reached.
    ///
    /// # Errors
    /// See [`SignInError`].
    pub async fn sign_in(
        &self,
        connection: &Connection,
        sign_in: SignIn,
    ) -> Result<Option<Watched>, SignInError> {
        let app = connection.app();
        auth::check_user_auth(
            &app,
            sign_in.auth.as_deref(),
            connection.id(),
            &sign_in.user_data,
        )?;
        if connection
            .signed_in()
            .is_some_and(|before| before.user != sign_in.signed.user)
        {
            return Err(SignInError::OtherUser);
        }
        let SignedIn {
            user, watchlist, ..
        } = sign_in.signed.clone();
        // The connection watches before the status is read, so that no change is missed between the two.
        connection.sign_in(sign_in.signed);
        connection.set_signed_in_by_token(false);
        if let Err(error) = self
            .ports
            .nodes
            .roster
            .sign_in(&app.ident, &user, connection.id())
            .await
        {
            tracing::warn!(%error, "sign-in not sent to the other nodes");
        }
        if watchlist.is_empty() {
            return Ok(None);
        }
        let Ok(found) = self.ports.nodes.roster.online(&app.ident, &watchlist).await else {
            return Ok(None);
        };
        let mut watched = Watched {
            version: found.version,
            ..Watched::default()
        };
        for (user, online) in watchlist.into_iter().zip(found.online) {
            if online {
                watched.online.push(user)
            } else {
                watched.offline.push(user)
            }
        }
        Ok(Some(watched))
    }
}
