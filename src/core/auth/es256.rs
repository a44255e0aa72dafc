//! Keys of the curve P-256, and tokens signed with them (JWT, ES256).

use data_encoding::BASE64URL_NOPAD;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};

use super::RandomError;
use crate::core::model::P256Key;

/// A new random key.
///
/// # Errors
/// The operating system provided no random numbers.
pub fn new_p256_key() -> Result<P256Key, RandomError> {
    let mut bytes = [0; 32];
    loop {
        getrandom::fill(&mut bytes)?;
        // One of 2^32 numbers is no key.
        if let Some(key) = P256Key::from_bytes(&bytes) {
            return Ok(key);
        }
    }
}

/// A JSON Web Token with this header, whose `alg` must be `ES256`, and these claims, both JSON.
pub fn signed_token(key: &P256Key, header: &str, claims: &str) -> String {
    let part = |json: &str| BASE64URL_NOPAD.encode(json.as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature: Signature = SigningKey::from(key.secret_key()).sign(signed.as_bytes());
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes()))
}

#[cfg(test)]
mod tests {
    use p256::PublicKey;
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier;

    use super::*;

    #[test]
    fn a_token_is_verified_with_the_public_key() {
        let key = new_p256_key().unwrap();
        let token = signed_token(&key, r#"{"alg":"ES256"}"#, r#"{"sub":"x"}"#);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let public = PublicKey::from_sec1_bytes(&decode(&key.public_base64url())).unwrap();
        let signature = Signature::from_slice(&decode(signature)).unwrap();
        VerifyingKey::from(public)
            .verify(signed.as_bytes(), &signature)
            .unwrap();
        let parts: Vec<_> = signed.split('.').map(decode).collect();
        assert_eq!(parts, [&br#"{"alg":"ES256"}"#[..], br#"{"sub":"x"}"#]);
        assert_ne!(key, new_p256_key().unwrap());
    }
}
