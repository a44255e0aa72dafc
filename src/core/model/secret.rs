//! Secret texts.

use std::fmt;

use subtle::ConstantTimeEq;

/// A secret text: `Debug` hides it, and comparisons take constant time.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// The number of characters below which a secret can be guessed.
    pub const SHORT: usize = 16;

    /// Whether it can be guessed.
    pub fn is_short(&self) -> bool {
        self.0.chars().count() < Self::SHORT
    }

    /// Wraps a secret text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for signing and for the responses that contain it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `other` is this secret, in constant time for equal lengths.
    pub fn matches(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

impl Eq for Secret {}
