//! The address that is checked.

use url::{Host, Url};

/// The address, without what only a single client would add to it.
pub(super) struct Target {
    pub is_tls: bool,
    pub host: Host<String>,
    pub port: u16,
    /// The path below which a proxy serves the API, without a slash at its end.
    pub prefix: String,
}

impl Target {
    /// Reads an `http`, `https`, `ws` or `wss` URL; without a scheme it is `https`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let invalid = |reason: &str| {
            format!("the URL {reason}: give an address such as https://realtime.example.com")
        };
        let url = match Url::parse(text) {
            Ok(url) if url.has_host() => url,
            _ if !text.contains("://") => {
                Url::parse(&format!("https://{text}")).map_err(|_| invalid("is invalid"))?
            }
            _ => return Err(invalid("is invalid")),
        };
        let (is_tls, default_port) = match url.scheme() {
            "https" | "wss" => (true, 443),
            "http" | "ws" => (false, 80),
            _ => return Err(invalid("must begin with https, http, wss or ws")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("must have no user and password"));
        }
        let host = url.host().ok_or_else(|| invalid("has no host"))?;
        Ok(Self {
            is_tls,
            host: host.to_owned(),
            port: url.port().unwrap_or(default_port),
            prefix: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The value of the header `Host`.
    pub(super) fn authority(&self) -> String {
        match (self.is_tls, self.port) {
            (true, 443) | (false, 80) => self.host.to_string(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    /// The host as a resolver and a certificate have it.
    pub(super) fn host_name(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.trim_end_matches('.').to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_clients_are_read() {
        let read = |text: &str| {
            let target = Target::parse(text).unwrap();
            (target.is_tls, target.authority(), target.prefix)
        };
        assert_eq!(
            read("https://a.example/realtime/"),
            (true, "a.example".into(), "/realtime".into())
        );
        assert_eq!(
            read("ws://[::1]:8080"),
            (false, "[::1]:8080".into(), String::new())
        );
        assert_eq!(read("a.example"), (true, "a.example".into(), String::new()));
        assert_eq!(
            read("a.example:8443"),
            (true, "a.example:8443".into(), String::new())
        );
    }

    #[test]
    fn other_addresses_are_refused_with_an_example() {
        for text in [
            "",
            "ftp://a.example",
            "https://",
            "https://ann:pw@a.example",
        ] {
            let refused = Target::parse(text).err().unwrap();
            assert!(
                refused.contains("https://realtime.example.com"),
                "{refused}"
            );
            assert!(!refused.contains("pw@"), "{refused}");
        }
    }
}
