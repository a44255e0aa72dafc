//! What is on the way of every message: so that a later change shows where it costs.

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
