//! Which channels may be signed for a client.

use crate::core::model::{ChannelKind, ChannelName};

/// Why a channel is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignableError {
    /// The signature would also be one of another channel, or of a sign-in.
    #[error(
        "a channel name with : is not signed, because the signature would also cover another channel with channel data: use a name without :"
    )]
    Ambiguous,
}

/// Checks that a signature over `<socket_id>:<channel>` means this channel only. With a colon in the
/// name it could be read as `<socket_id>:<channel>:<channel_data>` or `<socket_id>::user::<user_data>`.
/// The colon of a peer channel is unambiguous, because its users are not JSON.
///
/// # Errors
/// The name has a colon that is not the one of a peer channel.
pub fn check_signable(channel: &ChannelName) -> Result<(), SignableError> {
    let allowed = usize::from(channel.kind() == ChannelKind::Peer);
    if channel.as_str().matches(':').count() > allowed {
        return Err(SignableError::Ambiguous);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_means_one_channel() {
        let check = |name: &str| check_signable(&ChannelName::parse(name, 0).unwrap());
        for name in [
            "private-a",
            "presence-a b",
            "personal-u1",
            "peer-a:u1&u2",
            "private-{}",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for name in [
            r#"presence-a:{"user_id":"admin"}"#,
            r#":user::{"id":"admin"}"#,
            "private-a:b",
            "personal-a:b",
            "peer-a:b:u1&u2",
            "a:b",
            ":",
        ] {
            assert_eq!(check(name), Err(SignableError::Ambiguous), "{name}");
        }
    }
}
