//! The rings hold: who may name whom.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
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

/// Names that several modules may give to a public type: each is read with its module's name.
const SHARED_NAMES: &[&str] = &["Error", "Options", "Kind", "State"];

#[test]
fn a_public_type_name_has_one_meaning() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (place, line) in code("src") {
        let Some((_, item)) = line.trim_start().strip_prefix("pub").and_then(|rest| {
            let rest = rest.strip_prefix('(').map_or(rest, |scoped| {
                scoped.split_once(')').map_or(scoped, |(_, rest)| rest)
            });
            ["struct ", "enum ", "trait ", "type ", "union "]
                .iter()
                .find_map(|word| Some((word, rest.trim_start().strip_prefix(word)?)))
        }) else {
            continue;
        };
        let name: String = item
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect();
        places.entry(name).or_default().push(place);
    }
    places.remove("");
    assert!(places.len() > 300, "the types were not found");
    places.retain(|name, places| places.len() > 1 && !SHARED_NAMES.contains(&name.as_str()));
    assert!(places.is_empty(), "one name, several types: {places:#?}");
}

/// A module of `src`, as the segments of its path.
type Module = Vec<String>;

/// The paths that a `use` tree names, each as its segments.
fn use_paths(tree: &str, prefix: &[String], found: &mut Vec<Vec<String>>) {
    let (path, group) = tree.split_once('{').unwrap_or((tree, ""));
    let mut segments = prefix.to_vec();
    let path = path.split(" as ").next().unwrap_or_default();
    segments.extend(
        path.split("::")
            .map(str::trim)
            .filter(|segment| !segment.is_empty())
            .map(str::to_owned),
    );
    if group.is_empty() {
        found.push(segments);
        return;
    }
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                use_paths(&group[start..at], &segments, found);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !group[start..].trim().is_empty() {
        use_paths(&group[start..], &segments, found);
    }
}

/// One file: the paths that it imports or names in full, and those that it passes on under names of its own.
#[derive(Default)]
struct Imports {
    named: Vec<Vec<String>>,
    reexported: HashMap<String, Vec<String>>,
}

/// A path with `crate`, `self` and `super` resolved; `None` where it leads out of the crate.
fn absolute(path: &[String], module: &Module, modules: &BTreeSet<Module>) -> Option<Vec<String>> {
    let first = path.first()?.as_str();
    let (mut base, rest) = match first {
        "crate" => (Vec::new(), &path[1..]),
        "self" => (module.clone(), &path[1..]),
        "super" => {
            let climbed = path
                .iter()
                .take_while(|segment| *segment == "super")
                .count();
            let kept = module.len().checked_sub(climbed)?;
            (module[..kept].to_vec(), &path[climbed..])
        }
        _ => {
            let mut child = module.clone();
            child.push(first.to_owned());
            modules.contains(&child).then_some(())?;
            (module.clone(), path)
        }
    };
    base.extend_from_slice(rest);
    Some(base)
}

fn imports() -> BTreeMap<Module, Imports> {
    let mut texts: BTreeMap<Module, String> = BTreeMap::new();
    for (place, line) in code("src") {
        let file = place.split(".rs:").next().unwrap();
        let mut module: Module = file.split('/').skip(1).map(str::to_owned).collect();
        if matches!(
            module.last().map(String::as_str),
            Some("mod" | "lib" | "main")
        ) {
            module.pop();
        }
        let text = texts.entry(module).or_default();
        text.push_str(&line);
        text.push('\n');
    }
    let modules: BTreeSet<_> = texts.keys().cloned().collect();
    let mut all = BTreeMap::new();
    for (module, text) in texts {
        let mut file = Imports::default();
        for statement in text.split(';') {
            let Some(at) = statement.rfind("use ") else {
                continue;
            };
            let (before, tree) = statement.split_at(at);
            let before = before.rsplit(['\n', '}']).next().unwrap_or_default().trim();
            if !(before.is_empty() || before.starts_with("pub")) {
                continue;
            }
            let mut paths = Vec::new();
            use_paths(&tree["use ".len()..], &[], &mut paths);
            for path in paths {
                let Some(path) = absolute(&path, &module, &modules) else {
                    continue;
                };
                if before.starts_with("pub")
                    && let Some(name) = path.last()
                {
                    file.reexported.insert(name.clone(), path.clone());
                }
                file.named.push(path);
            }
        }
        for start in ["crate::", "super::"] {
            for (at, _) in text.match_indices(start) {
                let path: Vec<_> = text[at..]
                    .split(|letter: char| !(letter.is_alphanumeric() || "_:".contains(letter)))
                    .next()
                    .unwrap_or_default()
                    .split("::")
                    .filter(|segment| !segment.is_empty())
                    .map(str::to_owned)
                    .collect();
                file.named.extend(absolute(&path, &module, &modules));
            }
        }
        all.insert(module, file);
    }
    all
}

/// The module that defines what a path names: re-exports are followed.
fn definer(path: &[String], all: &BTreeMap<Module, Imports>, hops: usize) -> Option<Module> {
    let known = (0..=path.len())
        .rev()
        .find(|length| *length > 0 && all.contains_key(&path[..*length]))?;
    let module = path[..known].to_vec();
    let passed_on = path
        .get(known)
        .and_then(|name| all[&module].reexported.get(name));
    match passed_on {
        Some(target) if hops > 0 => definer(target, all, hops - 1).or(Some(module)),
        _ => Some(module),
    }
}

fn reaches(from: &Module, to: &Module, edges: &BTreeMap<Module, BTreeSet<Module>>) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(module) = next.pop() {
        for target in edges.get(module).into_iter().flatten() {
            if target == to {
                return true;
            }
            if seen.insert(target) {
                next.push(target);
            }
        }
    }
    false
}

#[test]
fn no_import_cycles_but_of_a_module_and_its_children() {
    let all = imports();
    let mut edges: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, file) in &all {
        for path in &file.named {
            if let Some(target) = definer(path, &all, 4)
                && !target.starts_with(module)
                && !module.starts_with(&target)
            {
                edges.entry(module.clone()).or_default().insert(target);
            }
        }
    }
    assert!(edges.len() > 100, "the imports were not found");
    let cyclic: Vec<_> = edges
        .iter()
        .flat_map(|(module, targets)| targets.iter().map(move |target| (module, target)))
        .filter(|(module, target)| reaches(target, module, &edges))
        .map(|(module, target)| format!("{} -> {}", module.join("::"), target.join("::")))
        .collect();
    assert!(
        cyclic.is_empty(),
        "imports that are part of a cycle: {cyclic:#?}"
    );
}
