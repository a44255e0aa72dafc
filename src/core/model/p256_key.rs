//! Private keys of the curve P-256, which Web Push and Apple's push service use.

use std::fmt;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use p256::SecretKey;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};

use super::secret::Secret;

/// A private key; `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct P256Key(SecretKey);

/// A text that is no such key. The text continues the name of what holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a private key of the curve P-256 (prime256v1): PEM (PKCS#8 or SEC1), or base64url of its 32 bytes"
)]
pub struct P256KeyError;

/// The lines before and after a SEC1 key, which OpenSSL writes behind a block with its parameters.
const SEC1: (&str, &str) = (
    "-----BEGIN EC PRIVATE KEY-----",
    "-----END EC PRIVATE KEY-----",
);

impl P256Key {
    /// Parses a key in PEM (PKCS#8 or SEC1), or base64url of its 32 bytes.
    ///
    /// # Errors
    /// The text is no key of this curve.
    pub fn parse(text: &str) -> Result<Self, P256KeyError> {
        let text = text.trim();
        let sec1 = text.find(SEC1.0).and_then(|begin| {
            let block = text.get(begin..)?;
            block.get(..block.find(SEC1.1)? + SEC1.1.len())
        });
        let key = if let Some(block) = sec1 {
            SecretKey::from_sec1_pem(block).ok()
        } else if text.starts_with("-----BEGIN") {
            SecretKey::from_pkcs8_pem(text).ok()
        } else {
            decode_base64url(text)
                .filter(|bytes| bytes.len() == 32)
                .and_then(|bytes| SecretKey::from_slice(&bytes).ok())
        };
        key.map(Self).ok_or(P256KeyError)
    }

    /// From its 32 bytes; `None`: not every number is a key.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        SecretKey::from_slice(bytes).ok().map(Self)
    }

    /// The key in PEM (PKCS#8); `None`: it cannot be encoded.
    pub fn to_pem(&self) -> Option<Secret> {
        let pem = self.0.to_pkcs8_pem(LineEnding::LF).ok()?;
        Some(Secret::new(pem.as_str()))
    }

    /// The public key in the form that browsers take: base64url of the uncompressed point, 65 bytes, without padding.
    pub fn public_base64url(&self) -> String {
        BASE64URL_NOPAD.encode(&self.0.public_key().to_sec1_bytes())
    }

    /// The key as the cryptography takes it.
    pub(crate) fn secret_key(&self) -> &SecretKey {
        &self.0
    }
}

impl fmt::Debug for P256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P256Key(…)")
    }
}

/// Decodes base64url or base64, with padding or without; `None` for any other text.
pub(crate) fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').as_bytes();
    BASE64URL_NOPAD
        .decode(text)
        .or_else(|_| BASE64_NOPAD.decode(text))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From RFC 8291, appendix A.
    const RAW: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
    const PUBLIC: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

    /// What OpenSSL writes before a SEC1 key.
    const PARAMETERS: &str =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";

    /// A key of secp256k1.
    const OTHER_CURVE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgYwAgLl2i9Xe4scMLJQDr\n\
        8cy5IvaJlKcZfjZHf/GyzNShRANCAASKytosJDjZj7ywHsg9GcbJmEJbwbGCDRej\n\
        eK/7fA2N+nj8Mjx7Gg68JXsVA31SGUBO98af4XTqoA1hg/4MI4DN\n\
        -----END PRIVATE KEY-----";

    #[test]
    fn every_form_of_a_key_is_the_same_key() {
        let key = P256Key::parse(RAW).unwrap();
        let sec1 = key.0.to_sec1_pem(LineEnding::LF).unwrap();
        let pkcs8 = key.to_pem().unwrap();
        assert!(pkcs8.expose().starts_with("-----BEGIN PRIVATE KEY-----"));
        for text in [
            sec1.as_str(),
            &format!("{PARAMETERS}{}", sec1.as_str()),
            &sec1.replace('\n', "\r\n"),
            pkcs8.expose(),
            &format!("\n{RAW}=\n"),
        ] {
            let parsed = P256Key::parse(text).unwrap();
            assert_eq!(parsed.public_base64url(), PUBLIC);
            assert_eq!(parsed, key);
        }
    }

    #[test]
    fn other_keys_and_texts_are_none() {
        let zero = BASE64URL_NOPAD.encode(&[0; 32]);
        let order = BASE64URL_NOPAD.encode(&[0xff; 32]);
        for text in [
            "",
            "key",
            OTHER_CURVE,
            &zero,
            &order,
            "-----BEGIN PRIVATE KEY-----\nMIGH",
            "-----BEGIN EC PRIVATE KEY-----",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        ] {
            assert_eq!(P256Key::parse(text), Err(P256KeyError), "{text}");
        }
    }

    #[test]
    fn debug_hides_a_key() {
        let shown = format!("{:?}", P256Key::parse(RAW));
        assert_eq!(shown, "Ok(P256Key(…))");
    }
}
