//! The keys that may have signed a token.

use jsonwebtoken::{Algorithm, DecodingKey};

use crate::core::auth::TokenError;
use crate::core::model::{App, TokenKeyMaterial};

/// The keys of an app for an algorithm: its secrets, or those public keys that are of the algorithm's type and have the token's
/// `kid`, if it has one. So no public key is ever used as a secret.
pub(super) fn candidates(
    app: &App,
    algorithm: Algorithm,
    kid: Option<&str>,
) -> Result<Vec<DecodingKey>, TokenError> {
    let name = match algorithm {
        Algorithm::HS256 => {
            let keys = app
                .secrets()
                .filter_map(|secret| DecodingKey::from_secret(secret.expose().as_bytes()).ok());
            return Ok(keys.collect());
        }
        Algorithm::RS256 => "RS256",
        Algorithm::ES256 => "ES256",
        Algorithm::EdDSA => "EdDSA",
        _ => return Err(TokenError::Algorithm),
    };
    let keys = app.settings.token_keys.iter().filter(|key| {
        key.material.algorithm() == name && (kid.is_none() || kid == key.id.as_deref())
    });
    Ok(keys.map(|key| decoding_key(&key.material)).collect())
}

fn decoding_key(material: &TokenKeyMaterial) -> DecodingKey {
    match material {
        TokenKeyMaterial::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
        TokenKeyMaterial::P256 { .. } => DecodingKey::from_ec_der(&material.point()),
        TokenKeyMaterial::Ed25519(x) => DecodingKey::from_ed_der(x),
    }
}
