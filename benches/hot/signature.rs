//! Verification of signatures of a back end.

use std::hint::black_box;

use criterion::Criterion;
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use pushi::core::auth::{SignedRequest, channel_auth, check_channel_auth};

use crate::samples::{NOW, SOCKET, app, channel, data};

pub(crate) fn signature(criterion: &mut Criterion) {
    let (app, channel) = (app(), channel("private-bench"));
    let auth = channel_auth(
        &app.key,
        &app.secret,
        &SOCKET.to_string(),
        channel.as_str(),
        None,
    );
    let body = format!(
        r#"{{"name":"message","channel":"bench","data":"{}"}}"#,
        data(64)
    );
    let mut query = [
        ("auth_key", app.key.clone()),
        ("auth_timestamp", (NOW.micros() / 1_000_000).to_string()),
        ("auth_version", "1.0".to_owned()),
        ("body_md5", HEXLOWER.encode(&Md5::digest(body.as_bytes()))),
        ("auth_signature", String::new()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    query[4].1 = request(&query).signature(&app.secret);

    let mut group = criterion.benchmark_group("signature");
    let check = || check_channel_auth(black_box(&app), Some(&auth), SOCKET, &channel, None, false);
    assert_eq!(check(), Ok(false));
    group.bench_function("channel", |bench| bench.iter(check));
    let check = || {
        let request = request(black_box(&query));
        request.check(&app, NOW)?;
        request.check_body(body.as_bytes())
    };
    assert_eq!(check(), Ok(()));
    group.bench_function("request", |bench| bench.iter(check));
    group.finish();
}

fn request(query: &[(String, String)]) -> SignedRequest<'_> {
    SignedRequest {
        method: "POST",
        path: "/apps/bench/events",
        query,
        has_body: true,
    }
}
