//! The rings hold: who may name whom.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The lines of code of all sources below `folder`: comments, and what only tests see, left out.
fn code(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut lines = Vec::new();
    for path in sources(&root.join(folder)) {
        if path.ends_with("tests.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let product = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        for (number, line) in product.lines().enumerate() {
            let line = line.split("//").next().unwrap();
            lines.push((format!("{name}:{}", number + 1), line.to_owned()));
        }
    }
    assert!(!lines.is_empty(), "no sources in {folder}");
    lines
}

fn none_names(folder: &str, forbidden: &[&str]) {
    let found: Vec<_> = code(folder)
        .into_iter()
        .filter(|(_, line)| forbidden.iter().any(|word| line.contains(word)))
        .map(|(place, line)| format!("{place}: {}", line.trim()))
        .collect();
    assert!(
        found.is_empty(),
        "{folder} names what it must not ({forbidden:?}):\n{}",
        found.join("\n")
    );
}

#[test]
fn the_core_names_no_driver_framework_adapter_or_configuration() {
    none_names(
        "src/core",
        &[
            "poem",
            "sqlx",
            "mongodb",
            "redis::",
            "tungstenite",
            "reqwest",
            "hyper",
            "clap",
            "serde",
            "rustls",
            "crate::config",
            "crate::inbound",
            "crate::outbound",
            "crate::server",
            "crate::cli",
        ],
    );
}

#[test]
fn of_tokio_the_core_uses_sync_and_time_alone() {
    let allowed = |line: &str| {
        line.match_indices("tokio::").all(|(at, _)| {
            let rest = &line[at + 7..];
            rest.starts_with("sync")
                || rest.starts_with("time")
                || rest.starts_with("select!")
                || rest.starts_with("pin!")
        })
    };
    let found: Vec<_> = code("src/core")
        .into_iter()
        .filter(|(_, line)| !allowed(line))
        .collect();
    assert!(found.is_empty(), "{found:?}");
    none_names(
        "src/core",
        &[
            "std::fs",
            "std::net",
            "std::thread",
            "std::process",
            "std::env",
        ],
    );
}

#[test]
fn inbound_and_outbound_never_meet() {
    none_names(
        "src/inbound",
        &[
            "crate::outbound",
            "crate::server",
            "crate::cli",
            "crate::config",
        ],
    );
    none_names(
        "src/outbound",
        &[
            "crate::inbound",
            "crate::server",
            "crate::cli",
            "crate::config",
        ],
    );
}

#[test]
fn the_edges_do_not_know_each_other() {
    none_names("src/inbound/rest", &["inbound::websocket", "websocket::"]);
    none_names("src/inbound/websocket", &["inbound::rest", "rest::"]);
}

/// `core::hub` is synchronous; bytes leave only through `DirectWriter`, which never blocks.
///
/// The file descriptor in `core::hub::write::direct` is the one exception in which the core depends
/// on the operating system: writes to many sockets become one system call only by descriptor.
#[test]
fn the_hub_is_synchronous_and_writes_only_through_direct_writers() {
    none_names("src/core/hub", &["async ", ".await", "tokio::", "std::io"]);
    let descriptors: Vec<_> = code("src/core")
        .into_iter()
        .filter(|(_, line)| line.contains("std::os"))
        .filter(|(place, _)| !place.starts_with("src/core/hub/write/direct.rs:"))
        .collect();
    assert!(descriptors.is_empty(), "{descriptors:?}");
}

#[test]
fn a_file_has_no_more_than_400_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let long: Vec<_> = ["src", "tests", "benches"]
        .iter()
        .flat_map(|folder| sources(&root.join(folder)))
        .filter(|path| fs::read_to_string(path).unwrap().lines().count() > 400)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}
