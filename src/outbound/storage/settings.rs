//! The stored form of an app's settings and push credentials: JSON, through types that mirror the domain's.
//!
//! Missing fields have their default and unknown fields are ignored, so that older and newer versions can read each
//! other's apps.

use std::collections::BTreeMap;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::core::error::StorageError;
use crate::core::model::{
    AppLimits, AppSettings, OverCapacity, PushCredentials, Secret, TokenKey, TokenKeyMaterial,
    Webhook, WebhookEvent,
};

/// Encodes the column `settings`.
pub(super) fn settings_to_text(settings: &AppSettings) -> Result<String, StorageError> {
    serde_json::to_string(&StoredSettings::from(settings)).map_err(StorageError::corrupt)
}

/// Decodes the column `settings`.
pub(super) fn settings_from_text(text: &str) -> Result<AppSettings, StorageError> {
    serde_json::from_str::<StoredSettings>(text)
        .map(AppSettings::from)
        .map_err(corrupt)
}

/// Encodes the column `push`.
pub(super) fn push_to_text(push: &PushCredentials) -> Result<String, StorageError> {
    serde_json::to_string(&StoredPush::from(push)).map_err(StorageError::corrupt)
}

/// Decodes the column `push`.
pub(super) fn push_from_text(text: &str) -> Result<PushCredentials, StorageError> {
    serde_json::from_str::<StoredPush>(text)
        .map(PushCredentials::from)
        .map_err(corrupt)
}

/// Reports the position only: serde's message may quote a value, which may be a secret.
fn corrupt(error: serde_json::Error) -> StorageError {
    StorageError::corrupt(format!(
        "an app's JSON is malformed at column {}",
        error.column()
    ))
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
struct StoredSettings {
    enabled: bool,
    client_publish: bool,
    client_events: bool,
    signed_presence: bool,
    subscription_count: bool,
    require_signin: bool,
    signin_timeout_ms: u64,
    tls_only: bool,
    allowed_origins: Vec<String>,
    over_capacity: u16,
    replay: BTreeMap<String, u32>,
    webhooks: Vec<StoredWebhook>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    token_keys: Vec<StoredTokenKey>,
    limits: StoredLimits,
}

#[derive(Serialize, Deserialize)]
struct StoredWebhook {
    url: String,
    #[serde(default)]
    events: Option<Vec<String>>,
    #[serde(default)]
    channel_prefix: Option<String>,
}

/// A public key, as a JSON Web Key (RFC 7517). The members of other types are absent.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredTokenKey {
    kty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    n: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    e: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    x: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    y: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredLimits {
    max_connections: Option<u64>,
    max_message_bytes: Option<u64>,
    max_data_bytes: Option<u64>,
    max_channels_per_connection: Option<u64>,
    max_members: Option<u64>,
    max_member_bytes: Option<u64>,
    max_client_events: Option<u64>,
    max_publishes: Option<u64>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredPush {
    apn_sandbox: bool,
    apn_key: Option<String>,
    apn_cer: Option<String>,
    apn_key_id: Option<String>,
    apn_team_id: Option<String>,
    apn_topic: Option<String>,
    vapid_key: Option<String>,
    vapid_email: Option<String>,
    smtp_url: Option<String>,
}

impl Default for StoredSettings {
    fn default() -> Self {
        Self::from(&AppSettings::default())
    }
}

impl From<&AppSettings> for StoredSettings {
    fn from(settings: &AppSettings) -> Self {
        Self {
            enabled: settings.enabled,
            client_publish: settings.client_publish,
            client_events: settings.client_events,
            signed_presence: settings.signed_presence,
            subscription_count: settings.subscription_count,
            require_signin: settings.require_signin,
            signin_timeout_ms: settings
                .signin_timeout
                .as_millis()
                .try_into()
                .unwrap_or(u64::MAX),
            tls_only: settings.tls_only,
            allowed_origins: settings.allowed_origins.clone(),
            over_capacity: settings.over_capacity.code(),
            replay: settings.replay.clone(),
            webhooks: settings.webhooks.iter().map(StoredWebhook::from).collect(),
            token_keys: settings
                .token_keys
                .iter()
                .map(StoredTokenKey::from)
                .collect(),
            limits: StoredLimits::from(&settings.limits),
        }
    }
}

impl From<StoredSettings> for AppSettings {
    fn from(text: StoredSettings) -> Self {
        Self {
            enabled: text.enabled,
            client_publish: text.client_publish,
            client_events: text.client_events,
            signed_presence: text.signed_presence,
            subscription_count: text.subscription_count,
            require_signin: text.require_signin,
            signin_timeout: Duration::from_millis(text.signin_timeout_ms),
            tls_only: text.tls_only,
            allowed_origins: text.allowed_origins,
            over_capacity: OverCapacity::from_code(text.over_capacity.into()).unwrap_or_default(),
            replay: text.replay,
            webhooks: text.webhooks.into_iter().map(Webhook::from).collect(),
            // Keys of types that only newer versions know are ignored.
            token_keys: text
                .token_keys
                .into_iter()
                .filter_map(StoredTokenKey::into_key)
                .collect(),
            limits: text.limits.into(),
        }
    }
}

impl From<&Webhook> for StoredWebhook {
    fn from(webhook: &Webhook) -> Self {
        let names = |events: &Vec<WebhookEvent>| {
            events
                .iter()
                .map(|event| event.name().to_string())
                .collect()
        };
        Self {
            url: webhook.url.to_string(),
            events: webhook.events.as_ref().map(names),
            channel_prefix: webhook.channel_prefix.clone(),
        }
    }
}

impl From<StoredWebhook> for Webhook {
    fn from(text: StoredWebhook) -> Self {
        // Events of newer versions are ignored.
        let known = |names: Vec<String>| {
            names
                .iter()
                .filter_map(|name| WebhookEvent::parse(name))
                .collect()
        };
        Self {
            url: text.url.into(),
            events: text.events.map(known),
            channel_prefix: text.channel_prefix,
        }
    }
}

impl From<&TokenKey> for StoredTokenKey {
    fn from(key: &TokenKey) -> Self {
        let kid = key.id.clone();
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let (kty, [n, e, x, y]): (_, [&[u8]; 4]) = match &key.material {
            TokenKeyMaterial::Rsa { n, e } => ("RSA", [n, e, &[], &[]]),
            TokenKeyMaterial::P256 { x, y } => ("EC", [&[], &[], x, y]),
            TokenKeyMaterial::Ed25519(x) => ("OKP", [&[], &[], x, &[]]),
        };
        let [n, e, x, y] = [n, e, x, y].map(encode);
        Self {
            kty: kty.to_owned(),
            kid,
            n,
            e,
            x,
            y,
        }
    }
}

impl StoredTokenKey {
    /// The key; `None`: it is of no known type.
    fn into_key(self) -> Option<TokenKey> {
        let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        let material = match self.kty.as_str() {
            "RSA" => TokenKeyMaterial::rsa(&decode(&self.n)?, &decode(&self.e)?),
            "EC" => TokenKeyMaterial::p256(&decode(&self.x)?, &decode(&self.y)?),
            "OKP" => TokenKeyMaterial::ed25519(&decode(&self.x)?),
            _ => return None,
        };
        let id = self.kid;
        material.ok().map(|material| TokenKey { id, material })
    }
}

impl From<&AppLimits> for StoredLimits {
    fn from(limits: &AppLimits) -> Self {
        Self {
            max_connections: limits.max_connections,
            max_message_bytes: limits.max_message_bytes,
            max_data_bytes: limits.max_data_bytes,
            max_channels_per_connection: limits.max_channels_per_connection,
            max_members: limits.max_members,
            max_member_bytes: limits.max_member_bytes,
            max_client_events: limits.max_client_events,
            max_publishes: limits.max_publishes,
        }
    }
}

impl From<StoredLimits> for AppLimits {
    fn from(text: StoredLimits) -> Self {
        Self {
            max_connections: text.max_connections,
            max_message_bytes: text.max_message_bytes,
            max_data_bytes: text.max_data_bytes,
            max_channels_per_connection: text.max_channels_per_connection,
            max_members: text.max_members,
            max_member_bytes: text.max_member_bytes,
            max_client_events: text.max_client_events,
            max_publishes: text.max_publishes,
        }
    }
}

impl From<&PushCredentials> for StoredPush {
    fn from(push: &PushCredentials) -> Self {
        let exposed =
            |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_string());
        Self {
            apn_sandbox: push.apn_sandbox,
            apn_key: exposed(&push.apn_key),
            apn_cer: exposed(&push.apn_cer),
            apn_key_id: push.apn_key_id.clone(),
            apn_team_id: push.apn_team_id.clone(),
            apn_topic: push.apn_topic.clone(),
            vapid_key: exposed(&push.vapid_key),
            vapid_email: push.vapid_email.clone(),
            smtp_url: exposed(&push.smtp_url),
        }
    }
}

impl From<StoredPush> for PushCredentials {
    fn from(text: StoredPush) -> Self {
        Self {
            apn_sandbox: text.apn_sandbox,
            apn_key: text.apn_key.map(Secret::new),
            apn_cer: text.apn_cer.map(Secret::new),
            apn_key_id: text.apn_key_id,
            apn_team_id: text.apn_team_id,
            apn_topic: text.apn_topic,
            vapid_key: text.vapid_key.map(Secret::new),
            vapid_email: text.vapid_email,
            smtp_url: text.smtp_url.map(Secret::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_members_have_their_defaults() {
        assert_eq!(settings_from_text("{}").ok(), Some(AppSettings::default()));
        assert_eq!(push_from_text("{}").ok(), Some(PushCredentials::default()));
    }

    #[test]
    fn members_of_a_newer_version_are_passed_over() {
        let settings = settings_from_text(
            r#"{"colour":"red","tls_only":true,"webhooks":[{"url":"http://x","events":["sung","cache_miss"]}]}"#,
        );
        let webhook = Webhook {
            url: "http://x".into(),
            events: Some(vec![WebhookEvent::CacheMiss]),
            channel_prefix: None,
        };
        assert_eq!(
            settings.ok(),
            Some(AppSettings {
                tls_only: true,
                webhooks: vec![webhook],
                ..AppSettings::default()
            })
        );
    }

    #[test]
    fn a_malformed_text_is_corrupt_and_not_quoted() {
        let error = push_from_text(r#"{"apn_sandbox":"top-secret"}"#)
            .map_or_else(|error| error.chain(), |_| String::new());
        assert_eq!(
            error,
            "stored data is corrupt: an app's JSON is malformed at column 27"
        );
    }
}
