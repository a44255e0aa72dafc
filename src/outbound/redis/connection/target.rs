//! Which Redis.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

/// Which Redis: one server, or a cluster that knows its servers itself.
#[derive(Clone)]
pub struct Target {
    /// Whom to ask first; of a cluster, any that answers.
    pub(super) seeds: Vec<ConnectionInfo>,
    /// Whether it is a cluster.
    pub(super) cluster: bool,
}

/// A URL that cannot be used. It never shows a password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(&'static str);

impl Target {
    /// One server: `redis://` or `rediss://`, with `user:password@`, port and `/database` where they are not the usual.
    pub fn single(url: &str) -> Result<Self, TargetError> {
        Ok(Self {
            seeds: vec![connection(url)?],
            cluster: false,
        })
    }

    /// A cluster: `host:port,host:port`, with `user:password@` before the first where that is needed.
    pub fn cluster(nodes: &str) -> Result<Self, TargetError> {
        let (login, hosts) = nodes.rsplit_once('@').map_or(("", nodes), |(_, hosts)| {
            nodes.split_at(nodes.len() - hosts.len())
        });
        let seeds = hosts
            .split(',')
            .map(|host| connection(&format!("redis://{login}{}", host.trim_matches(['/', ' ']))));
        Ok(Self {
            seeds: seeds.collect::<Result<_, _>>()?,
            cluster: true,
        })
    }

    /// The number of the database, which keeps several deployments on one server apart.
    pub fn database(&self) -> i64 {
        self.seeds
            .first()
            .map_or(0, |seed| seed.redis_settings().db())
    }

    /// Where it is, for the log.
    pub fn describe(&self) -> String {
        self.seeds
            .iter()
            .map(|seed| seed.addr().to_string())
            .collect::<Vec<_>>()
            .join(",")
    }
}

/// The same login at another server of the cluster.
pub(super) fn at(seed: &ConnectionInfo, host: &str, port: u16) -> ConnectionInfo {
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
pub(super) fn host(info: &ConnectionInfo) -> &str {
    match info.addr() {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
        _ => "",
    }
}

fn connection(url: &str) -> Result<ConnectionInfo, TargetError> {
    // The driver's own words could show the URL.
    let info = url
        .into_connection_info()
        .map_err(|_| TargetError("it is no redis:// or rediss:// URL with a host"))?;
    if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
        return Err(TargetError(
            "certificates are always checked: remove #insecure",
        ));
    }
    // Pushed messages and answers share one connection only in this version of the protocol (Redis 6, Valkey 7 and later).
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
    fn urls() {
        let target =
            Target::single("redis://:hunter2@h:7000/3").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (target.database(), target.describe().as_str()),
            (3, "h:7000")
        );
        assert_eq!(target.seeds[0].redis_settings().password(), Some("hunter2"));
        assert!(matches!(
            Target::single("rediss://h").map(|t| t.seeds[0].addr().clone()),
            Ok(ConnectionAddr::TcpTls { .. })
        ));
        for bad in ["", "http://h", "rediss://h/#insecure"] {
            assert!(Target::single(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cluster_is_a_list_of_servers_with_one_login() {
        let target = Target::cluster("u:p@a:1,b:2").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(target.describe(), "a:1,b:2");
        assert!(
            target
                .seeds
                .iter()
                .all(|seed| seed.redis_settings().password() == Some("p"))
        );
        let moved = at(&target.seeds[0], "c", 3);
        assert_eq!(
            (
                moved.addr().to_string().as_str(),
                moved.redis_settings().username()
            ),
            ("c:3", Some("u"))
        );
    }
}
