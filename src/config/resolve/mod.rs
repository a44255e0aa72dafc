//! Validation of the raw values and their conversion to settings.

mod access;
pub(super) mod compat;
mod listen;
mod mail;
mod notifications;
mod store;

use tracing_subscriber::EnvFilter;

use super::error::ConfigError;
use super::raw::Raw;
use super::settings::{LogSettings, Settings, TimeSettings, WebhookSettings};
use super::value::{duration, number, read, switch};
use super::variables::{
    APP_SERVER, PUSHI_ACTIVITY_TIMEOUT, PUSHI_ANSWER_TIMEOUT, PUSHI_BODY_TIMEOUT,
    PUSHI_DRAIN_SECONDS, PUSHI_HANDSHAKE_TIMEOUT, PUSHI_IDLE_TIMEOUT, PUSHI_LOG,
    PUSHI_MAX_ANSWER_BYTES, PUSHI_MAX_ANSWERS_BYTES, PUSHI_MAX_BODY_BYTES, PUSHI_MAX_CHANNEL_NAME,
    PUSHI_MAX_CHANNELS_PER_CONNECTION, PUSHI_MAX_CLIENT_EVENTS, PUSHI_MAX_CONNECTIONS,
    PUSHI_MAX_CONNECTS_PER_SECOND, PUSHI_MAX_DATA_BYTES, PUSHI_MAX_EVENT_NAME,
    PUSHI_MAX_FAILED_LOGINS, PUSHI_MAX_HISTORY, PUSHI_MAX_HTTP_CONNECTIONS,
    PUSHI_MAX_HTTP_CONNECTIONS_PER_ADDRESS, PUSHI_MAX_MEMBER_BYTES, PUSHI_MAX_MEMBERS,
    PUSHI_MAX_MESSAGE_BYTES, PUSHI_MAX_OUTBOX_BYTES, PUSHI_MAX_PENDING_BYTES, PUSHI_MAX_PUBLISHES,
    PUSHI_MAX_QUEUED_BYTES, PUSHI_MAX_QUEUED_BYTES_ALL, PUSHI_MAX_REPLAY, PUSHI_NODE_LEASE,
    PUSHI_WEBHOOK_ALLOW_PRIVATE, PUSHI_WEBHOOK_RETRY, PUSHI_WEBHOOK_TIMEOUT, RUST_LOG,
};
use crate::core::model::Limits;

/// The validated configuration with notices for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The validated configuration.
    pub settings: Settings,
    /// Log lines about variables that have no effect, and about aliases in use.
    pub notices: Vec<String>,
}

/// Validates the given values and converts them to settings. A pure function: it reads no file,
/// environment or network.
///
/// # Errors
/// The first invalid value.
pub fn resolve(raw: &Raw) -> Result<Resolved, ConfigError> {
    let mut notices = Vec::new();
    if raw.get(&APP_SERVER).is_some() {
        notices.push("APP_SERVER is ignored: there is one HTTP server".to_owned());
    }
    let settings = Settings {
        listen: listen::resolve(raw, &mut notices)?,
        store: store::resolve(raw)?,
        bus: store::resolve_bus(raw)?,
        access: access::resolve(raw, &mut notices)?,
        limits: limits(raw)?,
        times: times(raw)?,
        webhooks: webhooks(raw)?,
        notifications: notifications::resolve(raw)?,
        log: log(raw)?,
    };
    notices.extend(compat::notices(raw));
    Ok(Resolved { settings, notices })
}

fn limits(raw: &Raw) -> Result<Limits, ConfigError> {
    let of = |variable| number(raw, &variable, 0);
    Ok(Limits {
        connections: of(PUSHI_MAX_CONNECTIONS)?,
        connects_per_second: of(PUSHI_MAX_CONNECTS_PER_SECOND)?,
        failed_logins: of(PUSHI_MAX_FAILED_LOGINS)?,
        message_bytes: of(PUSHI_MAX_MESSAGE_BYTES)?,
        body_bytes: of(PUSHI_MAX_BODY_BYTES)?,
        http_connections: of(PUSHI_MAX_HTTP_CONNECTIONS)?,
        http_connections_per_address: of(PUSHI_MAX_HTTP_CONNECTIONS_PER_ADDRESS)?,
        data_bytes: of(PUSHI_MAX_DATA_BYTES)?,
        channels_per_connection: of(PUSHI_MAX_CHANNELS_PER_CONNECTION)?,
        channel_name: of(PUSHI_MAX_CHANNEL_NAME)?,
        event_name: of(PUSHI_MAX_EVENT_NAME)?,
        members: of(PUSHI_MAX_MEMBERS)?,
        member_bytes: of(PUSHI_MAX_MEMBER_BYTES)?,
        client_events: of(PUSHI_MAX_CLIENT_EVENTS)?,
        publishes: of(PUSHI_MAX_PUBLISHES)?,
        pending_bytes: of(PUSHI_MAX_PENDING_BYTES)?,
        queued_bytes: of(PUSHI_MAX_QUEUED_BYTES)?,
        queued_bytes_all: of(PUSHI_MAX_QUEUED_BYTES_ALL)?,
        outbox_bytes: of(PUSHI_MAX_OUTBOX_BYTES)?,
        answer_bytes: of(PUSHI_MAX_ANSWER_BYTES)?,
        answers_bytes: of(PUSHI_MAX_ANSWERS_BYTES)?,
        replay: of(PUSHI_MAX_REPLAY)?,
        history: of(PUSHI_MAX_HISTORY)?,
    })
}

fn times(raw: &Raw) -> Result<TimeSettings, ConfigError> {
    Ok(TimeSettings {
        handshake: duration(raw, &PUSHI_HANDSHAKE_TIMEOUT, 1)?,
        body: duration(raw, &PUSHI_BODY_TIMEOUT, 1)?,
        activity: duration(raw, &PUSHI_ACTIVITY_TIMEOUT, 1)?,
        idle: Some(duration(raw, &PUSHI_IDLE_TIMEOUT, 0)?).filter(|duration| !duration.is_zero()),
        answer: duration(raw, &PUSHI_ANSWER_TIMEOUT, 1)?,
        drain: duration(raw, &PUSHI_DRAIN_SECONDS, 0)?,
        node_lease: duration(raw, &PUSHI_NODE_LEASE, 1)?,
    })
}

fn webhooks(raw: &Raw) -> Result<WebhookSettings, ConfigError> {
    Ok(WebhookSettings {
        timeout: duration(raw, &PUSHI_WEBHOOK_TIMEOUT, 1)?,
        retry: duration(raw, &PUSHI_WEBHOOK_RETRY, 0)?,
        allow_private: switch(raw, &PUSHI_WEBHOOK_ALLOW_PRIVATE)?,
    })
}

fn log(raw: &Raw) -> Result<LogSettings, ConfigError> {
    Ok(LogSettings {
        filter: read(
            raw,
            &RUST_LOG,
            "a level or a list of target=level, such as info or warn,pushi=debug",
            |text| EnvFilter::try_new(text).is_ok().then(|| text.to_owned()),
        )?,
        json: read(raw, &PUSHI_LOG, "text or json", |text| match text {
            "text" => Some(false),
            "json" => Some(true),
            _ => None,
        })?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::variables::{
        PUSHI_ADMIN_TOKEN, PUSHI_APP_ID, PUSHI_APP_KEY, PUSHI_APP_SECRET, Variable,
    };

    fn resolve_error(pairs: &[(Variable, &str)]) -> String {
        resolve(&Raw::from_pairs(pairs.iter().copied()))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_defaults_are_those_of_the_model() {
        let Resolved { settings, notices } = resolve(&Raw::default()).unwrap();
        assert_eq!(settings.limits, Limits::default());
        assert_eq!(notices, Vec::<String>::new());
        assert_eq!(
            settings.times,
            TimeSettings {
                handshake: Duration::from_secs(10),
                body: Duration::from_secs(30),
                activity: Duration::from_secs(30),
                idle: None,
                answer: Duration::from_secs(30),
                drain: Duration::from_secs(5),
                node_lease: Duration::from_secs(10),
            }
        );
        let day = Duration::from_secs(86_400);
        assert_eq!(
            settings.webhooks,
            WebhookSettings {
                timeout: Duration::from_secs(5),
                retry: day,
                allow_private: false
            }
        );
        assert_eq!(
            settings.log,
            LogSettings {
                filter: "warn,pushi=info".into(),
                json: false
            }
        );
        assert_eq!(settings.bus, None);
    }

    #[test]
    fn every_limit_sets_its_own_field() {
        let all = [
            PUSHI_MAX_CONNECTIONS,
            PUSHI_MAX_CONNECTS_PER_SECOND,
            PUSHI_MAX_MESSAGE_BYTES,
            PUSHI_MAX_BODY_BYTES,
            PUSHI_MAX_DATA_BYTES,
            PUSHI_MAX_CHANNELS_PER_CONNECTION,
            PUSHI_MAX_CHANNEL_NAME,
            PUSHI_MAX_EVENT_NAME,
            PUSHI_MAX_MEMBERS,
            PUSHI_MAX_MEMBER_BYTES,
            PUSHI_MAX_CLIENT_EVENTS,
            PUSHI_MAX_PUBLISHES,
            PUSHI_MAX_PENDING_BYTES,
            PUSHI_MAX_REPLAY,
            PUSHI_MAX_HISTORY,
            PUSHI_MAX_FAILED_LOGINS,
            PUSHI_MAX_HTTP_CONNECTIONS,
            PUSHI_MAX_HTTP_CONNECTIONS_PER_ADDRESS,
            PUSHI_MAX_QUEUED_BYTES,
            PUSHI_MAX_QUEUED_BYTES_ALL,
            PUSHI_MAX_OUTBOX_BYTES,
            PUSHI_MAX_ANSWER_BYTES,
            PUSHI_MAX_ANSWERS_BYTES,
        ];
        let values: Vec<String> = (1..=all.len()).map(|n| n.to_string()).collect();
        let limits = resolve(&Raw::from_pairs(
            all.into_iter().zip(values.iter().map(String::as_str)),
        ))
        .unwrap()
        .settings
        .limits;
        let expected = Limits {
            connections: 1,
            connects_per_second: 2,
            message_bytes: 3,
            body_bytes: 4,
            data_bytes: 5,
            channels_per_connection: 6,
            channel_name: 7,
            event_name: 8,
            members: 9,
            member_bytes: 10,
            client_events: 11,
            publishes: 12,
            pending_bytes: 13,
            replay: 14,
            history: 15,
            failed_logins: 16,
            http_connections: 17,
            http_connections_per_address: 18,
            queued_bytes: 19,
            queued_bytes_all: 20,
            outbox_bytes: 21,
            answer_bytes: 22,
            answers_bytes: 23,
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn a_variable_without_effect_gives_a_notice() {
        let notices = resolve(&Raw::from_pairs([(APP_SERVER, "netius")]))
            .unwrap()
            .notices;
        assert_eq!(notices, ["APP_SERVER is ignored: there is one HTTP server"]);
    }

    #[test]
    fn log_filter_and_format_are_validated() {
        assert!(
            resolve_error(&[(RUST_LOG, "pushi=loud")])
                .starts_with(r#"RUST_LOG="pushi=loud" is invalid: expected a level"#)
        );
        assert!(resolve_error(&[(PUSHI_LOG, "xml")]).ends_with("expected text or json"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let secrets = [
            (PUSHI_ADMIN_TOKEN, "hunter2"),
            (PUSHI_APP_ID, "a"),
            (PUSHI_APP_KEY, "k"),
            (PUSHI_APP_SECRET, "hunter2"),
        ];
        let shown = format!("{:?}", resolve(&Raw::from_pairs(secrets)).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
