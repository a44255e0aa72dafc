//! The part of a conversation before TLS (RFC 3207).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::core::ports::{SendFailure, Verdict};

use super::failure::io_failure;

/// The most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 8 * 1024;

/// Reads the greeting and asks for TLS; afterwards the handshake begins. Nothing that the server sent before it is kept, or
/// somebody on the way could put it before the answers that TLS protects.
pub(super) async fn request_tls<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    hello: &str,
) -> Result<(), SendFailure> {
    let failed = |error: io::Error| io_failure(&error);
    expect(&answer(stream).await.map_err(failed)?, 220)?;
    write(stream, &format!("EHLO {hello}\r\n"))
        .await
        .map_err(failed)?;
    let offers = answer(stream).await.map_err(failed)?;
    expect(&offers, 250)?;
    let offered = offers
        .lines()
        .filter_map(|line| line.get(4..))
        .any(|word| word.trim().eq_ignore_ascii_case("STARTTLS"));
    if !offered {
        return Err(SendFailure::new(
            Verdict::Credentials,
            "the mail server does not offer STARTTLS: use smtp+ssl:// or port 465, or smtp:// without encryption",
        ));
    }
    write(stream, "STARTTLS\r\n").await.map_err(failed)?;
    expect(&answer(stream).await.map_err(failed)?, 220)
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, line: &str) -> io::Result<()> {
    stream.write_all(line.as_bytes()).await?;
    stream.flush().await
}

/// Reads one answer. An error where it is too long, or more follows it.
async fn answer<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<String> {
    let invalid = |problem| io::Error::new(io::ErrorKind::InvalidData, problem);
    let mut bytes = Vec::with_capacity(512);
    loop {
        if let Some(end) = end_of_answer(&bytes) {
            if end < bytes.len() {
                return Err(invalid("it sent more than one answer before TLS"));
            }
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        if bytes.len() > MAX_ANSWER_BYTES {
            return Err(invalid("its answer is too long"));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The end of the first line that is the last one of its answer: a code without a hyphen after it.
fn end_of_answer(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    while let Some(length) = bytes[start..].iter().position(|byte| *byte == b'\n') {
        let end = start + length + 1;
        if bytes.get(start + 3) != Some(&b'-') {
            return Some(end);
        }
        start = end;
    }
    None
}

fn expect(answer: &str, code: u16) -> Result<(), SendFailure> {
    let given: Option<u16> = answer.get(..3).and_then(|text| text.parse().ok());
    match given {
        Some(given) if given == code => Ok(()),
        Some(given @ 500..600) => Err(SendFailure::new(
            Verdict::Refused,
            format!("the mail server refused the connection ({given})"),
        )),
        Some(given @ 400..500) => Err(SendFailure::new(
            Verdict::Later(None),
            format!("the mail server refused the connection ({given})"),
        )),
        _ => Err(SendFailure::new(
            Verdict::Later(None),
            "the mail server sent an answer that is not SMTP",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks a server that sends these answers, one after each command.
    async fn ask(answers: &'static [&'static str]) -> (Result<(), SendFailure>, String) {
        let (mut client, mut server) = tokio::io::duplex(64 * 1024);
        let serve = async move {
            let mut received = String::new();
            for answer in answers {
                server.write_all(answer.as_bytes()).await.unwrap();
                let mut line = vec![0; 256];
                let length = server.read(&mut line).await.unwrap();
                received.push_str(std::str::from_utf8(&line[..length]).unwrap());
            }
            received
        };
        let ask = async move {
            let result = request_tls(&mut client, "[192.0.2.1]").await;
            drop(client);
            result
        };
        tokio::join!(ask, serve)
    }

    #[tokio::test]
    async fn tls_is_requested_after_the_greeting() {
        let (result, received) = ask(&[
            "220-mail.example\r\n220 ready\r\n",
            "250-mail.example\r\n250-8BITMIME\r\n250 STARTTLS\r\n",
            "220 go ahead\r\n",
        ])
        .await;
        assert_eq!(result, Ok(()));
        assert_eq!(received, "EHLO [192.0.2.1]\r\nSTARTTLS\r\n");
    }

    #[tokio::test]
    async fn answers_that_are_put_before_tls_end_the_connection() {
        let (result, _) = ask(&[
            "220 ready\r\n",
            "250 STARTTLS\r\n",
            "220 go ahead\r\n250 mail.example\r\n",
        ])
        .await;
        let failure = result.unwrap_err();
        assert!(
            failure
                .reason()
                .ends_with("more than one answer before TLS")
        );
        assert_eq!(failure.verdict, Verdict::Later(None));
    }

    #[tokio::test]
    async fn a_server_without_starttls_gets_no_mail_in_plain_text() {
        let (result, received) = ask(&["220 ready\r\n", "250-mail.example\r\n250 HELP\r\n"]).await;
        assert_eq!(result.unwrap_err().verdict, Verdict::Credentials);
        assert_eq!(received, "EHLO [192.0.2.1]\r\n");
    }

    #[tokio::test]
    async fn refusals_and_nonsense_have_different_verdicts() {
        for (answers, expected) in [
            (&["554 no service\r\n"][..], Verdict::Refused),
            (&["421 later\r\n"], Verdict::Later(None)),
            (&["HTTP/1.1 400 Bad Request\r\n"], Verdict::Later(None)),
            (&["220 ready\r\n", "502 no EHLO\r\n"], Verdict::Refused),
            (&[], Verdict::Later(None)),
        ] {
            let (result, _) = ask(answers).await;
            assert_eq!(result.unwrap_err().verdict, expected, "{answers:?}");
        }
    }
}
