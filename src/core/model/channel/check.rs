//! The rules for names of channels and events.

/// Why a name is rejected; the text is for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("the {what} name is empty: use at least one character")]
    Empty {
        /// "channel" or "event".
        what: &'static str,
    },
    /// The name is longer than allowed.
    #[error("the {what} name has more than {max} {unit}: shorten it")]
    TooLong {
        /// "channel" or "event".
        what: &'static str,
        /// The limit.
        max: usize,
        /// "characters" or "bytes".
        unit: &'static str,
    },
    /// The name has a control character.
    #[error("the {what} name contains a control character: use printable characters only")]
    Control {
        /// "channel" or "event".
        what: &'static str,
    },
    /// The name has the prefix of a peer channel but not its form.
    #[error(
        "a peer channel is named peer-<base>:<user>&<user>, with distinct users sorted by code point"
    )]
    Peer,
    /// `personal-` without a valid user id.
    #[error(
        "a personal channel is named personal-<user_id>, with a user id of 1 to 128 characters"
    )]
    Personal,
    /// `#server-to-user-` without a valid user id.
    #[error(
        "a user's channel is named #server-to-user-<user_id>, with a user id of 1 to 128 characters"
    )]
    User,
    /// The name has a character that Pusher does not allow.
    #[error("a channel name may contain only letters, digits and _ - = @ , . ;")]
    Pusher,
    /// The event name is reserved for the protocol.
    #[error(
        "event names beginning with pusher: or pusher_internal: are reserved for the protocol: use another"
    )]
    Reserved,
}

/// Checks an event name: 1 to `max_chars` characters (0: no limit), no control character, not reserved for the protocol.
///
/// # Errors
/// See [`NameError`].
pub fn check_event_name(name: &str, max_chars: usize) -> Result<(), NameError> {
    check_text(name, "event", max_chars)?;
    if name.starts_with("pusher:") || name.starts_with("pusher_internal:") {
        return Err(NameError::Reserved);
    }
    Ok(())
}

pub(super) fn check_text(
    text: &str,
    what: &'static str,
    max_chars: usize,
) -> Result<(), NameError> {
    // A character has at most four bytes, so most names need no counting.
    if max_chars != 0 && text.len() > max_chars && text.chars().count() > max_chars {
        return Err(NameError::TooLong {
            what,
            max: max_chars,
            unit: "characters",
        });
    }
    check_printable(text, what)
}

pub(super) fn check_printable(text: &str, what: &'static str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what });
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::Control { what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_events_are_reserved() {
        assert_eq!(check_event_name("pusher:x", 200), Err(NameError::Reserved));
        assert_eq!(
            check_event_name("pusher_internal:x", 200),
            Err(NameError::Reserved)
        );
        assert_eq!(check_event_name("pusher", 200), Ok(()));
    }
}
