use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::core::model::CredentialDigest;
use crate::outbound::metrics::PrometheusMetrics;
use crate::outbound::storage::memory;

/// A store of sessions whose writes do not end.
#[derive(Default)]
struct Hanging {
    writes: AtomicUsize,
}

impl Hanging {
    async fn write<T>(&self) -> T {
        self.writes.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

#[async_trait]
impl SessionStore for Hanging {
    async fn put(&self, _: &Session) -> StorageResult<()> {
        self.write().await
    }

    async fn get(&self, _: &TokenHash) -> StorageResult<Option<Session>> {
        Ok(None)
    }

    async fn end(&self, _: &TokenHash) -> StorageResult<()> {
        self.write().await
    }

    async fn end_all(&self, _: &AppIdent) -> StorageResult<()> {
        self.write().await
    }

    async fn prune(&self, _: Timestamp) -> StorageResult<u64> {
        self.write().await
    }
}

fn session(app: &str) -> Session {
    Session {
        hash: TokenHash([0; 32]),
        app: AppIdent::trusted(app),
        credential: CredentialDigest([0; 32]),
        expires: Timestamp::default(),
    }
}

/// Writers of SQLite wait in one queue: without turns, the logins of one app delay the publishes of all others.
#[tokio::test(start_paused = true)]
async fn logins_of_an_app_leave_the_store_to_others() {
    let hanging = Arc::new(Hanging::default());
    let metrics: Arc<dyn Metrics> = Arc::new(PrometheusMetrics::new().unwrap());
    let stores = Stores {
        sessions: hanging.clone(),
        ..memory::open()
    };
    let timeout = Duration::from_secs(5);
    let sessions = instrument(&stores, &metrics, 6, timeout).sessions;
    let login = |app: &str| {
        let (sessions, session) = (Arc::clone(&sessions), session(app));
        tokio::spawn(async move { sessions.put(&session).await })
    };
    let many: Vec<_> = (0..20).map(|_| login("a")).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(hanging.writes.load(Ordering::SeqCst), 3, "half of the pool");
    let _other = login("b");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(hanging.writes.load(Ordering::SeqCst), 4);
    tokio::time::sleep(timeout).await;
    let refused = many.into_iter().filter(|login| login.is_finished());
    assert_eq!(refused.count(), 17, "they have waited for their turn");
}
