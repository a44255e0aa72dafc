//! Reports about an unreachable Redis.

use std::process::Command;

use crate::node::Node;
use crate::redis::{Redis, free_port};

fn check(url: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushi"));
    command
        .args(["check", "--json"])
        .env_clear()
        .current_dir(std::env::temp_dir());
    let output = command
        .env("DATABASE_URL", "sqlite::memory:")
        .env("BUS_URL", url)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    found["bus"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn check_tests_the_bus_and_shows_no_password() {
    if std::env::var_os("PUSHI_TEST_REDIS_URL").is_none()
        && std::env::var("CI").as_deref() != Ok("true")
    {
        return;
    }
    let redis = Redis::start().await;
    assert_eq!(
        check(&format!("redis://127.0.0.1:{}", redis.port)),
        format!("Redis at 127.0.0.1:{}", redis.port)
    );
    let nobody = free_port();
    let found = check(&format!("redis://:hunter2@127.0.0.1:{nobody}"));
    assert!(
        found.starts_with(&format!(
            "Redis at 127.0.0.1:{nobody}, which cannot be reached: "
        )),
        "{found}"
    );
    assert!(!found.contains("hunter2"), "{found}");
}

#[test]
fn a_node_without_redis_logs_it_and_serves() {
    let node = Node::start(&[
        ("DATABASE_URL", "sqlite::memory:".into()),
        ("BUS_URL", format!("redis://127.0.0.1:{}", free_port())),
    ]);
    // Its addresses may be printed before or after.
    assert!(node.api != 0 && node.has_logged("redis connection lost"));
}
