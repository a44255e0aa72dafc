//! An HTTP server that records the requests of web hooks and messages.

use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::env::PATIENCE;

/// One received request.
#[derive(Debug, Clone)]
pub struct Call {
    head: String,
    pub bytes: Vec<u8>,
    /// The bytes as text.
    pub body: String,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
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
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The events in its body.
    pub fn events(&self) -> Vec<Value> {
        self.json()["events"].as_array().unwrap().clone()
    }
}

/// What a receiver answers: the first line without `HTTP/1.1`, and further header lines.
type Answers = Arc<dyn Fn(&Call) -> String + Send + Sync>;

/// A back end on a port of its own.
pub struct Receiver {
    pub url: String,
    calls: UnboundedReceiver<Call>,
    _listening: JoinSet<()>,
}

impl Receiver {
    /// One that takes everything.
    pub async fn start() -> Self {
        Self::answering(|_| "200 OK".to_owned()).await
    }

    pub async fn answering(answers: impl Fn(&Call) -> String + Send + Sync + 'static) -> Self {
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
    pub async fn call(&mut self) -> Call {
        timeout(PATIENCE, self.calls.recv())
            .await
            .expect("the webhook is not told")
            .unwrap()
    }

    /// The next `count` events in order, over as many requests as needed.
    pub async fn told(&mut self, count: usize) -> Vec<Value> {
        let mut told = Vec::new();
        while told.len() < count {
            told.extend(self.call().await.events());
        }
        told
    }

    /// Whether no request waits to be looked at.
    pub fn is_quiet(&mut self) -> bool {
        self.calls.try_recv().is_err()
    }
}

/// One request a connection.
async fn serve(mut stream: TcpStream, said: UnboundedSender<Call>, answers: Answers) {
    const END: &[u8] = b"\r\n\r\n";
    let mut read = Vec::new();
    let call = loop {
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
        let Some(end) = read.windows(END.len()).position(|bytes| bytes == END) else {
            continue;
        };
        let bytes = read[end + END.len()..].to_vec();
        let call = Call {
            head: String::from_utf8_lossy(&read[..end]).into_owned(),
            body: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        };
        if call.bytes.len() >= call.header("content-length").parse().unwrap_or(0) {
            break call;
        }
    };
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
