//! The administrator's desk: the REST API over the store, without a server.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use poem::endpoint::{BoxEndpoint, EndpointExt};
use poem::http::{Method, StatusCode, header};
use poem::{Endpoint, Request};
use serde_json::Value;

use super::failure::Failure;
use crate::core::auth::random_hex;
use crate::core::model::Secret;
use crate::core::service::Service;
use crate::inbound::rest::{RestRules, endpoint};

/// Asks the REST API as its administrator, in process: what the commands accept and answer is what the API does.
pub struct Desk {
    api: BoxEndpoint<'static>,
    token: String,
}

impl Desk {
    /// Over the use cases.
    pub fn new(service: Arc<Service>) -> Result<Self, Failure> {
        let token = random_hex::<32>().map_err(Failure::command)?;
        let rules = RestRules {
            admin_token: Some(Secret::new(token.as_str())),
            open_registration: false,
            allowed_origins: Vec::new(),
            websocket_address: None,
            ready: Arc::new(AtomicBool::new(true)),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            demo: None,
        };
        Ok(Self {
            // No command reads the metrics.
            api: endpoint(service, rules, Box::new(|_| String::new())).boxed(),
            token,
        })
    }

    /// The answer to a request; an error answer is a failure with its message.
    pub async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Option<Value>,
    ) -> Result<Value, Failure> {
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
        let answer = self.api.get_response(request).await;
        let status = answer.status();
        let text = answer
            .into_body()
            .into_string()
            .await
            .map_err(Failure::command)?;
        let body: Value = serde_json::from_str(&text).map_err(Failure::command)?;
        if status == StatusCode::OK {
            Ok(body)
        } else {
            Err(Failure::command(
                body["message"].as_str().unwrap_or("it failed"),
            ))
        }
    }
}
