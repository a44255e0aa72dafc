//! Delivery of an event to the mailboxes of all subscribers of its channel.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use pushi::core::hub::{Connection, ConnectionOrigin, Hub, SubscribedVia};
use pushi::core::ports::{BusMessage, BusSink, DialectId};
use pushi::inbound::websocket::dialects;
use pushi::outbound::metrics::PrometheusMetrics;

use crate::samples::{app, channel, event};

/// Capacity for all events of one round in a mailbox.
const MAILBOX: u64 = 1 << 20;

pub(crate) fn fan_out(criterion: &mut Criterion) {
    let hub = Arc::new(Hub::new(
        7,
        dialects(),
        Arc::new(PrometheusMetrics::new().unwrap()),
    ));
    let (app, channel) = (app(), channel("bench"));
    let subscribe = || {
        let connection = hub
            .connect(
                &app,
                DialectId::Pushi,
                (0, 0),
                MAILBOX,
                ConnectionOrigin::default(),
            )
            .unwrap();
        connection.subscribe(&channel, SubscribedVia::Client, None);
        connection
    };
    let connections: Vec<Connection> = (0..1000).map(|_| subscribe()).collect();
    let message = BusMessage::published(Arc::new(event(64)), None, None);
    let mut group = criterion.benchmark_group("fan_out");
    group.throughput(Throughput::Elements(connections.len() as u64));
    group.bench_function("1000", |bench| {
        bench.iter_custom(|rounds| {
            let mut took = Duration::ZERO;
            for _ in 0..rounds {
                let begun = Instant::now();
                hub.deliver(message.clone());
                took += begun.elapsed();
                empty(&connections);
            }
            took
        });
    });
    group.finish();
}

/// Takes the delivered items, as sessions do.
fn empty(connections: &[Connection]) {
    let mut context = Context::from_waker(Waker::noop());
    let mut taken = Vec::new();
    for connection in connections {
        let _ = connection.poll_take(&mut context, &mut taken);
        assert_eq!(taken.len(), 1);
        taken.clear();
    }
}
