//! The configuration of the server on this machine: where it listens, and the credentials of its
//! app.
//!
//! The names are those of the server's environment variables and flags, so that both programs run
//! with the same environment or `.env`. They are used where no address and no credentials are
//! given.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use clap::{Arg, ArgMatches, Command};

use crate::auth::{Credentials, Secret};
use crate::error::BenchError;

const HEADING: &str = "Configuration of the server, as the server itself reads it";

/// A variable: its name, the placeholder and the description in the help. No description: hidden.
type Variable = (&'static str, &'static str, &'static str);

/// The placeholder of a variable that is on or off; its flag may stand alone.
const SWITCH: &str = "0|1";

const VARIABLES: [Variable; 22] = [
    (
        "APP_HOST",
        "HOST",
        "Address of the REST API [default: 127.0.0.1]",
    ),
    ("APP_PORT", "PORT", "Port of the REST API [default: 8080]"),
    ("APP_SSL", SWITCH, "TLS at the REST API [default: 0]"),
    (
        "SERVER_HOST",
        "HOST",
        "Address for WebSocket [default: 127.0.0.1]",
    ),
    ("SERVER_PORT", "PORT", "Port for WebSocket [default: 9090]"),
    ("SERVER_SSL", SWITCH, "TLS for WebSocket [default: 0]"),
    (
        "PUSHI_APP_ID",
        "IDENT",
        "Id of the app; only publishing over HTTP needs it",
    ),
    (
        "PUSHI_APP_KEY",
        "KEY",
        "Public key of the app [default: the one in --url]",
    ),
    (
        "PUSHI_APP_SECRET",
        "SECRET",
        "Secret of the app; signatures and publishing over HTTP need it",
    ),
    ("SOKETI_HOST", "HOST", ""),
    ("SOKETI_PORT", "PORT", ""),
    ("REVERB_SERVER_HOST", "HOST", ""),
    ("REVERB_SERVER_PORT", "PORT", ""),
    ("SOKETI_DEFAULT_APP_ID", "IDENT", ""),
    ("SOKETI_DEFAULT_APP_KEY", "KEY", ""),
    ("SOKETI_DEFAULT_APP_SECRET", "SECRET", ""),
    ("REVERB_APP_ID", "IDENT", ""),
    ("REVERB_APP_KEY", "KEY", ""),
    ("REVERB_APP_SECRET", "SECRET", ""),
    ("PUSHER_APP_ID", "IDENT", ""),
    ("PUSHER_APP_KEY", "KEY", ""),
    ("PUSHER_APP_SECRET", "SECRET", ""),
];

const APP: [&str; 3] = ["PUSHI_APP_ID", "PUSHI_APP_KEY", "PUSHI_APP_SECRET"];

/// The names of other servers; read only where all three are set and none of ours is.
const APP_ALIASES: [[&str; 3]; 3] = [
    [
        "SOKETI_DEFAULT_APP_ID",
        "SOKETI_DEFAULT_APP_KEY",
        "SOKETI_DEFAULT_APP_SECRET",
    ],
    ["REVERB_APP_ID", "REVERB_APP_KEY", "REVERB_APP_SECRET"],
    ["PUSHER_APP_ID", "PUSHER_APP_KEY", "PUSHER_APP_SECRET"],
];

/// The variables that are set, by name. It holds secrets, so it has no `Debug`.
#[derive(Clone, Default)]
pub(crate) struct ServerConfig(BTreeMap<&'static str, String>);

/// A listener of the server, as a URL shows it.
#[derive(Debug, PartialEq, Eq)]
struct ListenerAddress {
    /// With brackets around an IPv6 address.
    host: String,
    port: u16,
    tls: bool,
}

/// Which credentials a run needs; the key always.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Required {
    pub(crate) app_id: bool,
    pub(crate) secret: bool,
}

impl ServerConfig {
    /// Whether the configuration has a variable of this name.
    pub(crate) fn reads(name: &str) -> bool {
        VARIABLES.iter().any(|(known, ..)| *known == name)
    }

    /// The configuration with these credentials of an app.
    pub(crate) fn set_app(&mut self, values: [&str; 3]) {
        self.0
            .extend(APP.into_iter().zip(values.map(str::to_owned)));
    }

    /// The URL at which the server accepts WebSocket clients, without a path.
    ///
    /// # Errors
    ///
    /// A variable has an invalid value.
    pub(crate) fn websocket_url(&self) -> Result<String, BenchError> {
        let [api, websocket] = self.listeners()?;
        let same = api.port != 0 && api.port == websocket.port && api.host == websocket.host;
        let listener = if same { api } else { websocket };
        Ok(listener.url(["ws", "wss"]))
    }

    /// The URL of the server's REST API, without a path.
    ///
    /// # Errors
    ///
    /// A variable has an invalid value.
    pub(crate) fn api_url(&self) -> Result<String, BenchError> {
        let [api, _] = self.listeners()?;
        Ok(api.url(["http", "https"]))
    }

    /// The app's credentials. `url_key` is the key in the address of the server.
    ///
    /// # Errors
    ///
    /// A required part is not set.
    pub(crate) fn credentials(
        &self,
        url_key: Option<&str>,
        required: Required,
    ) -> Result<Credentials, BenchError> {
        let [app_id, key, secret] = self.app_variables();
        let optional = |value: Option<&str>, required: bool| match value {
            None if !required => Some(String::new()),
            value => value.map(str::to_owned),
        };
        if let (Some(key), false, false) = (url_key, required.app_id, required.secret) {
            return Ok(Credentials {
                app_id: String::new(),
                key: key.to_owned(),
                secret: Secret::new(""),
            });
        }
        let parts = (
            optional(self.get(app_id), required.app_id),
            self.get(key).or(url_key),
            optional(self.get(secret), required.secret),
        );
        match parts {
            (Some(app_id), Some(key), Some(secret)) => Ok(Credentials {
                app_id,
                key: key.to_owned(),
                secret: Secret::new(secret),
            }),
            _ => Err(BenchError::run(
                "the app's credentials are incomplete: give --app-id, --app-key and --app-secret, \
                 or PUSHI_APP_ID, PUSHI_APP_KEY and PUSHI_APP_SECRET (pushi app list shows them)",
            )),
        }
    }

    /// The listener of the REST API and that for WebSocket. On the same address they are one, and
    /// either `…_SSL` applies.
    fn listeners(&self) -> Result<[ListenerAddress; 2], BenchError> {
        let first_set = |names: [&'static str; 3]| {
            let set = names.into_iter().find(|name| self.get(name).is_some());
            set.unwrap_or(names[0])
        };
        let server_host = first_set(["SERVER_HOST", "SOKETI_HOST", "REVERB_SERVER_HOST"]);
        let server_port = first_set(["SERVER_PORT", "SOKETI_PORT", "REVERB_SERVER_PORT"]);
        let mut api = self.listener(["APP_HOST", "APP_PORT", "APP_SSL"], 8080)?;
        let websocket = self.listener([server_host, server_port, "SERVER_SSL"], 9090)?;
        let same = api.port == websocket.port && api.host == websocket.host;
        if same && self.get("APP_SSL").is_none() {
            api.tls = websocket.tls;
        }
        Ok([api, websocket])
    }

    fn listener(
        &self,
        [host, port, tls]: [&'static str; 3],
        default_port: u16,
    ) -> Result<ListenerAddress, BenchError> {
        Ok(ListenerAddress {
            host: reachable_host(self.get(host).unwrap_or("127.0.0.1")),
            port: match self.get(port) {
                None => default_port,
                Some(text) => text
                    .parse()
                    .map_err(|_| invalid(port, text, "a port from 0 to 65535"))?,
            },
            tls: match self.get(tls).unwrap_or("0").to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => true,
                "0" | "false" | "no" | "off" => false,
                text => return Err(invalid(tls, text, "1 or 0")),
            },
        })
    }

    fn app_variables(&self) -> [&'static str; 3] {
        let any = |names: &[&str; 3]| names.iter().any(|name| self.get(name).is_some());
        let all = |names: &[&str; 3]| names.iter().all(|name| self.get(name).is_some());
        let alias = APP_ALIASES.into_iter().find(all).filter(|_| !any(&APP));
        alias.unwrap_or(APP)
    }

    /// The value of a variable; an empty one counts as not set.
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }
}

impl ListenerAddress {
    fn url(&self, [plain, secure]: [&str; 2]) -> String {
        let scheme = if self.tls { secure } else { plain };
        format!("{scheme}://{}:{}", self.host, self.port)
    }
}

fn invalid(name: &str, value: &str, accepts: &str) -> BenchError {
    BenchError::Start(format!(
        "{name}={value:?} cannot be used: it accepts {accepts}"
    ))
}

/// The host as a part of a URL; the loopback address in place of "all addresses".
fn reachable_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => {
            format!("[{}]", Ipv6Addr::LOCALHOST)
        }
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.to_owned(),
    }
}

fn arg((name, kind, help): Variable) -> Arg {
    let flag = name.strip_prefix("PUSHI_").unwrap_or(name);
    let arg = Arg::new(name)
        .long(flag.to_ascii_lowercase().replace('_', "-"))
        .env(name)
        .hide_env_values(true)
        .hide(help.is_empty())
        .value_name(kind)
        .help(help)
        .help_heading(HEADING);
    if kind == SWITCH {
        arg.num_args(0..=1).default_missing_value("1")
    } else {
        arg
    }
}

impl clap::Args for ServerConfig {
    fn augment_args(command: Command) -> Command {
        command.args(VARIABLES.map(arg))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for ServerConfig {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let value = |(name, ..): Variable| Some((name, matches.get_one::<String>(name)?.clone()));
        Ok(Self(VARIABLES.into_iter().filter_map(value).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.extend(Self::from_arg_matches(matches)?.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&'static str, &str)]) -> ServerConfig {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        ServerConfig(pairs.collect())
    }

    fn urls(pairs: &[(&'static str, &str)]) -> [String; 2] {
        let config = config(pairs);
        [config.websocket_url().unwrap(), config.api_url().unwrap()]
    }

    #[test]
    fn urls_are_reachable_on_this_machine() {
        assert_eq!(urls(&[]), ["ws://127.0.0.1:9090", "http://127.0.0.1:8080"]);
        assert_eq!(
            urls(&[
                ("APP_HOST", "chat.example"),
                ("APP_PORT", "443"),
                ("APP_SSL", "1"),
                ("SERVER_HOST", "::"),
                ("SERVER_PORT", "1"),
            ]),
            ["ws://[::1]:1", "https://chat.example:443"]
        );
        assert_eq!(
            urls(&[("SERVER_HOST", "[FD00::1]"), ("SERVER_SSL", "on")])[0],
            "wss://[fd00::1]:9090"
        );
        assert_eq!(
            urls(&[("APP_HOST", "0.0.0.0"), ("SOKETI_PORT", "6001")]),
            ["ws://127.0.0.1:6001", "http://127.0.0.1:8080"]
        );
    }

    #[test]
    fn one_address_has_one_tls_setting() {
        let same = ("SERVER_PORT", "8080");
        let secure = ["wss://127.0.0.1:8080", "https://127.0.0.1:8080"];
        assert_eq!(urls(&[same, ("SERVER_SSL", "1")]), secure);
        assert_eq!(urls(&[same, ("APP_SSL", "1")]), secure);
    }

    #[test]
    fn an_invalid_value_is_named() {
        let port = config(&[("APP_PORT", "x")]).api_url();
        assert_eq!(
            port.unwrap_err().to_string(),
            "APP_PORT=\"x\" cannot be used: it accepts a port from 0 to 65535"
        );
        assert!(config(&[("SERVER_SSL", "2")]).websocket_url().is_err());
    }

    #[test]
    fn credentials_of_other_servers_count_where_they_are_complete() {
        let all = Required {
            app_id: true,
            secret: true,
        };
        let reverb = [
            ("REVERB_APP_ID", "1"),
            ("REVERB_APP_KEY", "k"),
            ("REVERB_APP_SECRET", "s"),
        ];
        let found = config(&reverb).credentials(None, all).unwrap();
        assert_eq!(
            (
                found.app_id.as_str(),
                found.key.as_str(),
                found.secret.expose()
            ),
            ("1", "k", "s")
        );
        assert!(config(&reverb[..2]).credentials(None, all).is_err());
        let ours = [&reverb[..], &[("PUSHI_APP_KEY", "k2")]].concat();
        assert!(config(&ours).credentials(None, all).is_err());
    }

    #[test]
    fn the_key_of_the_url_is_enough_to_subscribe() {
        let none = Required {
            app_id: false,
            secret: false,
        };
        assert_eq!(config(&[]).credentials(Some("k"), none).unwrap().key, "k");
        assert!(config(&[]).credentials(None, none).is_err());
        let signed = Required {
            app_id: false,
            secret: true,
        };
        let found = config(&[("PUSHI_APP_SECRET", "s")]).credentials(Some("k"), signed);
        assert_eq!(found.unwrap().secret, Secret::new("s"));
    }
}
