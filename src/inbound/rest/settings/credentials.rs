//! Checks of the credentials of push services and of the mail server.

use std::fmt::Display;

use crate::core::model::{MailAccount, P256Key, PushCredentials, Vapid};

fn named<T>(checked: Result<T, impl Display>) -> Result<(), String> {
    checked.map(drop).map_err(|error| format!(" {error}"))
}

/// Any text.
pub(super) fn any(_: &str) -> Result<(), String> {
    Ok(())
}

/// A private key for Apple's push service.
pub(super) fn apn_key(text: &str) -> Result<(), String> {
    named(PushCredentials::check_apn_key(text))
}

/// A certificate for Apple's push service.
pub(super) fn apn_cer(text: &str) -> Result<(), String> {
    named(PushCredentials::check_apn_cer(text))
}

/// The identifier of a key or a team.
pub(super) fn apn_identifier(text: &str) -> Result<(), String> {
    named(PushCredentials::check_apn_identifier(text))
}

/// The topic of messages to Apple devices.
pub(super) fn apn_topic(text: &str) -> Result<(), String> {
    named(PushCredentials::check_apn_topic(text))
}

/// A private key for Web Push.
pub(super) fn vapid_key(text: &str) -> Result<(), String> {
    named(P256Key::parse(text))
}

/// A contact for Web Push.
pub(super) fn vapid_email(text: &str) -> Result<(), String> {
    named(Vapid::parse_contact(text))
}

/// The URL of a mail server.
pub(super) fn smtp_url(text: &str) -> Result<(), String> {
    named(MailAccount::parse(text))
}
