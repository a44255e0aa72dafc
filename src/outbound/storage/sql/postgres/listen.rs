//! Listening for rows that applications insert into `pushi_publish`.

use std::time::Duration;

use futures_util::FutureExt;
use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

/// The channel of the trigger in `migrations`; a message names the schema of the table.
const CHANNEL: &str = "pushi_publish";

/// The interval in which rows are looked for without a message: messages are lost with the connection.
const POLL: Duration = Duration::from_secs(1);

/// After this time without a message the connection is tested.
const TEST_AFTER: Duration = Duration::from_secs(30);

/// The pause after a connection that failed.
const RETRY: Duration = Duration::from_secs(10);

/// A connection for messages, besides the pool. It is opened by the first call.
pub(super) struct RowListener {
    options: PgConnectOptions,
    timeout: Duration,
    state: Mutex<State>,
}

enum State {
    /// Not connected; not before this time.
    Idle(Option<Instant>),
    Listening(Box<Listening>),
}

struct Listening {
    listener: PgListener,
    schema: String,
    /// The time of the last message or test.
    tested: Instant,
}

impl RowListener {
    pub(super) fn new(options: PgConnectOptions, timeout: Duration) -> Self {
        Self {
            options,
            timeout,
            state: Mutex::new(State::Idle(None)),
        }
    }

    /// Waits for a message, at most for [`POLL`].
    pub(super) async fn inserted(&self) {
        let mut state = self.state.lock().await;
        let until = Instant::now() + POLL;
        match &mut *state {
            State::Idle(Some(retry)) if *retry > until => tokio::time::sleep_until(until).await,
            State::Idle(_) => match timeout(self.timeout, self.listen()).await {
                // Rows may have been inserted before.
                Ok(Ok(listening)) => *state = State::Listening(Box::new(listening)),
                failed => {
                    let error = match failed {
                        Ok(Err(error)) => error.to_string(),
                        _ => "no answer in time".to_owned(),
                    };
                    tracing::warn!(
                        error,
                        "no LISTEN connection to PostgreSQL: rows of pushi_publish are looked for once a second"
                    );
                    *state = State::Idle(Some(Instant::now() + RETRY));
                    tokio::time::sleep_until(until).await;
                }
            },
            State::Listening(listening) => {
                if !listening.receive(until, self.timeout).await {
                    *state = State::Idle(None);
                }
            }
        }
    }

    async fn listen(&self) -> Result<Listening, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        let schema = sqlx::query_scalar("SELECT current_schema()");
        let schema = schema.fetch_one(&mut listener).await?;
        Ok(Listening {
            listener,
            schema,
            tested: Instant::now(),
        })
    }

    /// Closes the connection, unless a call uses it.
    pub(super) fn close(&self) {
        if let Ok(mut state) = self.state.try_lock() {
            *state = State::Idle(None);
        }
    }
}

impl Listening {
    /// Waits for a message of the own schema; `false`: the connection has failed.
    async fn receive(&mut self, until: Instant, limit: Duration) -> bool {
        loop {
            let Ok(received) = timeout_at(until, self.listener.try_recv()).await else {
                if self.tested.elapsed() < TEST_AFTER {
                    return true;
                }
                self.tested = Instant::now();
                let test = timeout(limit, self.listener.execute("SELECT 1")).await;
                return matches!(test, Ok(Ok(_)));
            };
            let Ok(Some(received)) = received else {
                return false;
            };
            self.tested = Instant::now();
            let mut is_own = received.payload() == self.schema;
            // What has arrived besides is for the same rows.
            while let Some(next) = self.listener.try_recv().now_or_never() {
                let Ok(Some(next)) = next else { return false };
                is_own |= next.payload() == self.schema;
            }
            if is_own {
                return true;
            }
        }
    }
}
