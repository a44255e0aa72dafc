//! The REST API over the store, called in process with the rights of the administrator.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use poem::endpoint::{BoxEndpoint, EndpointExt};
use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, Request};
use serde_json::Value;

use super::error::CliError;
use crate::core::auth::random_hex;
use crate::core::model::Secret;
use crate::core::service::Service;
use crate::inbound::rest::{RestRules, endpoint};

/// Calls the REST API without a server, so that commands accept the same input and return the same
/// output as the API.
pub(super) struct AdminApi {
    endpoint: BoxEndpoint<'static>,
    token: String,
}

impl AdminApi {
    pub(super) fn new(service: Arc<Service>) -> Result<Self, CliError> {
        let token = random_hex::<32>().map_err(CliError::command)?;
        let rules = RestRules {
            admin_token: Some(Secret::new(token.as_str())),
            open_registration: false,
            allowed_origins: Vec::new(),
            websocket_address: None,
            ready: Arc::new(AtomicBool::new(true)),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            path_prefix: None,
            is_public: None,
            demo: None,
            console: false,
            insecure_console: false,
        };
        Ok(Self {
            // No command reads the metrics.
            endpoint: endpoint(service, rules, Box::new(|_| String::new())).boxed(),
            token,
        })
    }

    /// Sends a request and returns the body of the response; an error response becomes an error
    /// with its message.
    pub(super) async fn send(
        &self,
        method: Method,
        target: &str,
        body: Option<Value>,
    ) -> Result<Value, CliError> {
        let request = Request::builder()
            .method(method)
            .uri_str(target)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        let request = match body {
            Some(body) => request
                .content_type("application/json")
                .body(body.to_string()),
            None => request.finish(),
        };
        let response = self.endpoint.get_response(request).await;
        let status = response.status();
        let text = response
            .into_body()
            .into_string()
            .await
            .map_err(CliError::command)?;
        let body: Value = serde_json::from_str(&text).map_err(CliError::command)?;
        if status == StatusCode::OK {
            Ok(body)
        } else {
            let message = body["message"].as_str();
            Err(CliError::command(message.unwrap_or("the request failed")))
        }
    }
}
