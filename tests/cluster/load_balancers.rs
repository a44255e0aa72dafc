//! The sample configurations of `deploy/`, with nginx and HAProxy as Debian has them.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;

use crate::client::{Client, Way};
use crate::cluster::Cluster;
use crate::http::ask_over;
use crate::redis::free_port;

/// A balancer in front of the nodes of a stage.
struct Balancer {
    plain: u16,
    tls: u16,
    root: CertificateDer<'static>,
    child: Child,
    _folder: TempDir,
}

/// The text of a sample with what it must have here in place of what stands there.
fn sample(name: &str, cluster: &Cluster, changes: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(name);
    let mut text = std::fs::read_to_string(&path).unwrap();
    let nodes = ["10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080"]
        .into_iter()
        .zip(&cluster.nodes);
    let nodes = nodes.map(|(from, node)| (from, format!("127.0.0.1:{}", node.api)));
    for (from, to) in nodes.chain(changes.iter().cloned()) {
        assert!(text.contains(from), "{name} does not say {from}");
        text = text.replace(from, &to);
    }
    text
}

impl Balancer {
    async fn start(cluster: &Cluster, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (plain, tls) = (free_port(), free_port());
        let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (cer, key) = (
            certificate.cert.pem(),
            certificate.signing_key.serialize_pem(),
        );
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let mut command = match name {
            "nginx" => {
                let changes = [
                    ("listen 80;", format!("listen 127.0.0.1:{plain};")),
                    ("listen 443 ssl;", format!("listen 127.0.0.1:{tls} ssl;")),
                    ("/etc/ssl/pushi/fullchain.pem", file("cer.pem", &cer)),
                    ("/etc/ssl/pushi/privkey.pem", file("key.pem", &key)),
                ];
                let site = file("pushi.conf", &sample("nginx/pushi.conf", cluster, &changes));
                let base = folder.path().display();
                let main = format!(
                    "daemon off;\npid {base}/pid;\nerror_log {base}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n\
                     client_body_temp_path {base}/body;\nproxy_temp_path {base}/proxy;\nfastcgi_temp_path {base}/fastcgi;\n\
                     uwsgi_temp_path {base}/uwsgi;\nscgi_temp_path {base}/scgi;\ninclude {site};\n}}\n"
                );
                let mut command = Command::new("nginx");
                command
                    .arg("-c")
                    .arg(file("nginx.conf", &main))
                    .arg("-p")
                    .arg(folder.path());
                command
            }
            _ => {
                let changes = [
                    ("bind :80\n", format!("bind 127.0.0.1:{plain}\n")),
                    ("bind :443 ", format!("bind 127.0.0.1:{tls} ")),
                    ("/etc/haproxy/pushi.pem", file("pushi.pem", &(cer + &key))),
                    ("maxconn 100000", "maxconn 1000".to_owned()),
                ];
                let mut command = Command::new("haproxy");
                command.arg("-db").arg("-f").arg(file(
                    "haproxy.cfg",
                    &sample("haproxy/haproxy.cfg", cluster, &changes),
                ));
                command
            }
        };
        command
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("there is no {name} ({error}): tests/run.sh installs it")
        });
        let root = certificate.cert.der().clone();
        let balancer = Self {
            plain,
            tls,
            root,
            child,
            _folder: folder,
        };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", tls)).await.is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{name} does not start"
            );
            sleep(Duration::from_millis(20)).await;
        }
        balancer
    }

    async fn connect(&self) -> Box<dyn Way> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(("127.0.0.1", self.tls)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Box::new(
            TlsConnector::from(Arc::new(config))
                .connect(name, stream)
                .await
                .unwrap(),
        )
    }

    async fn client(&self, pusher: bool) -> Client {
        Client::over(self.connect().await, "wss", pusher).await
    }

    async fn status(&self, method: &str, target: &str, body: &str) -> u16 {
        let answer = ask_over(self.connect().await, method, target, "", body).await;
        answer
            .split(' ')
            .nth(1)
            .unwrap_or_else(|| panic!("{answer}"))
            .parse()
            .unwrap()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // A signal that it handles, so that its children stop as well.
        let _ = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.child.id())])
            .status();
        let _ = self.child.wait();
    }
}

async fn behind(name: &str) {
    let Some(mut cluster) = Cluster::start().await else {
        return;
    };
    let balancer = Balancer::start(&cluster, name).await;
    // Believed only because the nodes trust the balancer.
    cluster.set_app(json!({"tls_only": true})).await;
    let mut clients = Vec::new();
    for n in 0..6 {
        let mut client = balancer.client(n % 2 == 0).await;
        client.join("presence-room", &format!("u{n}")).await;
        client.subscribe("news", json!({})).await;
        clients.push(client);
    }
    let body = json!({"channel": "news", "event": "message", "data": "hello"}).to_string();
    assert_eq!(
        balancer
            .status("POST", &format!("/events?sid={}", cluster.token()), &body)
            .await,
        200
    );
    for client in &clients {
        client
            .until_is(
                |client| client.events("news", "message"),
                vec!["hello".to_owned()],
            )
            .await;
    }
    assert_eq!(
        (
            balancer.status("GET", "/metrics", "").await,
            balancer.status("GET", "/health/detailed", "").await
        ),
        (404, 404)
    );
    assert_eq!(balancer.status("GET", "/health/ready", "").await, 200);
    let plain = TcpStream::connect(("127.0.0.1", balancer.plain))
        .await
        .unwrap();
    let answer = ask_over(plain, "GET", "/health", "", "").await;
    assert!(
        answer.starts_with("HTTP/1.1 301") && answer.contains("https://"),
        "{answer}"
    );
    // One node stops: those on it are let go with 4200, and find another.
    let node = cluster.nodes.remove(0);
    node.signal("TERM");
    node.ended().await;
    for (n, mut client) in clients.into_iter().enumerate() {
        if client.has_ended() {
            assert_eq!(client.ended().await, 4200);
            client = balancer.client(n % 2 == 0).await;
            client.join("presence-room", &format!("u{n}")).await;
        }
        client.subscribe("after", json!({})).await;
        assert_eq!(balancer.status("GET", "/health/live", "").await, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_reach_the_nodes_through_nginx() {
    behind("nginx").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_reach_the_nodes_through_haproxy() {
    behind("haproxy").await;
}
