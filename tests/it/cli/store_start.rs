//! The start against a database that is not up yet, that other servers prepare at the same time, or that refuses it.

use std::io::copy;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use pushi_test_support::{MongoDatabase, PostgresSchema};
use socket2::{Domain, Socket, Type};

use crate::cli::Shell;
use crate::cli::serve::Running;

const PORTS: [&str; 4] = ["--app-port", "0", "--server-port", "0"];

/// Long enough that no test waits for its end.
const LONG: (&str, &str) = ("PUSHI_STORE_TIMEOUT", "60");

/// The address of a server that is not up: connections are refused, and nobody else gets its port.
struct Down(Socket);

impl Down {
    fn new() -> (Self, u16) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        (Self(socket), port)
    }

    /// From now on the port leads to `server`.
    fn up(self, server: String) {
        self.0.listen(64).unwrap();
        let listener = TcpListener::from(self.0);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&server).unwrap();
                for (mut from, mut to) in [
                    (client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (server, client),
                ] {
                    thread::spawn(move || {
                        let _ = copy(&mut from, &mut to);
                        let _ = to.shutdown(std::net::Shutdown::Both);
                    });
                }
            }
        });
    }
}

/// `host:port` of a URL.
fn address(url: &str) -> &str {
    let rest = url.split("://").nth(1).unwrap();
    let rest = rest.split(['/', '?']).next().unwrap();
    rest.rsplit('@').next().unwrap()
}

/// Starts on a database that is down, which is then up.
fn is_awaited(url: &str) {
    let server = address(url);
    let (down, port) = Down::new();
    let url = url.replacen(server, &format!("127.0.0.1:{port}"), 1);
    let shell = Shell::new();
    let mut running =
        Running::spawn(&mut shell.command(&PORTS, &[("DATABASE_URL", url.as_str()), LONG]));
    let line = running.says("store not available yet");
    assert!(
        line.contains(&port.to_string()) || line.contains("no answer yet"),
        "{line}"
    );
    down.up(server.to_owned());
    let before = running.await_start();
    assert!(
        !before.iter().any(|line| line.contains("not available")),
        "one line: {before:?}"
    );
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_is_not_up_yet_is_awaited() {
    if let Some(schema) = PostgresSchema::start().await {
        is_awaited(&schema.url(""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mongodb_that_is_not_up_yet_is_awaited() {
    if let Some(database) = MongoDatabase::start("PUSHI_TEST_MONGO_URL").await {
        is_awaited(&format!("{}/{}", database.url, database.name));
        // Where the driver itself does not wait.
        let (url, name) = (&database.url, &database.name);
        is_awaited(&format!("{url}/{name}?serverSelectionTimeoutMS=50"));
    }
}

/// Starts several servers at once, each with the same app.
fn all_start(url: &str) {
    let shell = Shell::new();
    let app = [
        ("PUSHI_APP_ID", "a"),
        ("PUSHI_APP_KEY", "k"),
        ("PUSHI_APP_SECRET", "s"),
    ];
    let environment = [&[("DATABASE_URL", url), LONG], &app[..]].concat();
    let servers: Vec<_> = (0..4)
        .map(|_| Running::spawn(&mut shell.command(&PORTS, &environment)))
        .collect();
    for mut server in servers {
        server.await_start();
        assert!(
            server
                .ask("GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                .starts_with("HTTP/1.1 200 ")
        );
    }
}

/// Starts several servers at once that have no app: one of them creates it, prints it, and all serve it.
fn one_creates_the_first_app(url: &str) {
    let shell = Shell::new();
    let environment = [("DATABASE_URL", url), LONG];
    let mut servers: Vec<_> = (0..3)
        .map(|_| Running::spawn(&mut shell.command(&PORTS, &environment)))
        .collect();
    for server in &mut servers {
        server.await_start();
    }
    let listed = shell
        .command(&["app", "list"], &environment)
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.matches("default").count(), 1, "{listed}");
    let printed: Vec<String> = servers.into_iter().map(Running::printed).collect();
    let welcomes = printed.iter().filter(|text| text.contains("secret  "));
    assert_eq!(welcomes.count(), 1, "{printed:?}");
}

#[test]
fn several_servers_start_at_once_on_a_new_file() {
    all_start("sqlite://pushi.db");
    one_creates_the_first_app("sqlite://other.db");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_start_at_once_on_an_empty_postgres_database() {
    if let Some(schema) = PostgresSchema::start().await {
        all_start(&schema.url(""));
    }
    if let Some(schema) = PostgresSchema::start().await {
        one_creates_the_first_app(&schema.url(""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_start_at_once_on_an_empty_mongodb_database() {
    for server in ["PUSHI_TEST_MONGO_URL", "PUSHI_TEST_OTHER_MONGO_URL"] {
        if let Some(database) = MongoDatabase::start(server).await {
            all_start(&format!("{}/{}", database.url, database.name));
        }
        if let Some(database) = MongoDatabase::start(server).await {
            one_creates_the_first_app(&format!("{}/{}", database.url, database.name));
        }
    }
}

/// What an operator has to correct ends the start without waiting.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_is_not_awaited() {
    let shell = Shell::new();
    let refused = |url: &str| {
        let line = shell.complaint(&PORTS, &[("DATABASE_URL", url), LONG], 2);
        assert!(!line.contains("hunter2"), "{line}");
        line
    };
    let line = refused("postgres://ann:hunter2@127.0.0.1:notaport/x");
    assert!(line.contains("cannot be read"), "{line}");
    let line = refused("mongodb://ann:hunter2@127.0.0.1:notaport/x");
    assert!(line.contains("cannot be read"), "{line}");
    assert!(refused("sqlite:///no/such/folder/pushi.db").contains("create the folder first"));
    let Some(schema) = PostgresSchema::start().await else {
        return;
    };
    let line = refused(&schema.url("&dbname=no_such_database"));
    assert!(line.contains("createdb no_such_database"), "{line}");
    let line = refused(&schema.url("&user=nobody_here&password=hunter2"));
    assert!(line.contains("rejects the user"), "{line}");
}
