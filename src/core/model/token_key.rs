//! Public keys that verify the tokens of an app's users.

use std::fmt;

use p256::PublicKey;

/// The bits of an RSA key's modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The number of keys that an app may have.
pub const MAX_TOKEN_KEYS: usize = 16;

/// The number of characters that the identifier of a key may have.
pub const MAX_TOKEN_KEY_ID: usize = 200;

/// A public key that verifies tokens. Its type decides about the algorithm, whatever a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// The identifier by which a token selects it.
    pub id: Option<String>,
    /// The key itself.
    pub material: TokenKeyMaterial,
}

/// The key itself, by the algorithm that it is for.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenKeyMaterial {
    /// RS256: modulus and exponent, big-endian without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// ES256: the coordinates of a point of P-256.
    P256 {
        /// The first coordinate.
        x: [u8; 32],
        /// The second coordinate.
        y: [u8; 32],
    },
    /// EdDSA: a public key of Ed25519.
    Ed25519([u8; 32]),
}

/// Numbers that are no such key. The text continues the name of the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenKeyError {
    /// The modulus is too short, too long, or even.
    #[error(".n must be an odd number of 2048 to 8192 bits")]
    Modulus,
    /// The exponent cannot be one.
    #[error(".e must be an odd number from 3 to 8589934591, usually AQAB")]
    Exponent,
    /// A coordinate has a wrong length.
    #[error(".{0} must have 32 bytes")]
    Length(&'static str),
    /// The coordinates are no point of the curve.
    #[error(".x and .y must be a point of the curve P-256")]
    Point,
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|byte| byte & 1 == 1)
}

impl TokenKeyMaterial {
    /// An RSA key.
    ///
    /// # Errors
    /// The numbers are out of range.
    pub fn rsa(n: &[u8], e: &[u8]) -> Result<Self, TokenKeyError> {
        let (n, e) = (without_zeros(n), without_zeros(e));
        let unused = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        let bits = n.len().saturating_mul(8).saturating_sub(unused);
        if !RSA_BITS.contains(&bits) || !is_odd(n) {
            return Err(TokenKeyError::Modulus);
        }
        let number = e
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        if e.len() > 5 || !(3..1 << 33).contains(&number) || !is_odd(e) {
            return Err(TokenKeyError::Exponent);
        }
        Ok(Self::Rsa {
            n: n.to_vec(),
            e: e.to_vec(),
        })
    }

    /// A key of the curve P-256.
    ///
    /// # Errors
    /// The coordinates are no point of the curve.
    pub fn p256(x: &[u8], y: &[u8]) -> Result<Self, TokenKeyError> {
        let x: [u8; 32] = x.try_into().map_err(|_| TokenKeyError::Length("x"))?;
        let y: [u8; 32] = y.try_into().map_err(|_| TokenKeyError::Length("y"))?;
        let key = Self::P256 { x, y };
        PublicKey::from_sec1_bytes(&key.point()).map_err(|_| TokenKeyError::Point)?;
        Ok(key)
    }

    /// A key of the curve Ed25519.
    ///
    /// # Errors
    /// It does not have 32 bytes.
    pub fn ed25519(x: &[u8]) -> Result<Self, TokenKeyError> {
        let x = x.try_into().map_err(|_| TokenKeyError::Length("x"))?;
        Ok(Self::Ed25519(x))
    }

    /// The name of the algorithm that the key is for (RFC 7518, RFC 8037).
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RS256",
            Self::P256 { .. } => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    /// The uncompressed point of a key of P-256; of another key, nothing.
    pub(crate) fn point(&self) -> Vec<u8> {
        match self {
            Self::P256 { x, y } => [&[4], &x[..], &y[..]].concat(),
            _ => Vec::new(),
        }
    }
}

impl fmt::Debug for TokenKeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_no_key_are_refused() {
        let modulus = |bytes: usize| [vec![0xc1], vec![1; bytes - 1]].concat();
        let e = [1, 0, 1];
        assert!(TokenKeyMaterial::rsa(&modulus(256), &e).is_ok());
        assert!(TokenKeyMaterial::rsa(&modulus(1024), &e).is_ok());
        let padded = [vec![0; 9], modulus(256)].concat();
        assert_eq!(
            TokenKeyMaterial::rsa(&padded, &e),
            TokenKeyMaterial::rsa(&modulus(256), &e)
        );
        let even = [modulus(256), vec![2]].concat();
        for n in [
            vec![],
            vec![0; 300],
            modulus(255),
            modulus(1025),
            even,
            [vec![0x41], vec![1; 255]].concat(),
        ] {
            let key = TokenKeyMaterial::rsa(&n, &e);
            assert_eq!(key, Err(TokenKeyError::Modulus), "{} bytes", n.len());
        }
        for e in [
            &[][..],
            &[0],
            &[1],
            &[1, 0, 0],
            &[2, 0, 0, 0, 1],
            &[1, 0, 0, 0, 0, 1],
        ] {
            let key = TokenKeyMaterial::rsa(&modulus(256), e);
            assert_eq!(key, Err(TokenKeyError::Exponent), "{e:?}");
        }
        let short = TokenKeyMaterial::p256(&[1; 31], &[1; 32]);
        assert_eq!(short, Err(TokenKeyError::Length("x")));
        let beside = TokenKeyMaterial::p256(&[1; 32], &[1; 32]);
        assert_eq!(beside, Err(TokenKeyError::Point));
        let long = TokenKeyMaterial::ed25519(&[1; 33]);
        assert_eq!(long, Err(TokenKeyError::Length("x")));
    }
}
