//! The signature of a sign-in.

use super::{SignatureError, sign};
use crate::core::model::{App, Secret, SocketId};

/// What a back end answers as `auth` for a sign-in: `<key>:<hex>`, the signature over `<socket_id>::user::<user_data>`.
pub fn user_auth(key: &str, secret: &Secret, socket: &str, user_data: &str) -> String {
    format!("{key}:{}", sign(secret, &[socket, "::user::", user_data]))
}

/// Checks `auth` for a sign-in against every valid secret. `user_data` is the text as it was sent.
pub fn check_user_auth(
    app: &App,
    auth: Option<&str>,
    socket: SocketId,
    user_data: &str,
) -> Result<(), SignatureError> {
    let given = super::given(app, auth).map_err(|error| match error {
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
