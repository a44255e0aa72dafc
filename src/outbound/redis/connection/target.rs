//! The Redis servers to connect to.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

/// The address of one server, or of some servers of a cluster, which report the others.
#[derive(Clone)]
pub struct RedisTarget {
    /// The servers to connect to; of a cluster, the first that responds lists all.
    pub(super) seeds: Vec<ConnectionInfo>,
    pub(super) cluster: bool,
}

/// A URL that cannot be used. The text never contains a password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RedisTargetError(&'static str);

impl RedisTarget {
    /// Parses the URL of one server: `redis://` or `rediss://`, with optional `user:password@`,
    /// port and `/database`.
    ///
    /// # Errors
    /// When it is no such URL, or disables certificate checks.
    pub fn single(url: &str) -> Result<Self, RedisTargetError> {
        Ok(Self {
            seeds: vec![parse_url(url)?],
            cluster: false,
        })
    }

    /// Parses the servers of a cluster: `host:port,host:port`, with optional `user:password@`
    /// before the first, which applies to all.
    ///
    /// # Errors
    /// When an address has no host.
    pub fn cluster(nodes: &str) -> Result<Self, RedisTargetError> {
        let (login, hosts) = nodes.rsplit_once('@').map_or(("", nodes), |(_, hosts)| {
            nodes.split_at(nodes.len() - hosts.len())
        });
        let seeds = hosts
            .split(',')
            .map(|host| parse_url(&format!("redis://{login}{}", host.trim_matches(['/', ' ']))));
        Ok(Self {
            seeds: seeds.collect::<Result<_, _>>()?,
            cluster: true,
        })
    }

    /// The number of the database, which separates several deployments on one server.
    pub fn database(&self) -> i64 {
        self.seeds
            .first()
            .map_or(0, |seed| seed.redis_settings().db())
    }

    /// The addresses without credentials, for logs.
    pub fn describe(&self) -> String {
        self.seeds
            .iter()
            .map(|seed| seed.addr().to_string())
            .collect::<Vec<_>>()
            .join(",")
    }
}

/// The login of `seed` at another server of the cluster.
pub(super) fn with_address(seed: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
    let addr = match seed.addr() {
        ConnectionAddr::TcpTls {
            insecure,
            tls_params,
            ..
        } => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host.to_owned(), port),
    };
    seed.clone().set_addr(addr)
}

/// The host of a server's address.
pub(super) fn host_of(info: &ConnectionInfo) -> &str {
    match info.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
        _ => "",
    }
}

fn parse_url(url: &str) -> Result<ConnectionInfo, RedisTargetError> {
    // The driver's error text could contain the password.
    let info = url
        .into_connection_info()
        .map_err(|_| RedisTargetError("not a redis:// or rediss:// URL with a host"))?;
    if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
        return Err(RedisTargetError(
            "certificates are always verified: remove #insecure",
        ));
    }
    // Only RESP3 carries pushed messages and replies on one connection (Redis 6, Valkey 7 and
    // later).
    let settings = info
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_server_urls() {
        let target = RedisTarget::single("redis://:hunter2@h:7000/3")
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (target.database(), target.describe().as_str()),
            (3, "h:7000")
        );
        assert_eq!(target.seeds[0].redis_settings().password(), Some("hunter2"));
        assert!(matches!(
            RedisTarget::single("rediss://h").map(|t| t.seeds[0].addr().clone()),
            Ok(ConnectionAddr::TcpTls { .. })
        ));
        for bad in ["", "http://h", "rediss://h/#insecure"] {
            assert!(RedisTarget::single(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn cluster_addresses_share_one_login() {
        let target = RedisTarget::cluster("u:p@a:1,b:2").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(target.describe(), "a:1,b:2");
        assert!(
            target
                .seeds
                .iter()
                .all(|seed| seed.redis_settings().password() == Some("p"))
        );
        let moved = with_address(&target.seeds[0], "c", 3);
        assert_eq!(
            (
                moved.addr().to_string().as_str(),
                moved.redis_settings().username()
            ),
            ("c:3", Some("u"))
        );
    }
}
