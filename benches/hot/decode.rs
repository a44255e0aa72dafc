//! Decoding of a client's frame into a command.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use pushi::core::model::Limits;
use pushi::inbound::websocket::dialect::{pusher, pushi as own};

use crate::samples::data;

pub(crate) fn decode(criterion: &mut Criterion) {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("decode");
    for bytes in [64, 1024] {
        let data = data(bytes);
        let publish = format!(
            r#"{{"event":"message","data":"{data}","channel":"bench","persist":false,"echo":false}}"#
        );
        let client_event =
            format!(r#"{{"event":"client-message","data":"{data}","channel":"private-bench"}}"#);
        group.throughput(Throughput::Bytes(publish.len() as u64));
        group.bench_function(format!("pushi/publish/{bytes}"), |bench| {
            bench.iter(|| own::decode(black_box(&publish), &limits))
        });
        group.bench_function(format!("pusher/publish/{bytes}"), |bench| {
            bench.iter(|| pusher::decode(black_box(&client_event), &limits))
        });
    }
    let subscribe = r#"{"event":"pusher:subscribe","data":{"channel":"bench"}}"#;
    group.throughput(Throughput::Bytes(subscribe.len() as u64));
    group.bench_function("pushi/subscribe", |bench| {
        bench.iter(|| own::decode(black_box(subscribe), &limits))
    });
    group.finish();
}
