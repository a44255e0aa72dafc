//! Conversations with servers that follow a script.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::EmailSender;
use crate::core::model::{EmailMessage, MailServer, MailTls, Secret, Timestamp};
use crate::core::ports::{SendFailure, Sender, Verdict};

/// A server without TLS that accepts what it does not know.
struct Script {
    port: u16,
    connections: Arc<AtomicUsize>,
    commands: tokio::sync::mpsc::UnboundedReceiver<String>,
}

impl Script {
    /// Answers a line by the first entry that it begins with.
    async fn start(answers: &'static [(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (sent, commands) = tokio::sync::mpsc::unbounded_channel();
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, answers, sent.clone()));
            }
        });
        Self {
            port,
            connections,
            commands,
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The commands until now, without the lines of mails.
    fn commands(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.commands.try_recv().ok()).collect()
    }
}

async fn serve(
    stream: TcpStream,
    answers: &[(&str, &str)],
    commands: tokio::sync::mpsc::UnboundedSender<String>,
) {
    let answer = |line: &str| {
        let known = answers.iter().find(|(start, _)| line.starts_with(start));
        known.map(|(_, answer)| *answer)
    };
    let mut stream = BufReader::new(stream);
    let greeting = answer("greeting").unwrap_or("220 ready\r\n");
    if stream.write_all(greeting.as_bytes()).await.is_err() {
        return;
    }
    let (mut line, mut in_mail) = (String::new(), false);
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        let text = line.trim_end().to_owned();
        line.clear();
        if in_mail && text != "." {
            continue;
        }
        let reply = match text.as_str() {
            "." => answer(".").unwrap_or("250 queued\r\n"),
            "DATA" => answer("DATA").unwrap_or("354 go on\r\n"),
            command => answer(command).unwrap_or("250 OK\r\n"),
        };
        in_mail = text == "DATA" && reply.starts_with("354");
        let _ = commands.send(text);
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn message(port: u16, to: &str, trusted: bool) -> EmailMessage {
    EmailMessage {
        server: MailServer {
            host: "127.0.0.1".into(),
            port,
            tls: MailTls::None,
            user: None,
            password: None,
            sender: "shop@shop.example".into(),
            is_trusted: trusted,
        },
        to: Secret::new(to),
        subject: "s".into(),
        text: "t".into(),
        html: None,
        unsubscribe: None,
        id: "1".into(),
        at: Timestamp::from_micros(0),
    }
}

async fn send(sender: &EmailSender, port: u16, to: &str) -> Result<(), SendFailure> {
    sender.send(&message(port, to, true)).await
}

fn sender() -> EmailSender {
    EmailSender::new(Duration::from_secs(20), false)
}

#[tokio::test]
async fn a_connection_is_used_again_also_after_a_refusal() {
    let mut script =
        Script::start(&[("RCPT TO:<unknown", "550 5.1.1 <unknown@shop.example>\r\n")]).await;
    let sender = sender();
    send(&sender, script.port, "ann@shop.example")
        .await
        .unwrap();
    let failure = send(&sender, script.port, "unknown@shop.example")
        .await
        .unwrap_err();
    assert_eq!(failure.verdict, Verdict::Refused);
    assert_eq!(
        failure.reason(),
        "the mail server refused the recipient (550 5.1.1)"
    );
    send(&sender, script.port, "ben@shop.example")
        .await
        .unwrap();
    assert_eq!(script.connections(), 1);
    let commands = script.commands();
    let expected = [
        "EHLO", "MAIL", "RCPT", "DATA", ".", "NOOP", "MAIL", "RCPT", "RSET", "NOOP", "MAIL",
        "RCPT", "DATA", ".",
    ];
    let found: Vec<_> = commands
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_replaced() {
    let script = Script::start(&[("NOOP", "421 idle for too long\r\n")]).await;
    let sender = sender();
    for to in ["ann@shop.example", "ben@shop.example"] {
        send(&sender, script.port, to).await.unwrap();
    }
    assert_eq!(script.connections(), 2);
}

#[tokio::test]
async fn mails_at_a_time_share_few_connections() {
    let script = Script::start(&[]).await;
    let sender = sender();
    let sends = (0..40).map(|_| send(&sender, script.port, "ann@shop.example"));
    let results = futures_util::future::join_all(sends).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(script.connections() <= 8, "{}", script.connections());
}

#[tokio::test]
async fn only_the_operators_server_may_be_private() {
    let script = Script::start(&[]).await;
    for host in ["127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1"] {
        let mut message = message(script.port, "ann@shop.example", false);
        message.server.host = host.into();
        let failure = sender().send(&message).await.unwrap_err();
        assert_eq!(failure.verdict, Verdict::Refused, "{host}");
        assert!(failure.reason().contains("PUSHI_WEBHOOK_ALLOW_PRIVATE"));
    }
    assert_eq!(script.connections(), 0);
    let allowed = EmailSender::new(Duration::from_secs(20), true);
    let message = message(script.port, "ann@shop.example", false);
    assert_eq!(allowed.send(&message).await, Ok(()));
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off() {
    let long: &'static str = "2".repeat(64 * 1024).leak();
    let script = Script::start(vec![("greeting", long)].leak()).await;
    let failure = send(&sender(), script.port, "ann@shop.example")
        .await
        .unwrap_err();
    assert_eq!(failure.verdict, Verdict::Later(None));
    assert!(
        failure.reason().ends_with("its answer is too long"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_server_that_answers_nothing_ends_the_attempt() {
    let script = Script::start(&[("greeting", "")]).await;
    let hasty = EmailSender::new(Duration::from_millis(100), false);
    let failure = send(&hasty, script.port, "ann@shop.example")
        .await
        .unwrap_err();
    assert_eq!(failure.verdict, Verdict::Later(None));
    assert_eq!(failure.reason(), "the mail server did not answer in time");
}

#[tokio::test]
async fn other_refusals_have_their_verdicts() {
    for (answers, expected) in [
        (&[("greeting", "554 no service\r\n")][..], Verdict::Refused),
        (&[("greeting", "421 later\r\n")], Verdict::Later(None)),
        (&[("MAIL", "530 5.7.0 log in\r\n")], Verdict::Credentials),
        (&[("DATA", "451 4.3.0 disk\r\n")], Verdict::Later(None)),
        (&[(".", "552 5.3.4 too large\r\n")], Verdict::Refused),
        (&[("EHLO", "nonsense\r\n")], Verdict::Later(None)),
    ] {
        let script = Script::start(answers).await;
        let failure = send(&sender(), script.port, "ann@shop.example")
            .await
            .unwrap_err();
        assert_eq!(failure.verdict, expected, "{answers:?}: {failure}");
    }
}
