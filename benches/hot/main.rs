//! Benchmarks of the hot path of each message, to detect regressions.

#![expect(clippy::unwrap_used, reason = "a panic is how a benchmark fails")]

mod decode;
mod encode;
mod fan_out;
mod samples;
mod signature;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    benches,
    decode::decode,
    encode::encode,
    fan_out::fan_out,
    signature::signature
);
criterion_main!(benches);
