//! The client as one script: its parts in order, wrapped as a module or as a classic script.

/// Load order: while loading, each part uses only parts before it.
const PARTS: &[&str] = &[
    include_str!("client/observable.js"),
    include_str!("client/authorize.js"),
    include_str!("client/http_socket.js"),
    include_str!("client/line.js"),
    include_str!("client/wire.js"),
    include_str!("client/post.js"),
    include_str!("client/channel.js"),
    include_str!("client/session.js"),
    include_str!("client/rest.js"),
    include_str!("client/web_push.js"),
    include_str!("client/pushi.js"),
];

/// The banner, with a reference to the types for editors.
const TITLE: &str = "// Pushi's client; documented in pushi.d.ts.\n";

/// The server's version is the client's.
const VERSION: &str = concat!("const VERSION = \"", env!("CARGO_PKG_VERSION"), "\";\n");

/// Deno reads the reference to the types from the module.
const MODULE_HEAD: &str = "// @ts-self-types=\"./pushi.d.ts\"\nconst SCRIPT = import.meta.url;\n";
const MODULE_TAIL: &str =
    "export { Pushi, Channel, Observable, PushiError };\nexport default Pushi;\n";

/// In a worker only a stack trace has the address of a script that `importScripts` loaded.
const CLASSIC_HEAD: &str = r#"var Pushi = (() => {
"use strict";
const SCRIPT = globalThis.document?.currentScript?.src || String(new Error().stack).match(/https?:[^\s)]+/)?.[0];
"#;
const CLASSIC_TAIL: &str = r#"return Object.assign(Pushi, { Pushi, Channel, Observable, PushiError });
})();
if (typeof module === "object" && module.exports) module.exports = Pushi;
"#;

/// `/pushi.mjs`.
pub(super) fn module() -> String {
    [TITLE, MODULE_HEAD, VERSION, &parts(), MODULE_TAIL].concat()
}

/// `/pushi.js`: defines `Pushi`.
pub(super) fn classic() -> String {
    [TITLE, CLASSIC_HEAD, VERSION, &parts(), CLASSIC_TAIL].concat()
}

/// Removes indentation and comment lines: readers have the repository, and slow connections
/// need not load them.
fn parts() -> String {
    let lines = PARTS
        .iter()
        .flat_map(|part| part.lines())
        .map(str::trim)
        .filter(|line| !line.is_empty() && !is_comment(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

fn is_comment(line: &str) -> bool {
    line.starts_with("//") || (line.starts_with("/**") && line.ends_with("*/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines are removed whole, so no string or comment may span several lines.
    #[test]
    fn texts_and_comments_end_on_their_line() {
        for line in PARTS.iter().flat_map(|part| part.lines()) {
            assert_eq!(line.matches('`').count() % 2, 0, "{line}");
            assert_eq!(line.contains("/*"), line.contains("*/"), "{line}");
        }
    }

    #[test]
    fn it_is_small() {
        for part in PARTS {
            assert!(part.lines().count() <= 400);
        }
        assert!(
            !module().contains("\n//") || module().matches("\n//").count() == 1,
            "comments are left"
        );
    }

    #[test]
    fn nothing_is_imported() {
        assert!(
            !parts()
                .lines()
                .any(|line| line.starts_with("import ") || line.starts_with("export "))
        );
    }
}
