//! `pushi bench bare`: a server that does nothing, to hold others against.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use poem::http::{StatusCode, header};
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{Body, Endpoint, EndpointExt, Request, Response, Server, endpoint};

use super::aim::seconds;
use crate::cli::failure::Failure;

/// Serve an empty answer to every request: what to hold `publish` against
///
/// The web framework with nothing behind it. It prints its address and ends after --seconds.
#[derive(clap::Args)]
pub struct Bare {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// How long to serve
    #[arg(long, default_value = "600", value_parser = seconds, value_name = "S")]
    seconds: Duration,
}

impl Bare {
    pub async fn run(&self) -> Result<String, Failure> {
        let acceptor = TcpListener::bind(self.listen).into_acceptor().await;
        let acceptor = acceptor.map_err(|error| {
            Failure::Start(format!("cannot listen on {}: {error}", self.listen))
        })?;
        let addresses = acceptor.local_addr();
        for address in addresses
            .iter()
            .filter_map(|address| address.as_socket_addr())
        {
            // Where nobody reads it the server serves all the same.
            let _ = writeln!(std::io::stdout(), "http://{address}");
        }
        let end = tokio::time::sleep(self.seconds);
        let server = Server::new_with_acceptor(acceptor).run_with_graceful_shutdown(
            empty(),
            end,
            Some(Duration::ZERO),
        );
        server
            .await
            .map(|()| String::new())
            .map_err(Failure::command)
    }
}

/// Reads the body, and answers as little as a publisher understands: what a login does, so that `publish` begins.
fn empty() -> impl Endpoint {
    endpoint::make(|mut request: Request| async move {
        request.take_body().into_bytes().await?;
        let answer = Response::builder()
            .status(StatusCode::OK)
            .header(header::CONTENT_TYPE, "application/json");
        Ok::<_, poem::Error>(answer.body(Body::from_string(r#"{"token":"none"}"#.to_owned())))
    })
    .boxed()
}
