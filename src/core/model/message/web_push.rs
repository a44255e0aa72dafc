//! Messages to browsers (RFC 8030, 8291, 8292).

use bytes::Bytes;
use p256::PublicKey;

use crate::core::model::p256_key::{P256Key, decode_base64url};
use crate::core::model::secret::Secret;
use crate::core::model::time::Timestamp;

/// A message to a browser.
#[derive(Debug, Clone)]
pub struct WebPushMessage {
    /// The address that the browser's push service gave it.
    pub endpoint: Secret,
    /// The keys that the payload is encrypted for.
    pub keys: BrowserKeys,
    /// The payload, at most [`WebPushMessage::MAX_PAYLOAD`] bytes.
    pub payload: Bytes,
    /// Seconds for which the push service keeps the message.
    pub ttl: u32,
    /// How soon the browser should get it; `None`: the push service's default.
    pub urgency: Option<Urgency>,
    /// Replaces a waiting message with the same topic.
    pub topic: Option<PushTopic>,
    /// The sender's identity.
    pub vapid: Vapid,
    /// The time of the attempt.
    pub at: Timestamp,
}

impl WebPushMessage {
    /// The most bytes of a payload: of the 4,096 that push services accept (RFC 8030, 7.2), the header of the encryption takes 86,
    /// its tag 16 and the padding delimiter one.
    pub const MAX_PAYLOAD: usize = 3993;
}

/// What a browser is sent, and how its push service handles it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushContent {
    /// The payload, at most [`WebPushMessage::MAX_PAYLOAD`] bytes.
    pub payload: Bytes,
    /// Seconds for which the push service keeps the message; `None`: the server's default.
    pub ttl: Option<u32>,
    /// How soon the browser should get it.
    pub urgency: Option<Urgency>,
    /// Replaces a waiting message with the same topic.
    pub topic: Option<PushTopic>,
}

/// The keys of a browser's subscription.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserKeys {
    /// The public key, `p256dh`.
    pub public: PublicKey,
    /// The authentication secret, `auth`.
    pub auth: [u8; 16],
}

/// A key of a browser's subscription that is none; the text continues the member's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrowserKeysError {
    /// Not base64url of 65 bytes, or no point of the curve.
    #[error("p256dh must be base64url of a point of the curve P-256, uncompressed (65 bytes)")]
    PublicKey,
    /// Not base64url of 16 bytes.
    #[error("auth must be base64url of 16 bytes")]
    Auth,
}

impl BrowserKeys {
    /// Parses `p256dh` and `auth` of a browser's subscription.
    ///
    /// # Errors
    /// The first one that is no key.
    pub fn parse(p256dh: &str, auth: &str) -> Result<Self, BrowserKeysError> {
        let public = decode_base64url(p256dh)
            .filter(|bytes| bytes.len() == 65)
            .and_then(|bytes| PublicKey::from_sec1_bytes(&bytes).ok())
            .ok_or(BrowserKeysError::PublicKey)?;
        let auth = decode_base64url(auth)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(BrowserKeysError::Auth)?;
        Ok(Self { public, auth })
    }
}

impl std::fmt::Debug for BrowserKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BrowserKeys(…)")
    }
}

/// How soon a browser should get a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// On power and Wi-Fi.
    VeryLow,
    /// On either.
    Low,
    /// The default.
    Normal,
    /// Also at a low battery.
    High,
}

impl Urgency {
    /// All urgencies with their names.
    pub const NAMES: [(Self, &'static str); 4] = [
        (Self::VeryLow, "very-low"),
        (Self::Low, "low"),
        (Self::Normal, "normal"),
        (Self::High, "high"),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(urgency, _)| *urgency == self)
            .map_or("", |(_, name)| name)
    }

    /// From the name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(urgency, _)| *urgency)
    }
}

/// A topic: 1 to 32 of `A-Z a-z 0-9 _ -`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushTopic(Box<str>);

impl PushTopic {
    /// Parses a topic; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let fits = (1..=32).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| Self(text.into()))
    }

    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The identity that an app has for push services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vapid {
    /// The key that signs; browsers subscribe with its public part.
    pub key: P256Key,
    /// The contact of the operator: a `mailto:` or `https:` address.
    contact: String,
}

/// A contact that push services do not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address, or a mailto: or https: address")]
pub struct VapidContactError;

impl Vapid {
    /// An identity; a contact without a scheme is an e-mail address.
    ///
    /// # Errors
    /// The contact is none.
    pub fn new(key: P256Key, contact: &str) -> Result<Self, VapidContactError> {
        let contact = Self::parse_contact(contact)?;
        Ok(Self { key, contact })
    }

    /// The contact with its scheme.
    pub fn contact(&self) -> &str {
        &self.contact
    }

    /// Parses a contact, and puts `mailto:` in front of one without a scheme.
    ///
    /// # Errors
    /// It is none.
    pub fn parse_contact(text: &str) -> Result<String, VapidContactError> {
        let text = text.trim();
        let plain = text.len() <= 500 && text.bytes().all(|byte| byte.is_ascii_graphic());
        let mail = |address: &str| {
            address
                .rsplit_once('@')
                .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty())
        };
        match text.split_once(':') {
            _ if !plain => Err(VapidContactError),
            None if mail(text) => Ok(format!("mailto:{text}")),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("mailto") && mail(rest) => {
                Ok(format!("mailto:{rest}"))
            }
            Some((scheme, rest))
                if scheme.eq_ignore_ascii_case("https")
                    && rest.strip_prefix("//").is_some_and(|host| {
                        host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
                    }) =>
            {
                Ok(format!("https:{rest}"))
            }
            _ => Err(VapidContactError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From RFC 8291, appendix A.
    const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn keys_of_a_browser_are_a_point_and_16_bytes() {
        assert!(BrowserKeys::parse(P256DH, AUTH).is_ok());
        assert!(BrowserKeys::parse(&format!("{P256DH}="), &format!("{AUTH}==")).is_ok());
        let off_curve = P256DH.replace("Aiw4", "Aiw8");
        for bad in ["", "x", "BCVx", &off_curve, &P256DH[..86], "AAAA\n", "é"] {
            assert_eq!(
                BrowserKeys::parse(bad, AUTH),
                Err(BrowserKeysError::PublicKey),
                "{bad}"
            );
        }
        for bad in ["", "BTBZ", "BTBZMqHH6r4Tts7J_aSIggAA", "?"] {
            assert_eq!(BrowserKeys::parse(P256DH, bad), Err(BrowserKeysError::Auth));
        }
        let shown = format!("{:?}", BrowserKeys::parse(P256DH, AUTH));
        assert_eq!(shown, "Ok(BrowserKeys(…))");
    }

    #[test]
    fn a_contact_has_a_scheme() {
        for (text, expected) in [
            ("ann@shop.example", "mailto:ann@shop.example"),
            (" ann@shop.example ", "mailto:ann@shop.example"),
            ("mailto:ann@shop.example", "mailto:ann@shop.example"),
            ("MAILTO:ann@shop.example", "mailto:ann@shop.example"),
            (
                "https://shop.example/contact",
                "https://shop.example/contact",
            ),
        ] {
            assert_eq!(Vapid::parse_contact(text).as_deref(), Ok(expected));
        }
        for bad in [
            "",
            "ann",
            "@shop.example",
            "ann@",
            "mailto:ann",
            "http://shop.example",
            "https:shop.example",
            "https://",
            "ann@shop.example\nx: y",
            "tel:1",
        ] {
            assert!(Vapid::parse_contact(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_topic_is_short_and_plain() {
        assert!(PushTopic::parse("a_B-9").is_some() && PushTopic::parse(&"x".repeat(32)).is_some());
        for bad in ["", "a b", "a/b", &"x".repeat(33)] {
            assert!(PushTopic::parse(bad).is_none());
        }
        assert_eq!(Urgency::parse("very-low"), Some(Urgency::VeryLow));
        assert_eq!(Urgency::parse("urgent"), None);
    }
}
