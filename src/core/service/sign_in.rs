//! Signing in: a connection says which user it is.

use super::Service;
use crate::core::auth::{self, SignatureError};
use crate::core::hub::{Connection, SignedIn};
use crate::core::model::UserId;

/// A client's wish to be signed in; the edge has read its user data.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// The signature.
    pub auth: Option<String>,
    /// The user data as it was sent.
    pub user_data: String,
    /// What it says.
    pub signed: SignedIn,
}

/// Where the watched users are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// Those who are there.
    pub online: Vec<UserId>,
    /// Those who are not.
    pub offline: Vec<UserId>,
    /// The state of the app's users that this shows: changes up to this version are in it.
    pub version: u64,
}

/// Why a client is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Missing or wrong signature.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It is signed in as somebody else.
    #[error("this connection is signed in as another user: open a new one")]
    OtherUser,
}

impl Service {
    /// Signs a connection in, or again as the same user with newer data. Answers where the users on its watchlist are; their
    /// later changes come through the mailbox. `None`: it watches nobody, or that cannot be said now.
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
        // Watching begins before the question, so that no change is missed between the two.
        connection.sign_in(sign_in.signed);
        if let Err(error) = self
            .ports
            .nodes
            .roster
            .sign_in(&app.ident, &user, connection.id())
            .await
        {
            tracing::warn!(%error, "a sign-in was not told to the other nodes");
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
