//! `pushi doctor`: checks what clients and back ends need of a running server, through the proxies in front of it.

mod certificate;
mod connect;
mod http;
mod report;
mod socket;
mod target;

use std::time::Duration;

use super::app_selector::{AppCredentials, AppSelector};
use super::error::CliError;
use super::output::OutputArgs;
use connect::Stream;
use report::Report;
use target::Target;

/// Check a running server from outside
///
/// Connects like a client and checks DNS, TLS, the clock, the upgrade to WebSocket through proxies, how long an idle connection
/// lives, and both protocols; with --app-id, --app-key and --app-secret also the signatures. Each failure says what to do.
/// Exits with 1 if a check failed.
#[derive(clap::Args)]
pub(super) struct DoctorArgs {
    /// Address that clients use, such as https://realtime.example.com or ws://127.0.0.1:8080
    url: String,
    /// Seconds for which an idle connection is observed at most; 0: not at all
    #[arg(long, default_value_t = 130, value_name = "SECONDS")]
    idle: u64,
    #[command(flatten)]
    output: OutputArgs,
}

impl DoctorArgs {
    pub(super) async fn run(self) -> Result<String, CliError> {
        let target = Target::parse(&self.url).map_err(CliError::command)?;
        let credentials = AppSelector::of(&self.output.raw).given();
        let mut report = Report::default();
        let idle = Duration::from_secs(self.idle);
        examine(&target, credentials.as_ref(), idle, &mut report).await;
        let text = self.output.format(&report.json(), |_| report.text());
        if report.has_failed() {
            return Err(CliError::Report(text));
        }
        Ok(text)
    }
}

/// Makes the checks in order, as far as those before permit.
async fn examine(
    target: &Target,
    credentials: Option<&AppCredentials>,
    idle: Duration,
    report: &mut Report,
) {
    let Some(address) = connect::resolve(target, report).await else {
        return;
    };
    let Some(stream) = connect::open(target, address, report).await else {
        return;
    };
    if !http::check_server(target, stream, report).await {
        return;
    }
    let open = async || -> Option<Stream> { connect::reopen(target, address).await };
    let mut observed = None;
    for protocol in socket::Protocol::ALL {
        let Some(stream) = open().await else {
            report.fail(
                protocol.name(),
                "no further connection was accepted".to_owned(),
                "see the limit PUSHI_MAX_HTTP_CONNECTIONS_PER_ADDRESS, and that of the proxy",
            );
            return;
        };
        let connected = socket::check(target, protocol, credentials, stream, report).await;
        if observed.is_none() {
            observed = connected;
        }
    }
    match observed {
        Some(connection) if !idle.is_zero() => connection.check_idle(idle, report).await,
        Some(_) => report.skip("idle", "not observed, because of --idle 0"),
        None => report.skip(
            "idle",
            "give --app-id, --app-key and --app-secret to observe a connection",
        ),
    }
    match (credentials, open().await) {
        (Some(credentials), Some(stream)) => {
            http::check_signature(target, credentials, stream, report).await;
        }
        _ => report.skip(
            "signature",
            "give --app-id, --app-key and --app-secret to check signatures",
        ),
    }
}
