//! Requests over HTTP: what answers, its clock, and signatures.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::connect::{STEP, Stream};
use super::report::Report;
use super::target::Target;
use crate::cli::app_selector::AppCredentials;
use crate::core::auth::SignedRequest;

/// The bytes of an answer that are read at most.
const MAX_ANSWER: u64 = 64 * 1024;

/// The difference of the clocks at which signed requests are refused (Pusher's documentation), and one that is worth a
/// correction.
const MAX_SKEW: Duration = Duration::from_secs(600);
const NOTABLE_SKEW: Duration = Duration::from_secs(30);

struct Answer {
    status: u16,
    /// The value of `Date`, as far as it is valid.
    date: Option<SystemTime>,
    body: Value,
}

/// Checks that a Pushi server answers, and compares the clocks. Returns whether it makes sense to go on.
pub(super) async fn check_server(target: &Target, stream: Stream, report: &mut Report) -> bool {
    let path = format!("{}/", target.prefix);
    let answer = match get(target, &path, stream).await {
        Ok(answer) => answer,
        Err(reason) => {
            report.fail(
                "server",
                reason,
                "check that the port is that of the server or its proxy, and its scheme (http or https)",
            );
            return false;
        }
    };
    let version = answer.body["version"].as_str();
    match (answer.status, answer.body["name"].as_str(), version) {
        (200, Some("Pushi"), Some(version)) => {
            report.pass("server", format!("Pushi {version} answers"));
        }
        (502..=504, ..) => {
            report.fail(
                "server",
                format!("the proxy answers {}", answer.status),
                "start the server, and check the address that the proxy passes requests to",
            );
            return false;
        }
        (status, ..) => report.warn(
            "server",
            format!("another server answers {path} ({status})"),
            "if only some paths are passed to pushi this is right; otherwise check the proxy's routes and the path of the URL",
        ),
    }
    check_clock(&answer, report);
    true
}

fn check_clock(answer: &Answer, report: &mut Report) {
    let Some(date) = answer.date else {
        return report.skip("clock", "the answer has no Date");
    };
    let now = SystemTime::now();
    let skew = now
        .duration_since(date)
        .unwrap_or_else(|early| early.duration());
    let message = format!("this machine and the server differ by {} s", skew.as_secs());
    let fix = "synchronise the clocks of both machines (systemd-timesyncd, chrony)";
    if skew > MAX_SKEW {
        report.fail(
            "clock",
            format!("{message}, and requests that differ by more than 600 s are refused"),
            fix,
        );
    } else if skew > NOTABLE_SKEW {
        report.warn("clock", message, fix);
    } else {
        report.pass("clock", message);
    }
}

/// Sends a signed request, as the server libraries of Pusher do.
pub(super) async fn check_signature(
    target: &Target,
    credentials: &AppCredentials,
    stream: Stream,
    report: &mut Report,
) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let query = [
        ("auth_key", credentials.key.clone()),
        (
            "auth_timestamp",
            now.unwrap_or_default().as_secs().to_string(),
        ),
        ("auth_version", "1.0".to_owned()),
    ];
    let query = query.map(|(name, value)| (name.to_owned(), value));
    let path = format!("/apps/{}/channels", credentials.ident);
    let signed = SignedRequest {
        method: "GET",
        path: &path,
        query: &query,
        has_body: false,
    };
    let signature = signed.signature(&credentials.secret);
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&query)
        .append_pair("auth_signature", &signature)
        .finish();
    match get(target, &format!("{}{path}?{query}", target.prefix), stream).await {
        Ok(Answer { status: 200, .. }) => {
            report.pass("signature", "a signed request is accepted".to_owned());
        }
        Ok(answer) => {
            let message = ["message", "error"].map(|member| answer.body[member].as_str());
            let reason = message
                .into_iter()
                .flatten()
                .next()
                .unwrap_or("no reason given");
            report.fail(
                "signature",
                format!("a signed request is answered {}: {reason}", answer.status),
                match answer.status {
                    401 | 403 => "check --app-id, --app-key and --app-secret, and that the proxy does not change path or query",
                    404 => "check --app-id, and that the proxy passes /apps on",
                    _ => "see the log of the server",
                },
            );
        }
        Err(reason) => report.fail("signature", reason, "see the log of the proxy"),
    }
}

/// Sends a request and reads its answer, which ends with the connection.
async fn get(target: &Target, path: &str, mut stream: Stream) -> Result<Answer, String> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nUser-Agent: pushi-doctor\r\nConnection: close\r\n\r\n",
        target.authority()
    );
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut bytes).await?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = timeout(STEP, exchange)
        .await
        .map_err(|_| format!("no answer in {} s", STEP.as_secs()))?
        .map_err(|error| format!("the request failed: {error}"))?;
    parse(&bytes).ok_or_else(|| "the answer is not HTTP".to_owned())
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 100];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).ok()? else {
        return None;
    };
    let header = |name: &str| {
        let mut found = response.headers.iter();
        let found = found.find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    let date = header("date").and_then(|date| httpdate::parse_http_date(date).ok());
    // In chunks or whole, the only object of the body begins with its first brace.
    let body = &bytes[head..];
    let start = body.iter().position(|byte| *byte == b'{').unwrap_or(0);
    let mut values = serde_json::Deserializer::from_slice(&body[start..]).into_iter();
    Some(Answer {
        status: response.code?,
        date,
        body: values.next().and_then(Result::ok).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_in_chunks() {
        let whole = parse(
            b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n{\"name\":\"pushi\"}",
        )
        .unwrap();
        assert_eq!(
            (whole.status, whole.body["name"].as_str()),
            (200, Some("pushi"))
        );
        assert!(whole.date.is_some());
        let chunk = parse(b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"message\":\"no\"}\r\n0\r\n\r\n").unwrap();
        assert_eq!(
            (chunk.status, chunk.body["message"].as_str()),
            (401, Some("no"))
        );
        assert!(parse(b"SSH-2.0-OpenSSH\r\n").is_none());
        assert!(parse(b"").is_none());
    }

    #[test]
    fn clocks_are_compared_both_ways() {
        let state = |date| {
            let mut report = Report::default();
            let answer = Answer {
                status: 200,
                date: Some(date),
                body: Value::Null,
            };
            check_clock(&answer, &mut report);
            report.json()["checks"][0]["state"].clone()
        };
        let now = SystemTime::now();
        assert_eq!(state(now), "ok");
        assert_eq!(state(now - Duration::from_secs(60)), "warning");
        assert_eq!(state(now + Duration::from_secs(700)), "failed");
        assert_eq!(state(now - Duration::from_secs(700)), "failed");
    }
}
