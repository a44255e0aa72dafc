//! The hub: the connections of a node.

use std::sync::Arc;

use pushi::core::hub::{Hold, Hub};
use pushi::core::ports::DialectId;
use pushi::inbound::websocket::dialects;
use pushi::outbound::metrics::PrometheusMetrics;

use crate::roster::nodes::apps;
use crate::samples;

#[tokio::test]
async fn who_has_gone_takes_nobody_along() {
    let [app] = apps(["a"]).await;
    let hub = Arc::new(Hub::new(7, dialects(), Arc::new(PrometheusMetrics::new().unwrap())));
    let connect = || hub.connect(&app, DialectId::Pushi, (0, 0), 1024).unwrap();
    let first = connect();
    first.disconnect();
    let second = connect();
    second.join(&samples::channel("room"), Hold::Direct, None);
    drop(first);
    let found = hub.app(&app.ident).and_then(|of_app| of_app.socket(second.id()));
    assert_eq!(found.map(|socket| socket.channels), Some(vec![samples::channel("room")]));
}
