//! An HTTP server that records webhook calls.

use std::sync::Arc;

use pushi_test_support::PATIENCE;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// One received request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    head: String,
    pub body: String,
}

impl Call {
    pub(super) fn header(&self, name: &str) -> &str {
        let named = |line: &&str| {
            line.split_once(':')
                .is_some_and(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        self.head
            .lines()
            .find(named)
            .and_then(|line| line.split_once(':'))
            .map_or("", |(_, value)| value.trim())
    }

    /// `POST /hook HTTP/1.1`
    pub(super) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The events in its body.
    pub(super) fn events(&self) -> Vec<Value> {
        self.json()["events"].as_array().unwrap().clone()
    }
}

/// What a receiver answers: the first line without `HTTP/1.1`, and further header lines.
pub(super) type Answers = Arc<dyn Fn(&Call) -> String + Send + Sync>;

/// A back end on a port of its own.
pub(super) struct Receiver {
    pub url: String,
    calls: UnboundedReceiver<Call>,
    _listening: JoinSet<()>,
}

impl Receiver {
    /// One that takes everything.
    pub(super) async fn start() -> Self {
        Self::answering(|_| "200 OK".to_owned()).await
    }

    pub(super) async fn answering(
        answers: impl Fn(&Call) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (said, calls) = unbounded_channel();
        let mut listening = JoinSet::new();
        let answers: Answers = Arc::new(answers);
        listening.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(serve(stream, said.clone(), Arc::clone(&answers)));
            }
        });
        Self {
            url,
            calls,
            _listening: listening,
        }
    }

    /// The next request.
    pub(super) async fn call(&mut self) -> Call {
        timeout(PATIENCE, self.calls.recv())
            .await
            .expect("the webhook is not told")
            .unwrap()
    }

    /// The next `count` events in order, over as many requests as needed.
    pub(super) async fn told(&mut self, count: usize) -> Vec<Value> {
        let mut told = Vec::new();
        while told.len() < count {
            told.extend(self.call().await.events());
        }
        told
    }

    /// Whether no request waits to be looked at.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.calls.try_recv().is_err()
    }
}

/// One request a connection.
async fn serve(mut stream: TcpStream, said: UnboundedSender<Call>, answers: Answers) {
    let mut text = Vec::new();
    let (head, body) = loop {
        if stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
            return;
        }
        let so_far = String::from_utf8_lossy(&text);
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else {
            continue;
        };
        let call = Call {
            head: head.to_owned(),
            body: body.to_owned(),
        };
        if body.len() >= call.header("content-length").parse().unwrap() {
            break (call.head, call.body);
        }
    };
    let call = Call { head, body };
    let answer = answers(&call);
    // A test that is over does not look any more.
    let _ = said.send(call);
    let _ = stream
        .write_all(
            format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .as_bytes(),
        )
        .await;
}
