//! E-mails.

use crate::core::model::secret::Secret;
use crate::core::model::time::Timestamp;

/// An e-mail to one address.
#[derive(Debug, Clone)]
pub struct EmailMessage {
    /// The server that takes it.
    pub server: MailServer,
    /// The recipient's address.
    pub to: Secret,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// An address that ends the recipient's registration with one `POST` (RFC 8058).
    pub unsubscribe: Option<Secret>,
    /// The local part of `Message-ID`, the same in every attempt.
    pub id: String,
    /// The time of the message, for `Date`.
    pub at: Timestamp,
}

/// A mail server and the account to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// The host name or IP address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// The account.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The address that mails come from.
    pub sender: String,
    /// Whether the operator has chosen it, who may choose private addresses.
    pub is_trusted: bool,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailTls {
    /// Not at all.
    None,
    /// After a greeting in plain text.
    StartTls,
    /// From the first byte.
    Implicit,
}
