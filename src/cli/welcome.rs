//! The text that the first start on an empty database prints.

use std::ffi::OsStr;
use std::path::Path;

use crate::core::model::App;

const NAME: &str = "pushi";

/// The URLs of a running server, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerUrls {
    /// `http://…` or `https://…`.
    pub api: String,
    /// `ws://…` or `wss://…`.
    pub websocket: String,
}

/// The words by which a shell in the current folder runs this program: its name if the shell finds it, else its path.
pub(super) fn program() -> String {
    let place = std::env::current_exe().unwrap_or_default();
    let folder = std::env::current_dir().unwrap_or_default();
    command(&place, &folder, std::env::var_os("PATH").as_deref())
}

/// The same for the program at `place`, in `folder`, where `path` is the variable `PATH`.
fn command(place: &Path, folder: &Path, path: Option<&OsStr>) -> String {
    let found = path.and_then(|path| {
        std::env::split_paths(path)
            .map(|folder| folder.join(NAME))
            .find(|program| program.is_file())
    });
    if found
        .and_then(|program| program.canonicalize().ok())
        .as_deref()
        == Some(place)
    {
        return NAME.into();
    }
    let near = place.strip_prefix(folder).ok();
    // A shell looks up a name without a slash in `PATH`.
    let near = near.map(|near| match near.components().count() {
        1 => Path::new(".").join(near),
        _ => near.to_owned(),
    });
    match near.as_deref().unwrap_or(place).to_str() {
        Some("") => NAME.into(),
        Some(text) if text.bytes().all(is_plain) => text.into(),
        Some(text) => format!("'{}'", text.replace('\'', r"'\''")),
        None => NAME.into(),
    }
}

/// Whether a byte of a word has no meaning in a shell.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte)
}

/// Formats the credentials of the new app, the URLs of the server, and two shell commands that publish: by this program, which
/// `program` runs, and by `curl` with the session token `token`.
pub(super) fn welcome(app: &App, urls: &ServerUrls, program: &str, token: &str) -> String {
    let ServerUrls { api, websocket } = urls;
    let (ident, key, secret) = (&app.ident, &app.key, app.secret.expose());
    let name = &app.name;
    // Keys and tokens contain no character that has a meaning in a shell or URL.
    format!(
        r#"
Welcome to Pushi. The database was empty, so the app "{name}" was created. Its secret is not shown again.

    id      {ident}
    key     {key}
    secret  {secret}

    Front page     {api}/
    Console        {api}/console
    REST API       {api}
    Documentation  {api}/docs
    WebSocket      {websocket}/{key}

Open the front page and see what arrives when you publish from a shell, in this folder:

    {program} trigger global "hello world"

The same with curl, from anywhere:

    curl -X POST "{api}/events?sid={token}" -H 'Content-Type: application/json' -d '{{"channel":"global","event":"message","data":"hello world"}}'

"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Secret;

    fn app() -> App {
        App {
            name: "default".into(),
            key: "the-key".into(),
            secret: Secret::new("the-secret"),
            ..App::sample("the-ident")
        }
    }

    #[test]
    fn it_contains_credentials_urls_and_a_publish_command() {
        let urls = ServerUrls {
            api: "http://127.0.0.1:8080".into(),
            websocket: "ws://127.0.0.1:9090".into(),
        };
        let text = welcome(&app(), &urls, "target/release/pushi", "the-token");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let has = |line: &str| assert!(lines.contains(&line), "{line} is not a line of {text}");
        has("id      the-ident");
        has("key     the-key");
        has("secret  the-secret");
        has("Front page     http://127.0.0.1:8080/");
        has("Console        http://127.0.0.1:8080/console");
        has("Documentation  http://127.0.0.1:8080/docs");
        has("WebSocket      ws://127.0.0.1:9090/the-key");
        has(r#"target/release/pushi trigger global "hello world""#);
        let curl: Vec<_> = lines
            .iter()
            .filter(|line| line.starts_with("curl "))
            .collect();
        let expected = r#"curl -X POST "http://127.0.0.1:8080/events?sid=the-token" -H 'Content-Type: application/json' -d '{"channel":"global","event":"message","data":"hello world"}'"#;
        assert_eq!(curl, [&expected]);
    }

    #[test]
    fn a_shell_finds_the_program_by_its_name_or_path() {
        let temporary = tempfile::TempDir::new().unwrap();
        let folder = temporary.path().canonicalize().unwrap();
        let place = folder.join("a b/pushi");
        std::fs::create_dir_all(folder.join("a b")).unwrap();
        std::fs::write(&place, "").unwrap();
        let other = folder.join("other");
        std::fs::create_dir_all(&other).unwrap();
        let shown = |folder: &Path, path: &Path| command(&place, folder, Some(path.as_os_str()));
        assert_eq!(shown(&folder, &folder.join("a b")), "pushi");
        assert_eq!(shown(&folder, &other), "'a b/pushi'");
        assert_eq!(shown(&folder.join("a b"), &other), "./pushi");
        assert_eq!(shown(&other, &other), format!("'{}'", place.display()));
        assert_eq!(command(Path::new("/usr/bin/x"), &other, None), "/usr/bin/x");
        // Another program of the name comes first.
        std::fs::write(other.join("pushi"), "").unwrap();
        let both = std::env::join_paths([other.clone(), folder.join("a b")]).unwrap();
        assert_eq!(command(&place, &folder, Some(&both)), "'a b/pushi'");
    }
}
