//! GET /overview

use std::time::Duration;

use poem::http::Method;
use serde_json::json;

use super::read;
use crate::rest::{Setup, start};

#[tokio::test]
async fn samples_show_what_happened_in_their_interval() {
    let api = start().await;
    let samples = &api.service.parts().samples;
    samples.take();
    for data in ["1", "2"] {
        api.publish(json!({"channel": "a", "data": data})).await;
    }
    api.clock.advance(Duration::from_secs(5));
    samples.take();
    api.clock.advance(Duration::from_secs(5));
    samples.take();
    let overview = read(&api, "/overview").await;
    assert_eq!(
        (&overview["interval"], &overview["silent_nodes"]),
        (&json!(5), &json!([]))
    );
    let nodes = overview["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 1);
    for samples in [&nodes[0]["samples"], &overview["total"]["samples"]] {
        let samples = samples.as_array().unwrap();
        let rates: Vec<_> = samples.iter().map(|one| one["publishes"].clone()).collect();
        assert_eq!(rates[1..], [json!(0.4), json!(0.0)]);
        let times = samples
            .iter()
            .map(|one| one["time"].as_f64().unwrap() as i64);
        let times: Vec<_> = times.collect();
        assert!(times.iter().all(|time| time % 5 == 0), "{times:?}");
        assert_eq!(times[2] - times[0], 10);
        let last = &samples[2];
        assert_eq!(
            (&last["connections"], &last["errors"], &last["bus_ms"]),
            (&json!(0), &json!(0), &json!(null))
        );
    }
    assert_eq!(overview["health"]["checks"]["database"]["status"], "ok");
}

#[tokio::test]
async fn no_more_samples_are_kept_than_those_of_15_minutes() {
    let api = start().await;
    for _ in 0..200 {
        api.clock.advance(Duration::from_secs(5));
        api.service.parts().samples.take();
    }
    let overview = read(&api, "/overview").await;
    let samples = overview["nodes"][0]["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 180);
}

#[tokio::test]
async fn a_session_sees_the_numbers_of_its_app() {
    let api = Setup::default().start().await;
    let own = api.session(Method::GET, "/overview").send().await.json();
    assert_eq!(
        (&own["health"], &own["total"]["samples"]),
        (&json!(null), &json!([]))
    );
    assert_eq!(own["total"]["connections"], 0);
    api.ask(Method::GET, "/overview").send().await.problem(401);
}
