//! Validation of the listeners and trusted proxies.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::compat;
use crate::config::error::ConfigError;
use crate::config::raw::Raw;
use crate::config::settings::{ListenSettings, Listener, ListenerVariables, TlsSettings};
use crate::config::value::{list, read, switch};
use crate::config::variables::{
    APP_HOST, APP_PORT, APP_SSL, APP_SSL_CER, APP_SSL_KEY, PUSHI_PATH_PREFIX,
    PUSHI_TRUSTED_PROXIES, SERVER_HOST, SERVER_PORT, SERVER_SSL, SERVER_SSL_CER, SERVER_SSL_KEY,
    Variable,
};

const API: ListenerVariables = ListenerVariables {
    host: APP_HOST,
    port: APP_PORT,
    ssl: APP_SSL,
    key: APP_SSL_KEY,
    cer: APP_SSL_CER,
};
const SERVER: ListenerVariables = ListenerVariables {
    host: SERVER_HOST,
    port: SERVER_PORT,
    ssl: SERVER_SSL,
    key: SERVER_SSL_KEY,
    cer: SERVER_SSL_CER,
};

pub(super) fn resolve(raw: &Raw, notices: &mut Vec<String>) -> Result<ListenSettings, ConfigError> {
    let server = ListenerVariables {
        host: compat::host_variable(raw),
        port: compat::port_variable(raw),
        ..SERVER
    };
    let (mut api, server) = (
        listener(raw, &API, notices)?,
        listener(raw, &server, notices)?,
    );
    let trusted_proxies = list(
        raw,
        &PUSHI_TRUSTED_PROXIES,
        "comma-separated addresses or networks, such as 10.0.0.0/8,::1",
        network,
    )?;
    let prefix = |_| {
        let expected = "a path of segments of A-Z a-z 0-9 . _ ~ -, such as /realtime";
        read(raw, &PUSHI_PATH_PREFIX, expected, path_prefix)
    };
    let path_prefix = raw
        .get(&PUSHI_PATH_PREFIX)
        .map(prefix)
        .transpose()?
        .filter(|prefix| !prefix.is_empty());
    // Port 0 twice means two different free ports.
    let shared = api.port != 0 && api.port == server.port && api.host == server.host;
    if !shared {
        return Ok(ListenSettings {
            api,
            server: Some(server),
            trusted_proxies,
            path_prefix,
        });
    }
    // Either group of variables may configure TLS of the shared listener, as long as they do not
    // contradict each other.
    let unset =
        |variables: &ListenerVariables| raw.none_of(&[variables.ssl, variables.key, variables.cer]);
    if unset(&API) {
        api.tls = server.tls;
        api.source = ListenerVariables {
            host: API.host,
            port: API.port,
            ..SERVER
        };
    } else if !unset(&SERVER) && api.tls != server.tls {
        return Err(ConfigError::new(format!(
            "SERVER_SSL, SERVER_SSL_KEY and SERVER_SSL_CER differ from APP_SSL, APP_SSL_KEY and APP_SSL_CER, but APP_PORT and SERVER_PORT \
             are both {}, which is one listener: use the same values, remove one group, or choose another port",
            api.port
        )));
    }
    Ok(ListenSettings {
        api,
        server: None,
        trusted_proxies,
        path_prefix,
    })
}

/// The prefix with a leading and without a trailing slash; empty for the root.
fn path_prefix(text: &str) -> Option<String> {
    let path = text.trim_matches('/');
    if path.is_empty() {
        return Some(String::new());
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    let segments = path.split('/');
    let valid = segments
        .clone()
        .all(|part| !matches!(part, "" | "." | "..") && part.bytes().all(plain));
    valid.then(|| format!("/{path}"))
}

fn listener(
    raw: &Raw,
    variables: &ListenerVariables,
    notices: &mut Vec<String>,
) -> Result<Listener, ConfigError> {
    Ok(Listener {
        host: read(
            raw,
            &variables.host,
            "an IP address or a host name, such as 0.0.0.0",
            host,
        )?,
        port: read(raw, &variables.port, "a port from 0 to 65535", |text| {
            text.parse().ok()
        })?,
        tls: tls(raw, variables, notices)?,
        source: *variables,
    })
}

fn tls(
    raw: &Raw,
    variables: &ListenerVariables,
    notices: &mut Vec<String>,
) -> Result<Option<TlsSettings>, ConfigError> {
    let files = [variables.key, variables.cer];
    if !switch(raw, &variables.ssl)? {
        let unused = files.iter().filter(|variable| raw.get(variable).is_some());
        notices.extend(unused.map(|variable| {
            format!(
                "{} is ignored, because {} is not 1",
                variable.name, variables.ssl.name
            )
        }));
        return Ok(None);
    }
    let file = |variable: &Variable| {
        let path = raw.get(variable).map(|path| path.trim().into());
        path.ok_or_else(|| {
            ConfigError::new(format!(
                "{} is not set, but {} is 1: set it to the path of a PEM file",
                variable.name, variables.ssl.name
            ))
        })
    };
    Ok(Some(TlsSettings {
        key: file(&variables.key)?,
        cer: file(&variables.cer)?,
    }))
}

/// Parses an IP address or host name; returns it in lower case and without brackets.
fn host(text: &str) -> Option<String> {
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return inner
            .parse::<Ipv6Addr>()
            .ok()
            .map(|address| address.to_string());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b == b'.';
    // Invalid addresses such as `1.2.3` and `127.0.0.256` would be resolved as host names.
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (text.len() <= 253 && text.bytes().all(plain) && !numeric).then(|| text.to_ascii_lowercase())
}

fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve_with_notices(
        pairs: &[(Variable, &str)],
    ) -> (Result<ListenSettings, String>, Vec<String>) {
        let mut notices = Vec::new();
        let listen = resolve(&Raw::from_pairs(pairs.iter().copied()), &mut notices)
            .map_err(|error| error.to_string());
        (listen, notices)
    }

    fn of(pairs: &[(Variable, &str)]) -> Result<ListenSettings, String> {
        resolve_with_notices(pairs).0
    }

    const SAME: (Variable, &str) = (SERVER_PORT, "8080");
    const KEY: (Variable, &str) = (APP_SSL_KEY, "k");
    const CER: (Variable, &str) = (APP_SSL_CER, "c");

    #[test]
    fn aliases_of_other_servers_are_read_if_those_of_pushi_are_not_set() {
        use crate::config::variables::{REVERB_SERVER_HOST, SOKETI_PORT};
        let server = of(&[(SOKETI_PORT, "6001"), (REVERB_SERVER_HOST, "0.0.0.0")])
            .unwrap()
            .server
            .unwrap();
        assert_eq!((server.host.as_str(), server.port), ("0.0.0.0", 6001));
        let server = of(&[(SOKETI_PORT, "6001"), (SERVER_PORT, "7001")])
            .unwrap()
            .server
            .unwrap();
        assert_eq!((server.host.as_str(), server.port), ("127.0.0.1", 7001));
        assert!(
            of(&[(SOKETI_PORT, "x")])
                .unwrap_err()
                .starts_with("SOKETI_PORT=")
        );
    }

    #[test]
    fn the_defaults_are_two_loopback_listeners_without_tls() {
        let listen = of(&[]).unwrap();
        let server = listen.server.unwrap();
        assert_eq!(
            (listen.api.host.as_str(), listen.api.port, listen.api.tls),
            ("127.0.0.1", 8080, None)
        );
        assert_eq!(
            (server.host.as_str(), server.port, server.tls),
            ("127.0.0.1", 9090, None)
        );
        assert!(listen.trusted_proxies.is_empty());
    }

    #[test]
    fn the_same_host_and_port_is_one_listener() {
        assert_eq!(of(&[SAME]).unwrap().server, None);
        assert_eq!(
            of(&[SAME, (APP_HOST, "LocalHost"), (SERVER_HOST, "localhost")])
                .unwrap()
                .server,
            None
        );
        assert_eq!(
            of(&[SAME, (APP_HOST, "[::1]"), (SERVER_HOST, "0:0::1")])
                .unwrap()
                .server,
            None
        );
        assert!(
            of(&[SAME, (SERVER_HOST, "127.0.0.2")])
                .unwrap()
                .server
                .is_some()
        );
        assert!(
            of(&[(APP_PORT, "0"), (SERVER_PORT, "0")])
                .unwrap()
                .server
                .is_some()
        );
    }

    #[test]
    fn a_shared_listener_takes_tls_from_either_group_but_not_from_both() {
        let files = Some(TlsSettings {
            key: "k".into(),
            cer: "c".into(),
        });
        let server = [
            (SERVER_SSL, "1"),
            (SERVER_SSL_KEY, "k"),
            (SERVER_SSL_CER, "c"),
        ];
        assert_eq!(
            of(&[SAME, (APP_SSL, "1"), KEY, CER]).unwrap().api.tls,
            files
        );
        let shared = of(&[&[SAME][..], &server].concat()).unwrap().api;
        assert_eq!(
            (shared.tls, shared.source.key, shared.source.port),
            (files.clone(), SERVER_SSL_KEY, APP_PORT)
        );
        assert_eq!(
            of(&[&[SAME, (APP_SSL, "1"), KEY, CER][..], &server].concat())
                .unwrap()
                .api
                .tls,
            files
        );
        let text = of(&[&[SAME, (APP_SSL, "0")][..], &server].concat()).unwrap_err();
        assert!(
            text.starts_with("SERVER_SSL, SERVER_SSL_KEY and SERVER_SSL_CER differ from APP_SSL")
                && text.contains("both 8080"),
            "{text}"
        );
    }

    #[test]
    fn tls_needs_both_files() {
        let text = of(&[(APP_SSL, "1"), CER]).unwrap_err();
        assert_eq!(
            text,
            "APP_SSL_KEY is not set, but APP_SSL is 1: set it to the path of a PEM file"
        );
        assert!(
            of(&[(APP_SSL, "1"), KEY])
                .unwrap_err()
                .starts_with("APP_SSL_CER is not set")
        );
        let (listen, notices) = resolve_with_notices(&[KEY]);
        assert_eq!(
            (listen.unwrap().api.tls, notices),
            (
                None,
                vec!["APP_SSL_KEY is ignored, because APP_SSL is not 1".to_owned()]
            )
        );
    }

    #[test]
    fn hosts_and_ports_are_checked() {
        for good in ["0.0.0.0", "::", "[::]", "localhost", "my-host.example"] {
            assert!(of(&[(APP_HOST, good)]).is_ok(), "{good}");
        }
        for bad in [
            "127.0.0.256",
            "1.2.3",
            "[1.2.3.4]",
            "http://x",
            "a b",
            "x:80",
            "*",
        ] {
            let text = of(&[(APP_HOST, bad)]).unwrap_err();
            assert!(text.contains(&format!("APP_HOST={bad:?}")), "{text}");
        }
        for bad in ["65536", "-1", "http", "80 80"] {
            let text = of(&[(SERVER_PORT, bad)]).unwrap_err();
            assert_eq!(
                text,
                format!("SERVER_PORT={bad:?} is invalid: expected a port from 0 to 65535")
            );
        }
    }

    #[test]
    fn a_path_prefix_begins_with_a_slash_and_does_not_end_with_one() {
        for (text, prefix) in [
            ("", None),
            ("/", None),
            ("/realtime", Some("/realtime")),
            ("realtime/", Some("/realtime")),
            ("/a/b.c/", Some("/a/b.c")),
        ] {
            let listen = of(&[(PUSHI_PATH_PREFIX, text)]).unwrap();
            assert_eq!(listen.path_prefix.as_deref(), prefix, "{text}");
        }
        for bad in ["/a b", "/a//b", "/a/../b", "/%61", "/a?b", "https://x/a"] {
            assert!(of(&[(PUSHI_PATH_PREFIX, bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        let listen = of(&[(PUSHI_TRUSTED_PROXIES, "127.0.0.1, 10.0.0.0/8,fd00::/8,")]).unwrap();
        let shown: Vec<_> = listen
            .trusted_proxies
            .iter()
            .map(IpNet::to_string)
            .collect();
        assert_eq!(shown, ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]);
        let text = of(&[(PUSHI_TRUSTED_PROXIES, "10.0.0.0/8,proxy")]).unwrap_err();
        assert!(
            text.starts_with(r#"PUSHI_TRUSTED_PROXIES="proxy" is invalid"#),
            "{text}"
        );
    }
}
