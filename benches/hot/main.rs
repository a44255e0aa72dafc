//! Benchmarks of the hot path of each message, to detect regressions.

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
