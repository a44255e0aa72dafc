//! The signatures of sign-ins.

use super::{SignatureError, sign};
use crate::core::model::{App, Secret, SocketId};

/// The `auth` that a back end returns for a sign-in: `<key>:<hex>`, the signature over
/// `<socket_id>::user::<user_data>`.
pub fn user_auth(key: &str, secret: &Secret, socket: &str, user_data: &str) -> String {
    format!("{key}:{}", sign(secret, &[socket, "::user::", user_data]))
}

/// Verifies `auth` for a sign-in with every valid secret. `user_data` is the text as it was sent.
///
/// # Errors
/// The signature is missing, malformed or wrong.
pub fn check_user_auth(
    app: &App,
    auth: Option<&str>,
    socket: SocketId,
    user_data: &str,
) -> Result<(), SignatureError> {
    let given = super::parse_auth(app, auth).map_err(|error| match error {
        SignatureError::Missing => SignatureError::MissingUser,
        other => other,
    })?;
    let socket = socket.to_string();
    let fits = |secret: &Secret| {
        Secret::new(sign(secret, &[&socket, "::user::", user_data])).matches(given)
    };
    if app.secrets().any(fits) {
        Ok(())
    } else {
        Err(SignatureError::WrongUser)
    }
}
