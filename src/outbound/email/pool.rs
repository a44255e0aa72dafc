//! Connections that are kept between mails.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use crate::core::model::{MailServer, Secret};

/// The most servers (with account) whose connections are kept; the one that was not used for the longest time loses them.
const MAX_SERVERS: usize = 64;

/// The most connections to a server at a time; further mails wait for one.
const MAX_CONNECTIONS: usize = 8;

/// The time for which an unused connection is kept. Servers close one after five minutes (RFC 5321, 4.5.3.2.7).
const IDLE: Duration = Duration::from_secs(30);

/// The time between two searches for connections that were unused for too long.
const SWEEP: Duration = Duration::from_secs(5);

/// The time in which a server may answer a farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// A server and an account, without the password in readable form.
type PoolKey = [u8; 32];

/// The connections of all servers, at most [`MAX_SERVERS`] times [`MAX_CONNECTIONS`].
#[derive(Default)]
pub(super) struct Pools(Arc<Mutex<PoolState>>);

#[derive(Default)]
struct PoolState {
    servers: HashMap<PoolKey, ServerPool>,
    /// Whether a task closes unused connections.
    sweeping: bool,
}

struct ServerPool {
    places: Arc<Semaphore>,
    idle: Vec<(AsyncSmtpConnection, Instant)>,
    used: Instant,
}

/// The right to have a connection to a server.
pub(super) struct Lease {
    key: PoolKey,
    _place: Option<OwnedSemaphorePermit>,
    /// A connection that was used before.
    pub parked: Option<AsyncSmtpConnection>,
}

impl Pools {
    /// Waits for the right to have a connection.
    pub(super) async fn lease(&self, server: &MailServer) -> Lease {
        let key = key_of(server);
        let places = self.0.lock().places(key);
        // A semaphore that is never closed.
        let place = places.acquire_owned().await.ok();
        let parked = self
            .0
            .lock()
            .servers
            .get_mut(&key)
            .and_then(|server| server.idle.pop())
            .map(|(connection, _)| connection);
        Lease {
            key,
            _place: place,
            parked,
        }
    }

    /// Keeps a connection for the next mail.
    pub(super) fn park(&self, lease: &Lease, connection: AsyncSmtpConnection) {
        let mut state = self.0.lock();
        let Some(server) = state.servers.get_mut(&lease.key) else {
            return;
        };
        server.idle.push((connection, Instant::now()));
        if !state.sweeping {
            state.sweeping = true;
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }
}

impl PoolState {
    fn places(&mut self, key: PoolKey) -> Arc<Semaphore> {
        if !self.servers.contains_key(&key) && self.servers.len() >= MAX_SERVERS {
            let oldest = self.servers.iter().min_by_key(|(_, server)| server.used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.servers.remove(&oldest);
            }
        }
        let server = self.servers.entry(key).or_insert_with(|| ServerPool {
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            idle: Vec::new(),
            used: Instant::now(),
        });
        server.used = Instant::now();
        Arc::clone(&server.places)
    }

    /// Removes the connections that were unused for too long, and servers without any.
    fn expired(&mut self) -> Vec<AsyncSmtpConnection> {
        let mut expired = Vec::new();
        self.servers.retain(|_, server| {
            let (old, kept) = std::mem::take(&mut server.idle)
                .into_iter()
                .partition(|(_, since)| since.elapsed() >= IDLE);
            server.idle = kept;
            let old: Vec<_> = old;
            expired.extend(old.into_iter().map(|(connection, _)| connection));
            !server.idle.is_empty() || server.used.elapsed() < IDLE
        });
        expired
    }
}

/// Closes unused connections until there are none.
async fn sweep(state: Weak<Mutex<PoolState>>) {
    loop {
        sleep(SWEEP).await;
        let Some(state) = state.upgrade() else {
            return;
        };
        let expired = {
            let mut state = state.lock();
            let expired = state.expired();
            if state.servers.is_empty() {
                state.sweeping = false;
            }
            expired
        };
        for mut connection in expired {
            let _ = timeout(FAREWELL, connection.quit()).await;
        }
        if !state.lock().sweeping {
            return;
        }
    }
}

fn key_of(server: &MailServer) -> PoolKey {
    let password = server.password.as_ref().map(Secret::expose);
    let mut digest = Sha256::new();
    let port = server.port.to_string();
    let tls = format!("{:?} {}", server.tls, server.is_trusted);
    for part in [
        Some(server.host.as_str()),
        Some(&port),
        Some(&tls),
        server.user.as_deref(),
        password,
    ] {
        let part = part.unwrap_or_default();
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::MailTls;

    fn server(host: &str) -> MailServer {
        MailServer {
            host: host.into(),
            port: 25,
            tls: MailTls::None,
            user: None,
            password: None,
            sender: "shop@shop.example".into(),
            is_trusted: false,
        }
    }

    #[test]
    fn accounts_and_trust_do_not_share_connections() {
        let plain = server("mail.example");
        let other_sender = MailServer {
            sender: "other@shop.example".into(),
            ..plain.clone()
        };
        assert_eq!(key_of(&plain), key_of(&other_sender));
        let with_login = |user: &str, password: &str| MailServer {
            user: Some(user.into()),
            password: Some(Secret::new(password)),
            ..plain.clone()
        };
        let mut keys = vec![
            key_of(&plain),
            key_of(&MailServer {
                port: 26,
                ..plain.clone()
            }),
            key_of(&MailServer {
                tls: MailTls::StartTls,
                ..plain.clone()
            }),
            key_of(&MailServer {
                is_trusted: true,
                ..plain.clone()
            }),
            key_of(&with_login("ann", "x")),
            key_of(&with_login("ann", "y")),
            key_of(&with_login("an", "nx")),
        ];
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn servers_and_their_connections_are_bounded() {
        let pools = Pools::default();
        let mut leases = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            leases.push(pools.lease(&server("a.example")).await);
        }
        let next = timeout(IDLE, async { pools.lease(&server("a.example")).await });
        assert!(next.await.is_err(), "a further connection waits");
        leases.pop();
        pools.lease(&server("a.example")).await;
        for number in 0..2 * MAX_SERVERS {
            tokio::time::advance(Duration::from_millis(1)).await;
            pools.lease(&server(&format!("{number}.example"))).await;
        }
        assert_eq!(pools.0.lock().servers.len(), MAX_SERVERS);
    }
}
