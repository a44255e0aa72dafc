//! What the start does with the store. A store that is not available yet, or that another process prepares at the same
//! time, does not end the start: each step is repeated for the store timeout.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::StartError;
use crate::config::{BootstrapApp, StoreSettings, StoreUrl};
use crate::core::auth::random_53_bits;
use crate::core::backoff::{Backoff, jitter};
use crate::core::error::StorageError;
use crate::core::model::AppSettings;
use crate::core::ports::Stores;
use crate::core::service::bootstrap::{self, BootstrapError};
use crate::core::service::{AppError, LoginError, Service};
use crate::outbound::storage::mongodb::{self, MongoOptions};
use crate::outbound::storage::sql::postgres::{self, PostgresOptions};
use crate::outbound::storage::sql::sqlite::{self, SqliteOptions};

/// An attempt that takes longer is logged as one that waits; at most this part of the timeout.
const SILENT: (Duration, f64) = (Duration::from_secs(2), 0.4);

/// The pause after a failed attempt, which doubles up to the second one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));

/// Repeats what fails because the store is not available yet.
pub(super) struct StartAttempts {
    timeout: Duration,
    deadline: Instant,
    pauses: Backoff,
    logged: bool,
}

impl StartAttempts {
    /// Attempts that begin within `timeout` from now.
    pub(super) fn new(timeout: Duration) -> Self {
        // Without a deadline where the clock ends: a timeout of centuries.
        let now = Instant::now();
        Self {
            timeout,
            deadline: now.checked_add(timeout).unwrap_or(now),
            pauses: Backoff::new(PAUSES.0, PAUSES.1),
            logged: false,
        }
    }

    /// Calls `step` until it succeeds, fails for good, or the time is over; logs once that it waits. No attempt begins where
    /// the remaining time is shorter than what the last one took, as with a driver that waits for the server itself.
    pub(super) async fn repeat<T>(
        mut self,
        mut step: impl AsyncFnMut() -> Result<T, StartError>,
    ) -> Result<T, StartError> {
        let silent = self.timeout.mul_f64(SILENT.1).min(SILENT.0);
        loop {
            let begun = Instant::now();
            let outcome = {
                let mut attempt = pin!(step());
                match timeout(silent, &mut attempt).await {
                    Ok(outcome) => outcome,
                    Err(_) => {
                        self.log(&"no answer yet");
                        attempt.await
                    }
                }
            };
            let Err(error) = outcome else {
                return outcome;
            };
            let remaining = self.deadline.saturating_duration_since(Instant::now());
            if !is_temporary(&error) || remaining <= begun.elapsed() {
                return Err(error);
            }
            self.log(&error);
            let pause = jitter(self.pauses.next_delay(), random_53_bits()?);
            sleep(pause.min(remaining)).await;
        }
    }

    fn log(&mut self, error: &dyn std::fmt::Display) {
        if !self.logged {
            self.logged = true;
            tracing::warn!(%error, timeout = ?self.timeout, "store not available yet, waiting for it");
        }
    }
}

/// Whether a later attempt may succeed without a change by an operator.
fn is_temporary(error: &StartError) -> bool {
    let unavailable = |error: &StorageError| matches!(error, StorageError::Unavailable(_));
    match error {
        StartError::Store(error) => error.is_temporary(),
        StartError::Storage(error)
        | StartError::App(AppError::Storage(error))
        | StartError::FirstApp(
            BootstrapError::App(AppError::Storage(error))
            | BootstrapError::Session(LoginError::Storage(error)),
        ) => unavailable(error),
        _ => false,
    }
}

/// Opens the configured store, and waits for it where it is not available yet.
///
/// # Errors
/// Fails where the store cannot be opened.
pub async fn open_stores(settings: &StoreSettings) -> Result<Stores, StartError> {
    StartAttempts::new(settings.timeout)
        .repeat(|| open(settings))
        .await
}

async fn open(settings: &StoreSettings) -> Result<Stores, StartError> {
    let sqlite = |path| SqliteOptions {
        path,
        timeout: settings.timeout,
        readers: settings.pool,
    };
    match &settings.url {
        StoreUrl::Sqlite { path } => Ok(sqlite::open(sqlite(Some(path.into()))).await?),
        StoreUrl::SqliteMemory => Ok(sqlite::open(sqlite(None)).await?),
        StoreUrl::Postgres(url) => Ok(postgres::open(PostgresOptions {
            url: url.clone(),
            timeout: settings.timeout,
            pool: settings.pool,
        })
        .await?),
        StoreUrl::Mongo { url, database } => {
            let (url, database) = (url.clone(), database.clone());
            Ok(mongodb::open(MongoOptions {
                url,
                database,
                timeout: settings.timeout,
                pool: settings.pool,
            })
            .await?)
        }
    }
}

/// Creates or updates the configured app. In an app whose clients speak the Pusher protocol, only the
/// back end publishes, and a member's data needs its signature, in the other dialect as well.
pub(super) async fn configure_app(service: &Service, app: &BootstrapApp) -> Result<(), StartError> {
    let settings = AppSettings {
        client_publish: !app.pusher_clients,
        signed_presence: app.pusher_clients,
        ..AppSettings::default()
    };
    let name = app.name.as_deref();
    bootstrap::ensure_app(service, &app.ident, &app.key, &app.secret, name, settings).await?;
    if app.pusher_clients && service.app(&app.ident).await?.settings.client_publish {
        tracing::warn!(
            app = %app.ident,
            "client_publish is on: every subscriber can publish the events of the back end in the pushi dialect"
        );
    }
    Ok(())
}
