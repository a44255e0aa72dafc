//! Tokens of Apple devices.

/// The characters of a token. Apple's tokens have 32 bytes, and may become longer.
const CHARACTERS: std::ops::RangeInclusive<usize> = 64..=200;

/// The token by which Apple's push service knows an app on a device, in hexadecimal.
///
/// It becomes a part of a path, which it cannot leave.
pub struct DeviceToken;

/// A text that is no device token; the text continues a member's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a device token: an even number of {} to {} hexadecimal digits", CHARACTERS.start(), CHARACTERS.end())]
pub struct DeviceTokenError;

impl DeviceToken {
    /// Checks a token.
    ///
    /// # Errors
    /// The text is none.
    pub fn check(text: &str) -> Result<(), DeviceTokenError> {
        let fits = CHARACTERS.contains(&text.len())
            && text.len().is_multiple_of(2)
            && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then_some(()).ok_or(DeviceTokenError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_hexadecimal() {
        for text in ["0aF9".repeat(16), "0".repeat(200)] {
            assert_eq!(DeviceToken::check(&text), Ok(()));
        }
        for text in [
            "",
            "0aF9",
            &"0".repeat(65),
            &"0".repeat(202),
            &"g".repeat(64),
            &format!("{}/..", "0".repeat(63)),
            &format!(" {}", "0".repeat(63)),
        ] {
            assert_eq!(DeviceToken::check(text), Err(DeviceTokenError), "{text}");
        }
    }
}
