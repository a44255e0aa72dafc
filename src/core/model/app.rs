//! An app: a tenant of the server, with its own channels, users and credentials.

use std::fmt;
use std::sync::Arc;

use super::secret::Secret;
use super::settings::AppSettings;
use super::time::Timestamp;

/// An app's public identifier: 1 to 64 of `A-Z a-z 0-9 _ -`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppIdent(Arc<str>);

/// An identifier, key or secret that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} must be 1 to 64 of A-Z a-z 0-9 _ -")]
pub struct IdentError(pub &'static str);

impl AppIdent {
    /// Parses an identifier.
    pub fn parse(text: &str) -> Result<Self, IdentError> {
        check_token(text, "ident").map(|()| Self(text.into()))
    }

    /// An identifier that was checked before (a store, another node).
    pub fn trusted(text: &str) -> Self {
        Self(text.into())
    }

    /// The identifier's text.
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

fn check_token(text: &str, what: &'static str) -> Result<(), IdentError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) {
        return Err(IdentError(what));
    }
    Ok(())
}

/// Credentials for the push services that the original knows; stored and answered, delivering is later work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushCredentials {
    /// Apple's sandbox instead of its production service.
    pub apn_sandbox: bool,
    /// Apple private key, PEM.
    pub apn_key: Option<Secret>,
    /// Apple certificate, PEM.
    pub apn_cer: Option<Secret>,
    /// Web Push private key (RFC 8292).
    pub vapid_key: Option<Secret>,
    /// Web Push contact address.
    pub vapid_email: Option<String>,
    /// Where e-mail leaves; may hold a password.
    pub smtp_url: Option<Secret>,
}

/// A tenant of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// A number unique in the store.
    pub id: u64,
    /// Public identifier; also the `instance` of everything that belongs to the app.
    pub ident: AppIdent,
    /// For people.
    pub name: String,
    /// For people, longer.
    pub description: Option<String>,
    /// The public key that clients connect with; unique.
    pub key: String,
    /// Signs subscriptions and logs in.
    pub secret: Secret,
    /// The secret before the last rotation, still valid until it is dropped.
    pub previous_secret: Option<Secret>,
    /// For the push services.
    pub push: PushCredentials,
    /// What can be set.
    pub settings: AppSettings,
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
}

impl App {
    /// The secrets that are valid now, the current one first.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.secret).chain(&self.previous_secret)
    }
}

/// An app that is to be created; what is `None` is made up.
#[derive(Debug, Clone, Default)]
pub struct NewApp {
    /// For people; must not be empty.
    pub name: String,
    /// For people, longer.
    pub description: Option<String>,
    /// The public identifier.
    pub ident: Option<AppIdent>,
    /// The public key.
    pub key: Option<String>,
    /// The secret.
    pub secret: Option<Secret>,
    /// For the push services.
    pub push: PushCredentials,
    /// What can be set.
    pub settings: AppSettings,
}

impl NewApp {
    /// Checks a key or secret that somebody chose: `what` names it in the error.
    pub fn check_credential(text: &str, what: &'static str) -> Result<(), IdentError> {
        check_token(text, what)
    }
}
