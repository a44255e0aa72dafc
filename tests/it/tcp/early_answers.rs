//! Answers that are given before their request's body has been received.

use pushi::config::variables::PUSHI_MAX_BODY_BYTES;

use super::{Conn, Whole};

const BODY: &str = r#"{"data":"x","event":"x","channel":"x"}"#;

/// Requests that are answered without their body, with the status.
const EARLY: &[(&str, &str, u16)] = &[
    ("POST /events", "", 401),
    ("POST /events", "authorization: Bearer no-session\r\n", 401),
    ("POST /subscriptions", "", 401),
    ("POST /logout", "", 401),
    ("PUT /apps/shop", "", 401),
    ("POST /apps", "", 401),
    ("POST /no-such-route", "", 404),
    ("GET /health/live", "", 200),
    ("GET /pushi.js", "", 200),
    ("OPTIONS /events", "", 204),
    ("DELETE /events", "", 405),
    ("POST /docs", "", 405),
    ("POST /pushi.js", "", 405),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Framing {
    Length,
    Chunked,
    ManyChunks,
}

/// When the body is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Delivery {
    OneSegment,
    TwoSegments,
    /// In two halves, the second after the answer.
    HalfLate,
    /// After the answer.
    Late,
}

impl Framing {
    fn header(self) -> String {
        match self {
            Self::Length => format!("content-length: {}\r\n", BODY.len()),
            Self::Chunked | Self::ManyChunks => "transfer-encoding: chunked\r\n".into(),
        }
    }

    fn body(self) -> String {
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        match self {
            Self::Length => BODY.into(),
            Self::Chunked => format!("{}0\r\n\r\n", chunk(BODY)),
            Self::ManyChunks => {
                let chunks: String = BODY.split_inclusive(',').map(chunk).collect();
                format!("{chunks}0\r\n\r\n")
            }
        }
    }
}

/// The client can use the connection again, or it was announced that it cannot; nothing is lost.
async fn check(mut conn: Conn, request: (&str, &str, u16), framing: Framing, delivery: Delivery) {
    let (line, headers, status) = request;
    let head = format!(
        "{line} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{headers}{}\r\n",
        framing.header()
    );
    let body = framing.body();
    let (early, late) = match delivery {
        Delivery::OneSegment | Delivery::TwoSegments => (&body[..], ""),
        Delivery::HalfLate => body.split_at(body.len() / 2),
        Delivery::Late => ("", &body[..]),
    };
    if delivery == Delivery::OneSegment {
        conn.send(format!("{head}{early}")).await;
    } else {
        conn.send(head).await;
        conn.send(early).await;
    }
    let answer = conn.answer().await;
    let case = format!("{line} {framing:?} {delivery:?}: {answer:?}");
    assert_eq!(answer.status, status, "{case}");
    conn.send(late).await;
    if answer.closes() {
        // Only where the length of the rest is unknown.
        assert!(framing != Framing::Length, "{case}");
        assert!(delivery != Delivery::OneSegment, "{case}");
        conn.closed().await;
    } else {
        conn.send("GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        let next = conn.answer().await;
        assert_eq!(next.status, 200, "{case}");
    }
}

#[tokio::test]
async fn the_connection_goes_on_or_its_close_is_announced() {
    let whole = Whole::start(&[]).await;
    for request in EARLY {
        for framing in [Framing::Length, Framing::Chunked, Framing::ManyChunks] {
            use Delivery::{HalfLate, Late, OneSegment, TwoSegments};
            for delivery in [OneSegment, TwoSegments, HalfLate, Late] {
                check(whole.connect().await, *request, framing, delivery).await;
                check(whole.connect_tls().await, *request, framing, delivery).await;
            }
        }
    }
}

#[tokio::test]
async fn the_next_request_may_be_pipelined() {
    let whole = Whole::start(&[]).await;
    for (line, headers, status) in EARLY {
        let mut conn = whole.connect().await;
        let next = "GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n";
        let length = BODY.len();
        let head =
            format!("{line} HTTP/1.1\r\nhost: a\r\n{headers}content-length: {length}\r\n\r\n");
        conn.send(format!("{head}{BODY}{next}{head}")).await;
        conn.send(format!("{BODY}{next}")).await;
        for expected in [*status, 200, *status, 200] {
            let answer = conn.answer().await;
            assert_eq!(answer.status, expected, "{line}: {answer:?}");
            assert!(!answer.closes(), "{line}: {answer:?}");
        }
    }
}

/// The client waits for `100 Continue` or a final answer, and then need not send the body.
#[tokio::test]
async fn a_client_that_expects_continue_is_answered_at_once() {
    let whole = Whole::start(&[]).await;
    for (line, headers, status) in EARLY {
        for sends_anyway in [false, true] {
            let mut conn = whole.connect().await;
            let length = BODY.len();
            let head = format!(
                "{line} HTTP/1.1\r\nhost: a\r\n{headers}expect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
            );
            conn.send(head).await;
            let answer = conn.answer().await;
            assert_eq!(answer.status, *status, "{line}: {answer:?}");
            assert!(answer.closes(), "{line}: {answer:?}");
            if sends_anyway {
                conn.send(BODY).await;
            }
            conn.closed().await;
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_closes_in_order() {
    let whole = Whole::start(&[(PUSHI_MAX_BODY_BYTES, "1000")]).await;
    let login = "POST /login HTTP/1.1\r\nhost: a\r\n";
    for early in [0, 100, 3_000_000] {
        let mut conn = whole.connect().await;
        conn.send(format!("{login}content-length: 3000000\r\n\r\n"))
            .await;
        conn.send("x".repeat(early)).await;
        let answer = conn.answer().await;
        assert_eq!((answer.status, answer.closes()), (413, true), "{answer:?}");
        conn.send("x".repeat(3_000_000 - early)).await;
        conn.closed().await;
        // Chunked: found out while reading.
        let mut conn = whole.connect().await;
        conn.send(format!(
            "{login}transfer-encoding: chunked\r\n\r\n2dc6c0\r\n"
        ))
        .await;
        conn.send("x".repeat(early.max(2000))).await;
        let answer = conn.answer().await;
        assert_eq!((answer.status, answer.closes()), (413, true), "{answer:?}");
        conn.send("x".repeat(3_000_000 - early.max(2000))).await;
        conn.send("\r\n0\r\n\r\n").await;
        conn.closed().await;
    }
}

/// The client said that it closes, or speaks HTTP/1.0: it may wait for the end of the connection.
#[tokio::test]
async fn a_client_that_closes_gets_the_end_of_the_connection() {
    let whole = Whole::start(&[]).await;
    for head in [
        "POST /events HTTP/1.1\r\nhost: a\r\nconnection: foo, Close\r\ncontent-length: 38\r\n\r\n",
        "POST /events HTTP/1.0\r\ncontent-length: 38\r\n\r\n",
    ] {
        let mut conn = whole.connect().await;
        conn.send(head).await;
        let answer = conn.answer().await;
        assert_eq!((answer.status, answer.closes()), (401, true), "{answer:?}");
        conn.closed().await;
    }
}

#[tokio::test]
async fn an_invalid_body_is_400_and_closes() {
    let whole = Whole::start(&[]).await;
    let mut conn = whole.connect().await;
    conn.send("POST /login HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nnot hex\r\n")
        .await;
    let answer = conn.answer().await;
    assert_eq!((answer.status, answer.closes()), (400, true), "{answer:?}");
    conn.closed().await;
}
