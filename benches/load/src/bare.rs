//! `pushi-bench bare`: an HTTP server without logic, as the baseline for `publish`.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use poem::http::{StatusCode, header};
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{Body, Endpoint, EndpointExt, Request, Response, Server, endpoint};

use crate::error::BenchError;
use crate::target::seconds;

/// Serve an empty response to every request: a baseline for `publish`
///
/// It uses the web framework of the server with no logic behind it. It prints its address and ends
/// after --seconds.
#[derive(clap::Args)]
pub(crate) struct Bare {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// How long to serve
    #[arg(long, default_value = "600", value_parser = seconds, value_name = "S")]
    seconds: Duration,
}

impl Bare {
    /// Serves, then returns an empty text.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or accepting fails.
    pub(crate) async fn run(&self) -> Result<String, BenchError> {
        let acceptor = TcpListener::bind(self.listen).into_acceptor().await;
        let acceptor = acceptor.map_err(|error| {
            BenchError::Start(format!("cannot listen on {}: {error}", self.listen))
        })?;
        let addresses = acceptor.local_addr();
        for address in addresses
            .iter()
            .filter_map(|address| address.as_socket_addr())
        {
            // A closed standard output does not stop the server.
            let _ = writeln!(std::io::stdout(), "http://{address}");
        }
        let end = tokio::time::sleep(self.seconds);
        let server = Server::new_with_acceptor(acceptor).run_with_graceful_shutdown(
            empty_endpoint(),
            end,
            Some(Duration::ZERO),
        );
        server
            .await
            .map(|()| String::new())
            .map_err(BenchError::run)
    }
}

/// Reads the body and responds with a token, which is the least that the login of `publish`
/// accepts.
fn empty_endpoint() -> impl Endpoint {
    endpoint::make(|mut request: Request| async move {
        request.take_body().into_bytes().await?;
        let response = Response::builder()
            .status(StatusCode::OK)
            .header(header::CONTENT_TYPE, "application/json");
        Ok::<_, poem::Error>(response.body(Body::from_string(r#"{"token":"none"}"#.to_owned())))
    })
    .boxed()
}
