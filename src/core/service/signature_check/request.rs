//! The check of the signature of a request.

use std::sync::Arc;

use super::{CheckedSignature, RequestSignature, made, unexplained, warn_of};
use crate::core::auth::diagnosis::{malformed, misspelled, signed_with};
use crate::core::auth::{RequestError, SignedRequest};
use crate::core::error::StorageError;
use crate::core::model::App;
use crate::core::service::Service;

impl Service {
    /// Checks a signed request. See [`Service::check_client_signature`].
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn check_request_signature(
        &self,
        own: Option<&Arc<App>>,
        given: &RequestSignature,
    ) -> Result<CheckedSignature, StorageError> {
        let mut checked = CheckedSignature::default();
        let method = given.method.to_ascii_uppercase();
        let signed = SignedRequest {
            method: &method,
            path: &given.path,
            query: &given.query,
            has_body: given.body.as_deref().is_some_and(|body| !body.is_empty()),
        };
        for name in [
            "auth_key",
            "auth_timestamp",
            "auth_version",
            "auth_signature",
        ] {
            let given = signed.parameter(name).ok();
            if given.is_none_or(str::is_empty) {
                let missing = RequestError::Missing(name);
                checked.add(part_of(missing), missing.to_string());
            }
        }
        if let Ok(key) = signed.parameter("auth_key") {
            let key = key.replace(' ', "+");
            checked.app = self.app_of_key(own, &key, &mut checked.faults).await?;
        }
        let ident = given.path.split('/').skip_while(|part| *part != "apps");
        match (ident.clone().nth(1), &checked.app) {
            (Some(ident), Some(app)) if app.ident.as_str() != ident => checked.add(
                "path",
                "the app in the path is another one than that of auth_key: use /apps/<app_id>/… with the app of the key",
            ),
            (None, _) => checked.add("path", "the path must be /apps/<app_id>/…"),
            _ => {}
        }
        let now = self.ports.clock.now();
        if let Some(app) = &checked.app
            && let Err(error) = signed.check(app, now)
            && !matches!(
                error,
                RequestError::Missing(
                    "auth_key" | "auth_timestamp" | "auth_version" | "auth_signature"
                ) | RequestError::Signature
            )
        {
            let message = match error {
                RequestError::Timestamp => stale(&signed, now.seconds()),
                error => error.to_string(),
            };
            checked.add(part_of(error), message);
        }
        if let Some(body) = &given.body
            && let Err(error) = signed.check_body(body.as_bytes())
            && signed.parameter("body_md5").is_ok()
        {
            checked.add(part_of(error), error.to_string());
        }
        let text = signed.text();
        checked.text = Some(text.clone()).filter(|_| !given.path.is_empty());
        let sound = checked.faults.is_empty();
        let given_signature = signed.parameter("auth_signature").unwrap_or_default();
        let Some(app) = checked.app.clone().filter(|_| !given_signature.is_empty()) else {
            return Ok(checked);
        };
        if let Some(with) = signed_with(&app, given_signature, &text) {
            checked.valid = sound;
            warn_of(with, &mut checked);
            return Ok(checked);
        }
        let mut found = misspelled(&app, given_signature, &text)
            .or_else(|| {
                made(
                    &app,
                    given_signature,
                    signed.mistakes(given.body.as_deref()),
                )
            })
            .or_else(|| malformed(given_signature));
        if found.is_none() && own.is_none() {
            found = self.of_another_app(&app, given_signature, &text).await?;
        }
        checked.faults.push(found.unwrap_or_else(unexplained));
        Ok(checked)
    }
}

fn part_of(error: RequestError) -> &'static str {
    match error {
        RequestError::Missing("auth_key") | RequestError::Key => "key",
        RequestError::Missing("auth_timestamp")
        | RequestError::TimestampForm
        | RequestError::Timestamp => "timestamp",
        RequestError::Missing("auth_version") | RequestError::Version => "version",
        RequestError::Missing("body_md5") | RequestError::BodyMd5 => "body_md5",
        RequestError::Missing(_) | RequestError::Signature => "signature",
    }
}

/// By how much a timestamp differs from the server's time.
fn stale(signed: &SignedRequest<'_>, now: f64) -> String {
    let given = signed
        .parameter("auth_timestamp")
        .ok()
        .and_then(|text| text.parse::<i64>().ok());
    let seconds = given.map_or(0, |given| given.saturating_sub(now as i64));
    let (count, direction) = (
        seconds.unsigned_abs(),
        if seconds < 0 { "before" } else { "after" },
    );
    format!(
        "auth_timestamp is {count} s {direction} the server's time, and may differ by 600 s: sign each request anew, in seconds since 1970, and check the clock"
    )
}
