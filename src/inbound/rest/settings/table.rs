//! The table of an app's settings.

use super::Setting;
use super::credentials::{
    any, apn_cer, apn_identifier, apn_key, apn_topic, smtp_url, vapid_email, vapid_key,
};
use super::kinds::Kind;
use super::special::{
    AllowedOrigins, Name, OverCapacityCode, PreviousSecret, ReplaySetting, SigninTimeout,
    WebhooksSetting,
};
use super::token_keys::TokenKeysSetting;

const fn own(name: &'static str, kind: Kind, about: &'static str) -> Setting {
    Setting {
        name,
        about,
        kind,
        administrator: false,
    }
}

const fn administrators(name: &'static str, kind: Kind, about: &'static str) -> Setting {
    Setting {
        name,
        about,
        kind,
        administrator: true,
    }
}

/// The settings, in the order of answers.
pub(crate) static SETTINGS: [Setting; 33] = [
    own("name", Kind::Special(&Name), "Display name."),
    own(
        "description",
        Kind::Text(|app| &mut app.description, any),
        "Description for people.",
    ),
    own(
        "previous_secret",
        Kind::Special(&PreviousSecret),
        "The secret before the last rotation, still valid; null where there is none, absent where the session was opened with the \
            current one. Can only be reset or set to an empty string, which revokes it and ends its sessions.",
    ),
    own(
        "apn_sandbox",
        Kind::Flag(|app| &mut app.push.apn_sandbox),
        "Whether Apple's sandbox is used instead of its production service. Default: false.",
    ),
    own(
        "apn_key",
        Kind::Hidden(|app| &mut app.push.apn_key, apn_key),
        "Private key for Apple's push service, PEM: the `.p8` file of a key for tokens (with `apn_key_id` and `apn_team_id`), or the key of `apn_cer`.",
    ),
    own(
        "apn_cer",
        Kind::Hidden(|app| &mut app.push.apn_cer, apn_cer),
        "Certificate for Apple's push service, PEM.",
    ),
    own(
        "apn_key_id",
        Kind::Text(|app| &mut app.push.apn_key_id, apn_identifier),
        "Identifier of `apn_key`, where it is a key for tokens.",
    ),
    own(
        "apn_team_id",
        Kind::Text(|app| &mut app.push.apn_team_id, apn_identifier),
        "Identifier of the team of `apn_key`, where it is a key for tokens.",
    ),
    own(
        "apn_topic",
        Kind::Text(|app| &mut app.push.apn_topic, apn_topic),
        "Default topic of messages to Apple devices: the app's bundle id.",
    ),
    own(
        "vapid_key",
        Kind::Hidden(|app| &mut app.push.vapid_key, vapid_key),
        "Private key for Web Push (RFC 8292), of the curve P-256: PEM, or base64url of its 32 bytes.",
    ),
    own(
        "vapid_email",
        Kind::Text(|app| &mut app.push.vapid_email, vapid_email),
        "Contact for Web Push: an e-mail address, or a `mailto:` or `https:` address. Default: that of the server (`PUSHI_CONTACT`).",
    ),
    own(
        "smtp_url",
        Kind::Hidden(|app| &mut app.push.smtp_url, smtp_url),
        "The server that sends e-mail: `smtp://user:password@mail.example:587?sender=shop@mail.example`, user and password percent-encoded. \
            `smtps://` and `smtp+tls://` use STARTTLS (default port 587), `smtp+ssl://` and port 465 TLS from the start.",
    ),
    administrators(
        "enabled",
        Kind::Flag(|app| &mut app.settings.enabled),
        "Whether the app is served. If false, its connections are closed with 4003 and its requests get 403. Default: true. Only the administrator may set it.",
    ),
    own(
        "client_publish",
        Kind::Flag(|app| &mut app.settings.client_publish),
        "Whether connections of the Pushi protocol may publish. Disable it if clients that must not publish know the public key. Default: true.",
    ),
    own(
        "client_events",
        Kind::Flag(|app| &mut app.settings.client_events),
        "Whether connections of the Pusher protocol may send `client-` events. Default: false.",
    ),
    own(
        "signed_presence",
        Kind::Flag(|app| &mut app.settings.signed_presence),
        "Whether the signature must cover the channel data. Default: false.",
    ),
    own(
        "subscription_count",
        Kind::Flag(|app| &mut app.settings.subscription_count),
        "Whether subscribers of the Pusher protocol receive the subscription count. Default: false.",
    ),
    own(
        "require_signin",
        Kind::Flag(|app| &mut app.settings.require_signin),
        "Whether connections must sign in, which only those of the Pusher protocol can: others are closed with 4009. Default: false.",
    ),
    own(
        "signin_timeout",
        Kind::Special(&SigninTimeout),
        "Seconds within which a connection must sign in if `require_signin` is set. Default: 30.",
    ),
    own(
        "tls_only",
        Kind::Flag(|app| &mut app.settings.tls_only),
        "Whether connections without TLS are closed with 4000. Default: false.",
    ),
    own(
        "allowed_origins",
        Kind::Special(&AllowedOrigins),
        "Origins of pages that may connect. Default: an empty list, which allows any.",
    ),
    own(
        "over_capacity",
        Kind::Special(&OverCapacityCode),
        "The code that a connection over `max_connections` is closed with: 4004 (the client does not reconnect) or 4100 (it does). Default: 4004.",
    ),
    own(
        "replay",
        Kind::Special(&ReplaySetting),
        "The number of stored events that a new subscriber of the Pusher protocol receives, by channel prefix. Prefixes that no channel name can have are removed. Default: none.",
    ),
    own(
        "webhooks",
        Kind::Special(&WebhooksSetting),
        "Receivers of web hooks about the app's channels. Default: none.",
    ),
    own(
        "token_keys",
        Kind::Special(&TokenKeysSetting),
        "Public keys that verify the tokens of users (RS256, ES256, EdDSA), a JSON Web Key Set; tokens of HS256 are signed with the app's \
            secret. Default: no keys.",
    ),
    administrators(
        "max_connections",
        Kind::Limit(|app| &mut app.settings.limits.max_connections),
        "Maximum number of connections. 0: no limit. Null, the default: the server's limit. Only the administrator may set limits.",
    ),
    administrators(
        "max_message_bytes",
        Kind::Limit(|app| &mut app.settings.limits.max_message_bytes),
        "Maximum bytes of one WebSocket message from a client; 0 and null as for `max_connections`.",
    ),
    administrators(
        "max_data_bytes",
        Kind::Limit(|app| &mut app.settings.limits.max_data_bytes),
        "Maximum bytes of `data` in the Pusher HTTP API; 0 and null as for `max_connections`.",
    ),
    administrators(
        "max_channels_per_connection",
        Kind::Limit(|app| &mut app.settings.limits.max_channels_per_connection),
        "Maximum number of subscriptions of a connection, not counting aliases; 0 and null as for `max_connections`.",
    ),
    administrators(
        "max_members",
        Kind::Limit(|app| &mut app.settings.limits.max_members),
        "Maximum number of members of a presence channel; 0 and null as for `max_connections`.",
    ),
    administrators(
        "max_member_bytes",
        Kind::Limit(|app| &mut app.settings.limits.max_member_bytes),
        "Maximum bytes of a member's channel data; 0 and null as for `max_connections`.",
    ),
    administrators(
        "max_client_events",
        Kind::Limit(|app| &mut app.settings.limits.max_client_events),
        "Maximum number of `client-` events per second and connection of the Pusher protocol; 0 and null as for `max_connections`.",
    ),
    administrators(
        "max_publishes",
        Kind::Limit(|app| &mut app.settings.limits.max_publishes),
        "Maximum number of publishes per second and connection of the Pushi protocol; 0 and null as for `max_connections`.",
    ),
];
