//! What a back end does over HTTP: publishing, reading history, and reading what the server counts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::truth::{self, Counts, MEMBERS};
use crate::auth::{Credentials, Secret};
use crate::error::BenchError;
use crate::login::session_token;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The pause between two publishes.
const PUBLISH_PAUSE: Duration = Duration::from_millis(100);

/// One publish in so many is followed by a read of the history.
const READ_EVERY: u64 = 10;

/// What stands before the time of a publish in its data.
pub(super) const MARK: &str = "soak-time:";

/// A session of the app at the REST API.
pub(super) struct BackEnd {
    client: reqwest::Client,
    /// Without a slash at the end.
    url: String,
    app: String,
    token: Secret,
    /// The time zero of the marks.
    clock: Instant,
    active: AtomicBool,
    pub(super) published: AtomicU64,
    pub(super) read: AtomicU64,
}

impl BackEnd {
    /// # Errors
    ///
    /// The API is unreachable or rejects the login.
    pub(super) async fn log_in(
        url: &str,
        insecure: bool,
        credentials: &Credentials,
    ) -> Result<Self, BenchError> {
        let token = session_token(url, insecure, credentials).await?;
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .tls_danger_accept_invalid_certs(insecure)
            .build()
            .map_err(BenchError::run)?;
        Ok(Self {
            client,
            url: url.trim_end_matches('/').to_owned(),
            app: credentials.app_id.clone(),
            token,
            clock: Instant::now(),
            active: AtomicBool::new(false),
            published: AtomicU64::new(0),
            read: AtomicU64::new(0),
        })
    }

    /// Nanoseconds of the clock of the marks.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The data of an event that is published now.
    pub(super) fn marked(&self, filling: usize) -> String {
        format!("{MARK}{:016x}{}", self.now(), "x".repeat(filling))
    }

    /// Publishes and reads while it is active, until the task is aborted. Failures are reported by the next call that the
    /// run itself makes.
    pub(super) async fn work(self: Arc<Self>, channels: Vec<String>) {
        let mut number = 0_u64;
        loop {
            tokio::time::sleep(PUBLISH_PAUSE).await;
            if !self.active.load(Ordering::Relaxed) {
                continue;
            }
            let turn = usize::try_from(number).unwrap_or(0) % channels.len().max(1);
            let Some(channel) = channels.get(turn) else {
                return;
            };
            number += 1;
            let filling = [20, 200, 2_000][turn % 3];
            let persist = !number.is_multiple_of(4);
            if self.publish(channel, filling, persist).await.is_ok() {
                self.published.fetch_add(1, Ordering::Relaxed);
            }
            if number.is_multiple_of(READ_EVERY) {
                let path = format!("/apps/{}/history?channel={channel}", self.app);
                if self.get(&path).await.is_ok() {
                    self.read.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Lets [`BackEnd::work`] publish, or pause.
    pub(super) fn set_active(&self, active: bool) {
        self.active.store(active, Ordering::Relaxed);
    }

    /// Publishes one event of `filling` bytes and its time.
    ///
    /// # Errors
    ///
    /// The API is unreachable or rejects it.
    pub(super) async fn publish(
        &self,
        channel: &str,
        filling: usize,
        persist: bool,
    ) -> Result<(), BenchError> {
        let data = self.marked(filling);
        let body = json!({"channel": channel, "event": "soak", "data": data, "persist": persist});
        let request = self.client.post(format!("{}/events", self.url));
        self.send(request, Some(body)).await.map(drop)
    }

    /// Sends the app's web hooks to this address; `None`: nowhere.
    ///
    /// # Errors
    ///
    /// The API is unreachable or rejects it.
    pub(super) async fn set_webhook(&self, url: Option<&str>) -> Result<(), BenchError> {
        let hooks: Vec<Value> = url.iter().map(|url| json!({"url": url})).collect();
        let request = self.client.put(format!("{}/apps/{}", self.url, self.app));
        let body = json!({"webhooks": hooks});
        self.send(request, Some(body)).await.map(drop)
    }

    /// What the server counts, with the members of these channels.
    ///
    /// # Errors
    ///
    /// The API is unreachable or does not show its metrics.
    pub(super) async fn counts(&self, presence: &[String]) -> Result<Counts, BenchError> {
        let mut counts = truth::gauges(&self.get("/metrics").await?);
        let mut members = 0_usize;
        for channel in presence {
            let path = format!("/apps/{}/members?channel={channel}", self.app);
            let answer: Value = serde_json::from_str(&self.get(&path).await?).unwrap_or_default();
            let users: BTreeSet<String> = answer["members"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|member| member["user_id"].to_string())
                .collect();
            members += users.len();
        }
        counts.insert(MEMBERS, u64::try_from(members).unwrap_or(u64::MAX));
        Ok(counts)
    }

    async fn get(&self, path: &str) -> Result<String, BenchError> {
        self.send(self.client.get(format!("{}{path}", self.url)), None)
            .await
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        body: Option<Value>,
    ) -> Result<String, BenchError> {
        let failed = |error: reqwest::Error| {
            BenchError::Run(format!("{}: {}", self.url, error.without_url()))
        };
        let mut request = request.bearer_auth(self.token.expose());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(failed)?;
        let (status, path) = (response.status(), response.url().path().to_owned());
        let text = response.text().await.map_err(failed)?;
        if status.is_success() {
            return Ok(text);
        }
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let message = answer["message"].as_str().unwrap_or("no reason given");
        let status = status.as_u16();
        Err(BenchError::Run(format!(
            "{}{path} answered {status}: {message}",
            self.url
        )))
    }
}
