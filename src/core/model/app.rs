//! An app: a tenant of the server, with its own channels, users and credentials.

use std::fmt;
use std::sync::Arc;

use super::secret::Secret;
use super::settings::AppSettings;
use super::time::Timestamp;

/// An app's public identifier: 1 to 64 of `A-Z a-z 0-9 _ -`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppIdent(Arc<str>);

/// An identifier with invalid characters or length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ident must be 1 to 64 of A-Z a-z 0-9 _ -")]
pub struct IdentError;

/// A key or secret that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Invalid characters or length; with what it is.
    #[error("{0} must be 1 to 256 printable ASCII characters without spaces")]
    Characters(&'static str),
    /// A key that URLs cannot carry, percent-encoded or not.
    #[error("key must not be . or .., because addresses that end with it lose it")]
    Dots,
}

impl AppIdent {
    /// Parses an identifier.
    ///
    /// # Errors
    /// Fails where the text is not an identifier.
    pub fn parse(text: &str) -> Result<Self, IdentError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) {
            return Err(IdentError);
        }
        Ok(Self(text.into()))
    }

    /// An identifier that was checked before (by a store, another node).
    pub fn trusted(text: &str) -> Self {
        Self(text.into())
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppIdent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for AppIdent {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The largest length of a key or secret in bytes.
const MAX_CREDENTIAL: usize = 256;

/// All printable characters, so that the credentials of other servers can be used: base64, hex, words
/// with dots and colons. Clients percent-encode a key in addresses.
fn check_credential(text: &str, what: &'static str) -> Result<(), CredentialError> {
    if text.is_empty() || text.len() > MAX_CREDENTIAL || !text.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(CredentialError::Characters(what));
    }
    Ok(())
}

/// Credentials of push services and of the mail server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushCredentials {
    /// Apple's sandbox instead of its production service.
    pub apn_sandbox: bool,
    /// Apple private key, PEM: of the certificate, or one that signs tokens.
    pub apn_key: Option<Secret>,
    /// Apple certificate, PEM.
    pub apn_cer: Option<Secret>,
    /// The identifier of a key that signs tokens.
    pub apn_key_id: Option<String>,
    /// The identifier of its team.
    pub apn_team_id: Option<String>,
    /// The default topic of messages, the bundle id.
    pub apn_topic: Option<String>,
    /// Web Push private key (RFC 8292).
    pub vapid_key: Option<Secret>,
    /// Web Push contact address.
    pub vapid_email: Option<String>,
    /// The mail server; may contain a password.
    pub smtp_url: Option<Secret>,
}

/// A tenant of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// A number that is unique in the store.
    pub id: u64,
    /// The public identifier; also the `instance` of all data of the app.
    pub ident: AppIdent,
    /// A display name.
    pub name: String,
    /// A longer description.
    pub description: Option<String>,
    /// The public key that clients connect with; unique.
    pub key: String,
    /// Signs subscriptions and requests, and logs in.
    pub secret: Secret,
    /// The secret before the last rotation, valid until it is removed.
    pub previous_secret: Option<Secret>,
    /// Credentials of push services.
    pub push: PushCredentials,
    /// The app's settings.
    pub settings: AppSettings,
    /// The time of creation.
    pub created: Timestamp,
    /// The time of the last change.
    pub modified: Timestamp,
}

impl App {
    /// The valid secrets, the current one first.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.secret).chain(&self.previous_secret)
    }
}

#[cfg(any(test, feature = "fuzzing"))]
impl App {
    /// An app with default settings and without credentials of push services.
    pub(crate) fn sample(ident: &str) -> Self {
        Self {
            id: 1,
            ident: AppIdent::trusted(ident),
            name: "app".to_owned(),
            description: None,
            key: "key".to_owned(),
            secret: Secret::new("secret"),
            previous_secret: None,
            push: PushCredentials::default(),
            settings: AppSettings::default(),
            created: Timestamp::default(),
            modified: Timestamp::default(),
        }
    }
}

/// A request to create an app; an identifier, key or secret that is `None` is generated.
#[derive(Debug, Clone, Default)]
pub struct NewApp {
    /// A display name; must not be empty.
    pub name: String,
    /// A longer description.
    pub description: Option<String>,
    /// The public identifier; `None`: generated.
    pub ident: Option<AppIdent>,
    /// The public key; `None`: generated.
    pub key: Option<String>,
    /// The secret; `None`: generated.
    pub secret: Option<Secret>,
    /// Credentials of push services.
    pub push: PushCredentials,
    /// The app's settings.
    pub settings: AppSettings,
}

impl NewApp {
    /// Checks a given key.
    ///
    /// # Errors
    /// Fails where the text has invalid characters or length, or no URL can carry it.
    pub fn check_key(text: &str) -> Result<(), CredentialError> {
        check_credential(text, "key")?;
        // Clients remove such segments from paths, also where they are percent-encoded (RFC 3986).
        if matches!(text, "." | "..") {
            return Err(CredentialError::Dots);
        }
        Ok(())
    }

    /// Checks a given secret.
    ///
    /// # Errors
    /// Fails where the text has invalid characters or length.
    pub fn check_secret(text: &str) -> Result<(), CredentialError> {
        check_credential(text, "secret")
    }
}
