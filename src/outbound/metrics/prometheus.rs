//! The metrics of `GET /metrics`.

#[cfg(test)]
mod tests;
mod totals;

use std::collections::HashSet;
use std::time::Duration;

use ::prometheus::core::Collector;
use ::prometheus::{
    Encoder, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};
use parking_lot::Mutex;

use crate::core::model::{AppIdent, TargetKind};
use crate::core::ports::{
    Call, Gauges, GuessedCredential, HttpRefusal, Metrics, NotificationOutcome, QueueKind, Source,
    Totals, WebhookOutcome,
};

/// Bounds in seconds: from a commit on a fast disk (0.1 ms) to the time-out of a store call.
const BUCKETS: [f64; 12] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0,
];

/// The apps with a value of their own in a metric; the others share one.
const MAX_REFUSED_APPS: usize = 100;

/// All metrics, with the names and help texts that dashboards use.
pub struct PrometheusMetrics {
    registry: Registry,
    opened: IntCounter,
    closed: IntCounterVec,
    received_frames: IntCounter,
    received_bytes: IntCounter,
    sent_frames: IntCounter,
    sent_bytes: IntCounter,
    published: IntCounterVec,
    rows_rejected: IntCounter,
    row_lag: Gauge,
    delivered: IntCounter,
    errors: IntCounterVec,
    calls: HistogramVec,
    failed_calls: IntCounterVec,
    connections: IntGauge,
    subscriptions: IntGauge,
    channels: IntGauge,
    mailbox_bytes: IntGauge,
    mailbox_bytes_max: IntGauge,
    answer_bytes: IntGauge,
    answers_refused: IntCounter,
    webhook_requests: IntCounterVec,
    webhook_events: IntCounterVec,
    notifications: IntCounterVec,
    direct_messages: IntCounterVec,
    failed_logins: IntCounterVec,
    outbox: IntGauge,
    bus_up: IntGaugeVec,
    http_connections: IntGauge,
    http_refused: IntCounterVec,
    queue_bytes: IntGaugeVec,
    refused: IntCounterVec,
    /// The apps that are named in `refused`.
    refused_apps: Mutex<HashSet<AppIdent>>,
}

impl PrometheusMetrics {
    /// Creates all metrics.
    ///
    /// # Errors
    ///
    /// Two metrics have the same name.
    pub fn new() -> Result<Self, ::prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| registered(&registry, IntCounter::new(name, help)?);
        let gauge = |name: &str, help: &str| registered(&registry, IntGauge::new(name, help)?);
        let family = |name: &str, help: &str, labels: &[&str]| {
            registered(
                &registry,
                IntCounterVec::new(Opts::new(name, help), labels)?,
            )
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            registered(&registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
        };
        let histogram = HistogramOpts::new(
            "pushi_call_seconds",
            "Duration of store and bus calls in seconds.",
        )
        .buckets(BUCKETS.to_vec());
        Ok(Self {
            opened: counter("pushi_connections_opened_total", "Connections accepted.")?,
            closed: family(
                "pushi_connections_closed_total",
                "Connections closed, by reason.",
                &["reason"],
            )?,
            received_frames: counter(
                "pushi_received_frames_total",
                "Frames received from clients.",
            )?,
            received_bytes: counter("pushi_received_bytes_total", "Bytes received from clients.")?,
            sent_frames: counter("pushi_sent_frames_total", "Frames sent to clients.")?,
            sent_bytes: counter("pushi_sent_bytes_total", "Bytes sent to clients.")?,
            published: family(
                "pushi_publishes_total",
                "Publishes accepted, by source and persistence.",
                &["source", "persisted"],
            )?,
            rows_rejected: counter(
                "pushi_publish_rows_failed_total",
                "Rows of pushi_publish that could not be published.",
            )?,
            row_lag: registered(
                &registry,
                Gauge::new(
                    "pushi_publish_rows_lag_seconds",
                    "Time for which the oldest row of pushi_publish has waited in seconds.",
                )?,
            )?,
            delivered: counter(
                "pushi_deliveries_total",
                "Frames queued for delivery to a connection.",
            )?,
            errors: family(
                "pushi_errors_total",
                "Error frames sent to clients, by code.",
                &["code"],
            )?,
            calls: registered(&registry, HistogramVec::new(histogram, &["call"])?)?,
            failed_calls: family(
                "pushi_failed_calls_total",
                "Failed store and bus calls.",
                &["call"],
            )?,
            connections: gauge("pushi_connections", "Current connections.")?,
            subscriptions: gauge("pushi_subscriptions", "Current channel subscriptions.")?,
            channels: gauge("pushi_channels", "Channels with at least one subscriber.")?,
            mailbox_bytes: gauge("pushi_mailbox_bytes", "Bytes queued in all mailboxes.")?,
            mailbox_bytes_max: gauge(
                "pushi_mailbox_bytes_max",
                "Bytes queued in the largest mailbox.",
            )?,
            answer_bytes: gauge(
                "pushi_answer_bytes",
                "Bytes of answers that are being prepared or sent.",
            )?,
            answers_refused: counter(
                "pushi_answers_refused_total",
                "Answers refused, because too many were being prepared or sent.",
            )?,
            webhook_requests: family(
                "pushi_webhook_deliveries_total",
                "Webhook requests sent, by outcome.",
                &["outcome"],
            )?,
            webhook_events: family(
                "pushi_webhook_notices_total",
                "Webhook events sent, by outcome.",
                &["outcome"],
            )?,
            notifications: family(
                "pushi_notifications_total",
                "Attempts to notify targets, by kind and outcome.",
                &["kind", "outcome"],
            )?,
            direct_messages: family(
                "pushi_direct_messages_total",
                "Attempts to send direct messages, by kind and outcome.",
                &["kind", "outcome"],
            )?,
            failed_logins: family(
                "pushi_failed_logins_total",
                "Failed logins, by what was presented and whether too many had failed before.",
                &["credential", "throttled"],
            )?,
            outbox: gauge(
                "pushi_outbox_notices",
                "Webhook events queued, over all nodes.",
            )?,
            http_connections: gauge("pushi_http_connections", "Current HTTP connections.")?,
            http_refused: family(
                "pushi_http_refused_total",
                "HTTP connections and bodies over a limit, by limit.",
                &["limit"],
            )?,
            // A family without labels, so that a single node does not export it.
            bus_up: gauges(
                "pushi_bus_up",
                "1 while this node is connected to the bus, 0 otherwise.",
                &[],
            )?,
            queue_bytes: gauges(
                "pushi_queue_bytes",
                "Bytes waiting in a queue of this node.",
                &["queue"],
            )?,
            refused: family(
                "pushi_queue_refused_total",
                "Entries that a queue did not accept, because their app has reached its bound.",
                &["queue", "app"],
            )?,
            refused_apps: Mutex::default(),
            registry,
        })
    }

    /// All metrics in the Prometheus text format, with the gauges as of now.
    pub fn render(&self, gauges: Gauges) -> String {
        set(&self.connections, gauges.connections);
        set(&self.subscriptions, gauges.subscriptions);
        set(&self.channels, gauges.channels);
        set(&self.mailbox_bytes, gauges.pending_bytes);
        set(&self.mailbox_bytes_max, gauges.max_pending_bytes);
        for (queue, bytes) in [
            (QueueKind::Append, gauges.append_queue_bytes),
            (QueueKind::Webhook, gauges.webhook_queue_bytes),
            (QueueKind::Notification, gauges.notification_queue_bytes),
            (QueueKind::Bus, gauges.bus_queue_bytes),
        ] {
            set(&self.queue_bytes.with_label_values(&[queue.name()]), bytes);
        }
        self.row_lag.set(gauges.row_lag.as_secs_f64());
        set(&self.answer_bytes, gauges.answer_bytes);
        if let Some(up) = gauges.bus_up {
            self.bus_up
                .with_label_values::<&str>(&[])
                .set(i64::from(up));
        }
        let mut text = Vec::new();
        // Writing to memory cannot fail, and the encoder writes UTF-8.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, ::prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn set(gauge: &IntGauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

impl Metrics for PrometheusMetrics {
    fn opened(&self) {
        self.opened.inc();
    }

    fn closed(&self, reason: &'static str) {
        self.closed.with_label_values(&[reason]).inc();
    }

    fn received(&self, bytes: usize) {
        self.received_frames.inc();
        self.received_bytes.inc_by(bytes as u64);
    }

    fn sent(&self, frames: u64, bytes: u64) {
        self.sent_frames.inc_by(frames);
        self.sent_bytes.inc_by(bytes);
    }

    fn published(&self, source: Source, persisted: bool) {
        let source = match source {
            Source::Rest => "rest",
            Source::Client => "client",
            Source::Row => "row",
        };
        self.published
            .with_label_values(&[source, if persisted { "true" } else { "false" }])
            .inc();
    }

    fn rows_rejected(&self, rows: u64) {
        self.rows_rejected.inc_by(rows);
    }

    fn delivered(&self, mailboxes: u64) {
        self.delivered.inc_by(mailboxes);
    }

    fn totals(&self) -> Totals {
        self.read_totals()
    }

    fn frames_sent(&self) -> u64 {
        self.sent_frames.get()
    }

    fn error_sent(&self, code: u16) {
        self.errors.with_label_values(&[&code.to_string()]).inc();
    }

    fn answer_refused(&self) {
        self.answers_refused.inc();
    }

    fn call_finished(&self, call: Call, took: Duration, failed: bool) {
        self.calls
            .with_label_values(&[call.name()])
            .observe(took.as_secs_f64());
        if failed {
            self.failed_calls.with_label_values(&[call.name()]).inc();
        }
    }

    fn webhook_attempted(&self, outcome: WebhookOutcome, events: u64) {
        self.webhook_requests
            .with_label_values(&[outcome.name()])
            .inc();
        self.webhook_events
            .with_label_values(&[outcome.name()])
            .inc_by(events);
    }

    fn notified(&self, kind: TargetKind, outcome: NotificationOutcome, attempts: u64) {
        self.notifications
            .with_label_values(&[kind.label(), outcome.name()])
            .inc_by(attempts);
    }

    fn direct_message(&self, kind: TargetKind, outcome: NotificationOutcome) {
        self.direct_messages
            .with_label_values(&[kind.label(), outcome.name()])
            .inc();
    }

    fn login_failed(&self, credential: GuessedCredential, throttled: bool) {
        let throttled = if throttled { "true" } else { "false" };
        self.failed_logins
            .with_label_values(&[credential.name(), throttled])
            .inc();
    }

    fn outbox(&self, waiting: u64) {
        set(&self.outbox, waiting);
    }

    fn http_refused(&self, reason: HttpRefusal) {
        self.http_refused.with_label_values(&[reason.name()]).inc();
    }

    fn http_connections(&self, change: i64) {
        self.http_connections.add(change);
    }

    fn queue_refused(&self, queue: QueueKind, app: &AppIdent, entries: u64) {
        let mut named = self.refused_apps.lock();
        if named.len() < MAX_REFUSED_APPS && !named.contains(app) {
            named.insert(app.clone());
        }
        let app = match named.contains(app) {
            true => app.as_str(),
            false => "other",
        };
        self.refused
            .with_label_values(&[queue.name(), app])
            .inc_by(entries);
    }
}
