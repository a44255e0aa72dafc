//! The content of messages.

use crate::core::model::{
    ApnContent, ApnHeaderError, BrowserKeys, BrowserKeysError, DigestContent, MailContent,
    WebContent,
};

/// Makes the content of messages from JSON. `event` is the JSON object of an event as subscribers receive it, with all members of
/// the publish.
pub trait MessageFormat: Send + Sync {
    /// The e-mail about an event: its members `subject`, `body` and `html`, and defaults with its channel, name and data.
    fn event_mail(&self, event: &str) -> MailContent;

    /// The e-mail about several events, at least one: as many of the first ones as fit into [`DigestContent::MAX_BYTES`].
    fn digest_mail(&self, events: &[&str]) -> DigestContent;

    /// The message to Apple devices about an event: its member `apn`, else `push`, else `data`.
    ///
    /// # Errors
    /// A header of the member `headers` is not one of Apple's.
    fn event_apn(&self, event: &str) -> Result<ApnContent, ApnHeaderError>;

    /// What a web hook is sent as a direct message: the members `method`, `headers` (a list of pairs) and `body`. `None`: the text has
    /// another form.
    fn direct_web(&self, message: &str) -> Option<WebContent>;

    /// A direct e-mail: the members `subject`, `body` and `html`.
    fn direct_mail(&self, message: &str) -> MailContent;

    /// The keys of the browser for a direct message: the members `p256dh` and `auth`.
    ///
    /// # Errors
    /// They are none.
    fn direct_keys(&self, message: &str) -> Result<BrowserKeys, BrowserKeysError>;

    /// The message to Apple devices of a JSON value: an object with `aps` as it is, any other value as the alert.
    ///
    /// # Errors
    /// A header of the member `headers` is not one of Apple's.
    fn apn(&self, message: &str) -> Result<ApnContent, ApnHeaderError>;
}
