use super::*;

#[test]
fn recorded_metrics_are_rendered() {
    let metrics = PrometheusMetrics::new().unwrap();
    metrics.opened();
    metrics.closed("slow_reader");
    metrics.sent(3, 100);
    metrics.published(Source::Rest, true);
    metrics.call_finished(Call::Append, Duration::from_micros(300), true);
    metrics.webhook_attempted(WebhookOutcome::GivenUp, 3);
    metrics.login_failed(GuessedCredential::Token, true);
    metrics.outbox(8);
    metrics.http_refused(HttpRefusal::BodyBytes);
    metrics.http_connections(1);
    for number in 0..=MAX_REFUSED_APPS {
        let app = AppIdent::trusted(&format!("app-{number}"));
        metrics.queue_refused(QueueKind::Append, &app, 2);
    }
    // A single node has no bus.
    assert!(!metrics.render(Gauges::default()).contains("pushi_bus_up"));
    let text = metrics.render(Gauges {
        connections: 7,
        bus_up: Some(true),
        ..Gauges::default()
    });
    for line in [
        "pushi_connections 7",
        "pushi_bus_up 1",
        "pushi_connections_opened_total 1",
        "pushi_connections_closed_total{reason=\"slow_reader\"} 1",
        "pushi_sent_frames_total 3",
        "pushi_sent_bytes_total 100",
        "pushi_publishes_total{persisted=\"true\",source=\"rest\"} 1",
        "pushi_call_seconds_bucket{call=\"append\",le=\"0.0005\"} 1",
        "pushi_failed_calls_total{call=\"append\"} 1",
        "pushi_webhook_deliveries_total{outcome=\"given_up\"} 1",
        "pushi_webhook_notices_total{outcome=\"given_up\"} 3",
        "pushi_failed_logins_total{credential=\"token\",throttled=\"true\"} 1",
        "pushi_outbox_notices 8",
        "pushi_http_connections 1",
        "pushi_http_refused_total{limit=\"body_bytes\"} 1",
        "pushi_queue_bytes{queue=\"append\"} 0",
        "pushi_queue_refused_total{app=\"app-0\",queue=\"append\"} 2",
        "pushi_queue_refused_total{app=\"other\",queue=\"append\"} 2",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}
