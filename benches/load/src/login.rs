//! The login at the server's REST API, which returns the session token that `POST /events` needs.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::auth::{Credentials, Secret};
use crate::error::BenchError;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Returns a session token for the app. With `insecure` any TLS certificate is accepted.
///
/// # Errors
///
/// The API is unreachable or rejects the login.
pub(crate) async fn session_token(
    url: &str,
    insecure: bool,
    credentials: &Credentials,
) -> Result<Secret, BenchError> {
    let url = url.trim_end_matches('/');
    // An error means that the provider of this process is set already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .tls_danger_accept_invalid_certs(insecure)
        .build()
        .map_err(BenchError::run)?;
    let unreachable = |error: reqwest::Error| {
        let error = with_causes(&error.without_url());
        BenchError::Run(format!("{url} cannot be reached: {error}"))
    };
    let request = client
        .post(format!("{url}/login"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form(credentials));
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let body = response.bytes().await.map_err(unreachable)?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if !status.is_success() {
        let message = body["message"].as_str().unwrap_or("no reason given");
        let status = status.as_u16();
        return Err(BenchError::Run(format!(
            "{url} answered {status}: {message}"
        )));
    }
    let token = body["token"].as_str().ok_or_else(|| {
        BenchError::Run(format!(
            "{url} returned no session token: is it a Pushi server?"
        ))
    })?;
    Ok(Secret::new(token))
}

fn form(credentials: &Credentials) -> String {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let Credentials {
        app_id,
        key,
        secret,
    } = credentials;
    format!(
        "app_id={}&app_key={}&app_secret={}",
        encoded(app_id),
        encoded(key),
        encoded(secret.expose())
    )
}

/// The error and its causes on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
