//! Encoding of an event as a frame, done once per publish and dialect.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use std::sync::Arc;

use pushi::core::model::{Position, ServerEvent};
use pushi::core::ports::DialectId;
use pushi::inbound::websocket::dialects;

use crate::samples::event;

pub(crate) fn encode(criterion: &mut Criterion) {
    let dialects = dialects();
    let mut group = criterion.benchmark_group("encode");
    for bytes in [64, 1024] {
        let event = Arc::new(event(bytes));
        group.throughput(Throughput::Bytes(bytes as u64));
        for (name, id) in [("pushi", DialectId::Pushi), ("pusher", DialectId::Pusher)] {
            for (kind, position) in [
                ("live", None),
                ("persisted", Some(Position { id: 7, serial: 41 })),
            ] {
                let dialect = &dialects[id as usize];
                let label = format!("{name}/{kind}/{bytes}");
                group.bench_function(label, |bench| {
                    let event = ServerEvent::Published {
                        event: Arc::clone(&event),
                        position,
                    };
                    bench.iter(|| dialect.encode(black_box(&event)))
                });
            }
        }
    }
    group.finish();
}
