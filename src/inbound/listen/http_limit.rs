//! The limits on HTTP connections and on handshakes, of the node and of one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

use super::forwarded::TrustedProxies;
use crate::core::ports::{HttpRefusal, Metrics};

/// The connections of the node, and of one address, that have not sent their first request head: each has up to 16 KiB of a
/// head, for the handshake timeout. More than clients open at once, fewer than open files. Others are closed at once.
const MAX_HANDSHAKES: u64 = 10_000;
const MAX_HANDSHAKES_PER_ADDRESS: u64 = 5000;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Http,
}

/// The HTTP connections of the node, counted from their first request head to their end, a lingering
/// close included. WebSocket connections do not count.
///
/// Or the connections until their first request head ([`HttpConnections::handshakes`]).
pub struct HttpConnections {
    phase: Phase,
    /// The largest number of connections; 0: any.
    limit: u64,
    /// The largest number of one address; 0: any. Trusted proxies may have any number.
    limit_per_address: u64,
    open: Mutex<OpenConnections>,
    metrics: Arc<dyn Metrics>,
}

/// Bounded by the limit: an address is forgotten with its last connection.
#[derive(Default)]
struct OpenConnections {
    all: u64,
    by_address: HashMap<IpAddr, u64>,
}

/// An open connection; dropping it ends the count.
pub(super) struct HttpConnectionPermit {
    connections: Arc<HttpConnections>,
    /// `None`: a trusted proxy.
    address: Option<IpAddr>,
}

impl HttpConnections {
    /// Limits of the node and of one address; 0: any number.
    pub fn new(limit: u64, limit_per_address: u64, metrics: Arc<dyn Metrics>) -> Self {
        Self {
            phase: Phase::Http,
            limit,
            limit_per_address,
            open: Mutex::default(),
            metrics,
        }
    }

    /// The connections that have not sent their first request head, of either protocol.
    pub fn handshakes(metrics: Arc<dyn Metrics>) -> Self {
        Self {
            phase: Phase::Handshake,
            ..Self::new(MAX_HANDSHAKES, MAX_HANDSHAKES_PER_ADDRESS, metrics)
        }
    }

    /// Counts a connection of this peer.
    ///
    /// # Errors
    /// The limit that it would exceed.
    pub(super) fn open(
        self: &Arc<Self>,
        peer: IpAddr,
        proxies: &TrustedProxies,
    ) -> Result<HttpConnectionPermit, HttpRefusal> {
        let address = (!proxies.contains(peer.to_canonical())).then(|| network_of(peer));
        let refusal = {
            let mut open = self.open.lock();
            let of_address = address.map_or(0, |address| {
                open.by_address.get(&address).copied().unwrap_or(0)
            });
            if self.limit != 0 && open.all >= self.limit {
                Some(HttpRefusal::Connections)
            } else if self.limit_per_address != 0 && of_address >= self.limit_per_address {
                Some(HttpRefusal::ConnectionsOfAddress)
            } else {
                open.all += 1;
                if let Some(address) = address {
                    *open.by_address.entry(address).or_default() += 1;
                }
                None
            }
        };
        if let Some(refusal) = refusal {
            let refusal = match self.phase {
                Phase::Handshake => HttpRefusal::Handshakes,
                Phase::Http => refusal,
            };
            self.metrics.http_refused(refusal);
            return Err(refusal);
        }
        self.count(1);
        Ok(HttpConnectionPermit {
            connections: Arc::clone(self),
            address,
        })
    }
}

impl HttpConnections {
    fn count(&self, change: i64) {
        if self.phase == Phase::Http {
            self.metrics.http_connections(change);
        }
    }
}

impl Drop for HttpConnectionPermit {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.all = open.all.saturating_sub(1);
        if let Some(address) = self.address
            && let Entry::Occupied(mut count) = open.by_address.entry(address)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        drop(open);
        self.connections.count(-1);
    }
}

/// The address, or the /64 of an IPv6 address, of which one client usually has all.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::metrics::PrometheusMetrics;

    #[test]
    fn handshakes_are_bounded_and_are_no_http_connections() {
        let metrics = Arc::new(PrometheusMetrics::new().unwrap());
        let handshakes = Arc::new(HttpConnections::handshakes(metrics.clone()));
        let proxies = TrustedProxies::new(Vec::new());
        let open = |peer: &str| handshakes.open(peer.parse().unwrap(), &proxies);
        let held: Vec<_> = (0..MAX_HANDSHAKES_PER_ADDRESS)
            .map(|_| open("192.0.2.1").ok().unwrap())
            .collect();
        assert_eq!(open("192.0.2.1").err(), Some(HttpRefusal::Handshakes));
        assert!(open("192.0.2.2").is_ok());
        let text = metrics.render(Default::default());
        for line in [
            "pushi_http_connections 0",
            "pushi_http_refused_total{limit=\"handshakes\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
        drop(held);
        assert!(open("192.0.2.1").is_ok());
    }

    #[test]
    fn connections_count_per_node_and_per_address_until_they_end() {
        let metrics = Arc::new(PrometheusMetrics::new().unwrap());
        let connections = Arc::new(HttpConnections::new(5, 2, metrics.clone()));
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let open = |peer: &str| connections.open(peer.parse().unwrap(), &proxies);
        let first = open("192.0.2.1").ok();
        let second = open("::ffff:192.0.2.1").ok();
        assert_eq!(
            open("192.0.2.1").err(),
            Some(HttpRefusal::ConnectionsOfAddress)
        );
        // Other addresses and proxies have room; one /64 is one address.
        let others = [
            open("2001:db8::1").ok(),
            open("2001:db8::2").ok(),
            open("10.0.0.1").ok(),
        ];
        assert!(others.iter().all(Option::is_some));
        assert_eq!(open("10.0.0.1").err(), Some(HttpRefusal::Connections));
        drop(first);
        assert_eq!(
            open("2001:db8::3").err(),
            Some(HttpRefusal::ConnectionsOfAddress)
        );
        assert!(open("192.0.2.1").is_ok());
        drop((second, others));
        assert_eq!(connections.open.lock().all, 0);
        assert!(connections.open.lock().by_address.is_empty());
        let text = metrics.render(Default::default());
        for line in [
            "pushi_http_connections 0",
            "pushi_http_refused_total{limit=\"connections\"} 1",
            "pushi_http_refused_total{limit=\"connections_of_address\"} 2",
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }
}
