//! The table of an app's settings.

use super::Setting;
use super::kinds::Kind;
use super::special::{
    AllowedOrigins, Name, OverCapacityCode, PreviousSecret, ReplaySetting, SigninTimeout,
    WebhooksSetting,
};

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
pub(crate) static SETTINGS: [Setting; 29] = [
    own("name", Kind::Special(&Name), "Display name."),
    own(
        "description",
        Kind::Text(|app| &mut app.description),
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
        "Apple's sandbox instead of its production service. Default: false.",
    ),
    own(
        "apn_key",
        Kind::Hidden(|app| &mut app.push.apn_key),
        "Apple private key, PEM.",
    ),
    own(
        "apn_cer",
        Kind::Hidden(|app| &mut app.push.apn_cer),
        "Apple certificate, PEM.",
    ),
    own(
        "vapid_key",
        Kind::Hidden(|app| &mut app.push.vapid_key),
        "Web Push private key (RFC 8292), PEM or base64url.",
    ),
    own(
        "vapid_email",
        Kind::Text(|app| &mut app.push.vapid_email),
        "Web Push contact address.",
    ),
    own(
        "smtp_url",
        Kind::Hidden(|app| &mut app.push.smtp_url),
        "The server for e-mail, `smtp://…` or `smtps://…`.",
    ),
    administrators(
        "enabled",
        Kind::Flag(|app| &mut app.settings.enabled),
        "If false, connections are closed with 4003 and REST answers 403. Default: true. Only the administrator may set it.",
    ),
    own(
        "client_publish",
        Kind::Flag(|app| &mut app.settings.client_publish),
        "Pushi connections may publish. Disable it where the public key is known to clients that must not publish. Default: true.",
    ),
    own(
        "client_events",
        Kind::Flag(|app| &mut app.settings.client_events),
        "Pusher connections may send `client-` events. Default: false.",
    ),
    own(
        "signed_presence",
        Kind::Flag(|app| &mut app.settings.signed_presence),
        "Channel data must be covered by the signature. Default: false.",
    ),
    own(
        "subscription_count",
        Kind::Flag(|app| &mut app.settings.subscription_count),
        "Pusher subscribers receive the subscription count. Default: false.",
    ),
    own(
        "require_signin",
        Kind::Flag(|app| &mut app.settings.require_signin),
        "Connections must sign in, which only the Pusher protocol can: others are closed with 4009, too. Default: false.",
    ),
    own(
        "signin_timeout",
        Kind::Special(&SigninTimeout),
        "Seconds within which they must sign in. Default: 30.",
    ),
    own(
        "tls_only",
        Kind::Flag(|app| &mut app.settings.tls_only),
        "Connections without TLS are closed with 4000. Default: false.",
    ),
    own(
        "allowed_origins",
        Kind::Special(&AllowedOrigins),
        "Origins of pages that may connect; empty (the default): any.",
    ),
    own(
        "over_capacity",
        Kind::Special(&OverCapacityCode),
        "The close code of a connection over `max_connections`: 4004 (the default: the client does not reconnect) or 4100 (it reconnects).",
    ),
    own(
        "replay",
        Kind::Special(&ReplaySetting),
        "Channel prefix to the number of events that a Pusher subscriber is replayed; prefixes that no channel can have are dropped.",
    ),
    own(
        "webhooks",
        Kind::Special(&WebhooksSetting),
        "Receivers of web hooks about the app's channels.",
    ),
    administrators(
        "max_connections",
        Kind::Limit(|app| &mut app.settings.limits.max_connections),
        "Connections of the app; 0: no limit; null, the default: the server's. Only the administrator may set it, as all limits.",
    ),
    administrators(
        "max_message_bytes",
        Kind::Limit(|app| &mut app.settings.limits.max_message_bytes),
        "Bytes of one WebSocket message from a client.",
    ),
    administrators(
        "max_data_bytes",
        Kind::Limit(|app| &mut app.settings.limits.max_data_bytes),
        "Bytes of `data` over the Pusher HTTP API.",
    ),
    administrators(
        "max_channels_per_connection",
        Kind::Limit(|app| &mut app.settings.limits.max_channels_per_connection),
        "Subscriptions of a connection, aliases not counted.",
    ),
    administrators(
        "max_members",
        Kind::Limit(|app| &mut app.settings.limits.max_members),
        "Members of a presence channel.",
    ),
    administrators(
        "max_member_bytes",
        Kind::Limit(|app| &mut app.settings.limits.max_member_bytes),
        "Bytes of one member's channel data.",
    ),
    administrators(
        "max_client_events",
        Kind::Limit(|app| &mut app.settings.limits.max_client_events),
        "Pusher `client-` events a second and connection.",
    ),
    administrators(
        "max_publishes",
        Kind::Limit(|app| &mut app.settings.limits.max_publishes),
        "Publishes a second of a Pushi connection.",
    ),
];
