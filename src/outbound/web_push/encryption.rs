//! Encryption of a payload for a browser (RFC 8291), one record of `aes128gcm` (RFC 8188).

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes128Gcm, Key, Nonce};
use hkdf::Hkdf;
use p256::SecretKey;
use sha2::Sha256;

use crate::core::model::BrowserKeys;

/// The record size in the header; the whole body is no longer.
const RECORD: u32 = 4096;

/// The delimiter after the payload of the last record.
const LAST_RECORD: u8 = 2;

/// The payload was not encrypted: it is too long.
#[derive(Debug, thiserror::Error)]
#[error("the payload cannot be encrypted")]
pub(super) struct EncryptionError;

/// Encrypts a payload with a key of its own and a salt, both random.
pub(super) fn encrypt(
    keys: &BrowserKeys,
    payload: &[u8],
    own: &SecretKey,
    salt: [u8; 16],
) -> Result<Vec<u8>, EncryptionError> {
    let shared = own.diffie_hellman(&keys.public);
    let (browser, sender) = (
        keys.public.to_sec1_bytes(),
        own.public_key().to_sec1_bytes(),
    );
    let info = [b"WebPush: info\0", &*browser, &*sender].concat();
    let mut input = [0; 32];
    expand(&keys.auth, shared.raw_secret_bytes(), &info, &mut input)?;
    let (mut key, mut nonce) = (Key::<Aes128Gcm>::default(), Nonce::default());
    expand(&salt, &input, b"Content-Encoding: aes128gcm\0", &mut key)?;
    expand(&salt, &input, b"Content-Encoding: nonce\0", &mut nonce)?;
    let record = [payload, &[LAST_RECORD]].concat();
    let sealed = Aes128Gcm::new(&key)
        .encrypt(&nonce, &*record)
        .map_err(|_| EncryptionError)?;
    let key_length = u8::try_from(sender.len()).map_err(|_| EncryptionError)?;
    let mut body = Vec::with_capacity(RECORD as usize);
    body.extend_from_slice(&salt);
    body.extend_from_slice(&RECORD.to_be_bytes());
    body.push(key_length);
    body.extend_from_slice(&sender);
    body.extend_from_slice(&sealed);
    if body.len() > RECORD as usize {
        return Err(EncryptionError);
    }
    Ok(body)
}

fn expand(
    salt: &[u8],
    input: &[u8],
    info: &[u8],
    output: &mut [u8],
) -> Result<(), EncryptionError> {
    Hkdf::<Sha256>::new(Some(salt), input)
        .expand(info, output)
        .map_err(|_| EncryptionError)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;
    use crate::core::model::WebPushMessage;

    fn decode(text: &str) -> Vec<u8> {
        BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
    }

    fn rfc(payload: &[u8]) -> Result<Vec<u8>, EncryptionError> {
        let keys = BrowserKeys::parse(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "BTBZMqHH6r4Tts7J_aSIgg",
        );
        let own = SecretKey::from_slice(&decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"));
        let salt = decode("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        encrypt(&keys.unwrap(), payload, &own.unwrap(), salt)
    }

    /// RFC 8291, section 5 and appendix A.
    #[test]
    fn the_example_of_the_standard_is_encrypted_as_there() {
        let body = rfc(b"When I grow up, I want to be a watermelon").unwrap();
        assert_eq!(
            BASE64URL_NOPAD.encode(&body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn the_largest_payload_fills_the_record() {
        let largest = [b'x'; WebPushMessage::MAX_PAYLOAD];
        assert_eq!(rfc(&largest).unwrap().len(), 4096);
        assert!(rfc(&[b'x'; WebPushMessage::MAX_PAYLOAD + 1]).is_err());
        assert!(rfc(b"").is_ok());
    }
}
