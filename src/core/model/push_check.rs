//! What credentials of push services must be to be of use.

use data_encoding::BASE64;

use super::app::PushCredentials;
use super::p256_key::P256Key;

/// A credential that cannot be used; the text continues a member's name and shows no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushCheckError {
    /// No private key in PEM.
    #[error(
        "must be a private key in PEM: the .p8 file of a key for tokens, or the key of the certificate, not encrypted"
    )]
    Key,
    /// A key of elliptic curves that Apple does not use.
    #[error("must be a key of the curve P-256 (prime256v1) or an RSA key")]
    Curve,
    /// No certificate in PEM.
    #[error("must be a certificate in PEM")]
    Certificate,
    /// No identifier.
    #[error("must be 1 to 64 letters and digits, such as ABC123DEFG")]
    Identifier,
    /// No topic.
    #[error(
        "must be 1 to 255 letters, digits, dots, hyphens and underscores, such as com.example.shop"
    )]
    Topic,
}

/// The object identifier of RSA keys (RFC 8017), in DER.
const RSA: [u8; 11] = [
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
];

impl PushCredentials {
    /// Checks a private key for Apple's push service.
    ///
    /// # Errors
    /// It is none.
    pub fn check_apn_key(text: &str) -> Result<(), PushCheckError> {
        let rsa = pem_block(text, "RSA PRIVATE KEY").is_some()
            || pem_block(text, "PRIVATE KEY").is_some_and(|key| is_rsa(&key));
        if rsa || (text.contains("-----BEGIN") && P256Key::parse(text).is_ok()) {
            return Ok(());
        }
        let elliptic = ["PRIVATE KEY", "EC PRIVATE KEY"]
            .iter()
            .any(|label| pem_block(text, label).is_some());
        Err(if elliptic {
            PushCheckError::Curve
        } else {
            PushCheckError::Key
        })
    }

    /// Checks a certificate for Apple's push service.
    ///
    /// # Errors
    /// It is none.
    pub fn check_apn_cer(text: &str) -> Result<(), PushCheckError> {
        /// How a certificate begins in DER.
        const SEQUENCE: u8 = 0x30;
        pem_block(text, "CERTIFICATE")
            .filter(|der| der.first() == Some(&SEQUENCE))
            .map(|_| ())
            .ok_or(PushCheckError::Certificate)
    }

    /// Checks the identifier of a key or a team.
    ///
    /// # Errors
    /// It is none.
    pub fn check_apn_identifier(text: &str) -> Result<(), PushCheckError> {
        let fits =
            (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then_some(()).ok_or(PushCheckError::Identifier)
    }

    /// Checks a topic.
    ///
    /// # Errors
    /// It is none.
    pub fn check_apn_topic(text: &str) -> Result<(), PushCheckError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        let fits = (1..=255).contains(&text.len()) && text.bytes().all(plain);
        fits.then_some(()).ok_or(PushCheckError::Topic)
    }
}

/// Whether a key in PKCS#8 is one of RSA: its algorithm is within the first bytes.
fn is_rsa(der: &[u8]) -> bool {
    let start = der.get(..32).unwrap_or(der);
    start.windows(RSA.len()).any(|part| part == RSA)
}

/// The first block with a label, decoded.
fn pem_block(text: &str, label: &str) -> Option<Vec<u8>> {
    let begin = format!("-----BEGIN {label}-----");
    let (_, rest) = text.split_once(&begin)?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let digits: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    BASE64
        .decode(digits.as_bytes())
        .ok()
        .filter(|der| !der.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::auth::new_p256_key;

    fn pem(label: &str, der: &[u8]) -> String {
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            BASE64.encode(der)
        )
    }

    #[test]
    fn a_key_is_rsa_or_of_the_curve() {
        let p8 = new_p256_key().unwrap().to_pem().unwrap();
        let rsa = [
            &[0x30, 0x82, 0x04, 0xbe, 2, 1, 0, 0x30, 0x0d][..],
            &RSA,
            &[5, 0],
        ]
        .concat();
        for text in [
            p8.expose(),
            &format!("Bag Attributes\n{}", pem("RSA PRIVATE KEY", b"0x")),
            &pem("PRIVATE KEY", &rsa),
        ] {
            assert_eq!(PushCredentials::check_apn_key(text), Ok(()), "{text}");
        }
        let other_curve = "-----BEGIN PRIVATE KEY-----\n\
            MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgYwAgLl2i9Xe4scMLJQDr\n\
            8cy5IvaJlKcZfjZHf/GyzNShRANCAASKytosJDjZj7ywHsg9GcbJmEJbwbGCDRej\n\
            eK/7fA2N+nj8Mjx7Gg68JXsVA31SGUBO98af4XTqoA1hg/4MI4DN\n\
            -----END PRIVATE KEY-----";
        for (text, expected) in [
            (other_curve, PushCheckError::Curve),
            ("key", PushCheckError::Key),
            (
                "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
                PushCheckError::Key,
            ),
            ("-----BEGIN PRIVATE KEY-----\nMIGE", PushCheckError::Key),
            (&pem("ENCRYPTED PRIVATE KEY", b"0x"), PushCheckError::Key),
            (&pem("CERTIFICATE", b"0x"), PushCheckError::Key),
        ] {
            assert_eq!(
                PushCredentials::check_apn_key(text),
                Err(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn certificates_identifiers_and_topics_have_their_forms() {
        assert_eq!(
            PushCredentials::check_apn_cer(&pem("CERTIFICATE", b"0x")),
            Ok(())
        );
        for text in ["cer", &pem("PRIVATE KEY", b"0x"), &pem("CERTIFICATE", b"x")] {
            assert!(PushCredentials::check_apn_cer(text).is_err(), "{text}");
        }
        assert_eq!(PushCredentials::check_apn_identifier("ABC123DEFG"), Ok(()));
        for text in ["", "ABC 123", "ABC\n", &"A".repeat(65)] {
            assert!(
                PushCredentials::check_apn_identifier(text).is_err(),
                "{text}"
            );
        }
        assert_eq!(
            PushCredentials::check_apn_topic("com.example.shop-1_a.voip"),
            Ok(())
        );
        for text in ["", "com.example\r\n", "com/example", &"a".repeat(256)] {
            assert!(PushCredentials::check_apn_topic(text).is_err(), "{text}");
        }
    }
}
