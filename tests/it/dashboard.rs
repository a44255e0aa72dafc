//! The dashboard and the metrics table of deploy/README.md name exactly the metrics that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use pushi::core::model::{AppIdent, TargetKind};
use pushi::core::ports::{
    Call, Gauges, GuessedCredential, HttpRefusal, Metrics, NotificationOutcome, QueueKind, Source,
    WebhookOutcome,
};
use pushi::outbound::metrics::PrometheusMetrics;
use serde_json::Value;

/// Every metric by its name, with its type and the names of its labels.
fn metrics(gauges: Gauges) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let metrics = PrometheusMetrics::new().unwrap();
    // A family is shown once it has counted something.
    metrics.closed("slow_reader");
    metrics.published(Source::Rest, true);
    metrics.rows_rejected(1);
    metrics.error_sent(4009);
    metrics.call_finished(Call::Append, Duration::from_millis(1), true);
    metrics.webhook_attempted(WebhookOutcome::Delivered, 1);
    metrics.notified(TargetKind::Web, NotificationOutcome::Delivered, 1);
    metrics.direct_message(TargetKind::Web, NotificationOutcome::Delivered);
    metrics.http_refused(HttpRefusal::Connections);
    metrics.login_failed(GuessedCredential::Secret, false);
    metrics.queue_refused(QueueKind::Append, &AppIdent::parse("shop").unwrap(), 1);
    let mut found: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for line in metrics.render(gauges).lines() {
        if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        {
            found.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        } else if let Some((name, labels)) = line.split_once('{').filter(|_| !line.starts_with('#'))
        {
            let labels = labels
                .split_once('}')
                .unwrap()
                .0
                .split(',')
                .map(|label| label.split_once('=').unwrap().0.to_owned());
            found.get_mut(base(name)).unwrap().1.extend(labels);
        }
    }
    found
}

/// A histogram's parts are its own.
fn base(name: &str) -> &str {
    ["_bucket", "_count", "_sum"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name)
}

/// Names of metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("pushi_")).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Every text under one of these names, however deep.
fn texts<'a>(value: &'a Value, keys: &[&str], found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                found.extend(value.as_str().filter(|_| keys.contains(&key.as_str())));
                texts(value, keys, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, keys, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_names_only_metrics_and_labels_that_exist() {
    let board: Value = serde_json::from_str(&read("deploy/grafana/pushi.json")).unwrap();
    let metrics = metrics(Gauges::default());
    let mut queries = Vec::new();
    texts(&board, &["expr", "query"], &mut queries);
    let mut used = BTreeSet::new();
    for query in queries {
        for name in names(query) {
            let (kind, labels) = metrics
                .get(base(name))
                .unwrap_or_else(|| panic!("there is no metric {name}: {query}"));
            assert_eq!(kind == "histogram", base(name) != name, "{query}");
            if let Some((_, grouping)) = query.split_once(" by (") {
                let grouping = grouping.split_once(')').unwrap().0;
                for label in grouping.split(", ") {
                    assert!(
                        labels.contains(label),
                        "{name} has no label {label}: {query}"
                    );
                }
            }
            used.insert(base(name).to_owned());
        }
    }
    let all: BTreeSet<_> = metrics.into_keys().collect();
    assert_eq!(used, all, "every metric is on the dashboard");
}

#[test]
fn the_metrics_table_lists_every_metric_and_no_other() {
    let readme = read("deploy/README.md");
    let several_nodes = Gauges {
        bus_up: Some(true),
        ..Gauges::default()
    };
    let all: BTreeSet<_> = metrics(several_nodes).into_keys().collect();
    let table = readme.lines().filter(|line| line.starts_with('|'));
    let named: BTreeSet<_> = table.flat_map(names).map(str::to_owned).collect();
    assert_eq!(named, all);
}
