//! Where the server listens.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::super::complaint::Complaint;
use super::super::raw::Raw;
use super::super::settings::{ListenSettings, Listener, ListenerVariables, TlsFiles};
use super::super::value::{list, read, switch};
use super::super::variables::{
    APP_HOST, APP_PORT, APP_SSL, APP_SSL_CER, APP_SSL_KEY, PUSHI_TRUSTED_PROXIES, SERVER_HOST,
    SERVER_PORT, SERVER_SSL, SERVER_SSL_CER, SERVER_SSL_KEY, Variable,
};
use super::elsewhere;

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

pub fn resolve(raw: &Raw, notices: &mut Vec<String>) -> Result<ListenSettings, Complaint> {
    let server = ListenerVariables {
        host: elsewhere::host(raw),
        port: elsewhere::port(raw),
        ..SERVER
    };
    let (mut api, server) = (
        listener(raw, &API, notices)?,
        listener(raw, &server, notices)?,
    );
    let trusted_proxies = list(
        raw,
        &PUSHI_TRUSTED_PROXIES,
        "addresses or networks with commas between them, as in 10.0.0.0/8,::1",
        network,
    )?;
    // Two free ports are two.
    let one = api.port != 0 && api.port == server.port && api.host == server.host;
    if !one {
        return Ok(ListenSettings {
            api,
            server: Some(server),
            trusted_proxies,
        });
    }
    // One listener is set up by either group of variables, as long as they do not contradict each other.
    let silent = |side: &ListenerVariables| raw.none_of(&[side.ssl, side.key, side.cer]);
    if silent(&API) {
        api.tls = server.tls;
        api.said_by = ListenerVariables {
            host: API.host,
            port: API.port,
            ..SERVER
        };
    } else if !silent(&SERVER) && api.tls != server.tls {
        return Err(Complaint::new(format!(
            "SERVER_SSL, SERVER_SSL_KEY and SERVER_SSL_CER differ from APP_SSL, APP_SSL_KEY and APP_SSL_CER, but APP_PORT and SERVER_PORT \
             are both {}, which is one listener: set them alike, leave one group out, or choose another port",
            api.port
        )));
    }
    Ok(ListenSettings {
        api,
        server: None,
        trusted_proxies,
    })
}

fn listener(
    raw: &Raw,
    side: &ListenerVariables,
    notices: &mut Vec<String>,
) -> Result<Listener, Complaint> {
    Ok(Listener {
        host: read(raw, &side.host, "an IP address or a host name", host)?,
        port: read(raw, &side.port, "a port from 0 to 65535", |text| {
            text.parse().ok()
        })?,
        tls: tls(raw, side, notices)?,
        said_by: *side,
    })
}

fn tls(
    raw: &Raw,
    side: &ListenerVariables,
    notices: &mut Vec<String>,
) -> Result<Option<TlsFiles>, Complaint> {
    let files = [side.key, side.cer];
    if !switch(raw, &side.ssl)? {
        let unused = files.iter().filter(|variable| raw.get(variable).is_some());
        notices.extend(unused.map(|variable| {
            format!(
                "{} is ignored, because {} is not 1",
                variable.name, side.ssl.name
            )
        }));
        return Ok(None);
    }
    let file = |variable: &Variable| {
        let path = raw.get(variable).map(|path| path.trim().into());
        path.ok_or_else(|| {
            Complaint::new(format!(
                "{} is not set, but {} is 1: it needs a PEM file",
                variable.name, side.ssl.name
            ))
        })
    };
    Ok(Some(TlsFiles {
        key: file(&side.key)?,
        cer: file(&side.cer)?,
    }))
}

/// An address without brackets, or a host name, in lower case.
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
    // What looks like an address and is none (`1.2.3`, `127.0.0.256`) would be looked up as a name.
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

    fn noticed(pairs: &[(Variable, &str)]) -> (Result<ListenSettings, String>, Vec<String>) {
        let mut notices = Vec::new();
        let listen = resolve(&Raw::of(pairs.iter().copied()), &mut notices)
            .map_err(|complaint| complaint.to_string());
        (listen, notices)
    }

    fn of(pairs: &[(Variable, &str)]) -> Result<ListenSettings, String> {
        noticed(pairs).0
    }

    const SAME: (Variable, &str) = (SERVER_PORT, "8080");
    const KEY: (Variable, &str) = (APP_SSL_KEY, "k");
    const CER: (Variable, &str) = (APP_SSL_CER, "c");

    #[test]
    fn another_servers_names_do_where_ours_are_not_set() {
        use super::super::super::variables::{REVERB_SERVER_HOST, SOKETI_PORT};
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
    fn the_defaults_are_two_plain_listeners_on_the_loopback() {
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
    fn one_listener_takes_its_tls_from_either_side_but_not_from_both() {
        let files = Some(TlsFiles {
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
        let one = of(&[&[SAME][..], &server].concat()).unwrap().api;
        assert_eq!(
            (one.tls, one.said_by.key, one.said_by.port),
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
            "APP_SSL_KEY is not set, but APP_SSL is 1: it needs a PEM file"
        );
        assert!(
            of(&[(APP_SSL, "1"), KEY])
                .unwrap_err()
                .starts_with("APP_SSL_CER is not set")
        );
        let (listen, notices) = noticed(&[KEY]);
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
                format!("SERVER_PORT={bad:?} cannot be used: it accepts a port from 0 to 65535")
            );
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
            text.starts_with(r#"PUSHI_TRUSTED_PROXIES="proxy" cannot be used"#),
            "{text}"
        );
    }
}
