//! The clients that are kept, one for each identity.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::client::ApnsClient;
use crate::core::model::ApnCredentials;
use crate::core::ports::SendFailure;

/// The most identities whose connections are kept; the one that was not used for the longest time loses its own.
const MAX_CLIENTS: usize = 64;

/// An identity and the service that it is used with, without keys in readable form.
type ClientKey = [u8; 32];

/// Clients by identity, at most [`MAX_CLIENTS`].
#[derive(Default)]
pub(super) struct Clients(Mutex<HashMap<ClientKey, (Arc<ApnsClient>, Instant)>>);

impl Clients {
    /// The client of an identity, built on first use.
    pub(super) fn get(
        &self,
        base: &str,
        credentials: &ApnCredentials,
        build: impl FnOnce() -> Result<ApnsClient, SendFailure>,
    ) -> Result<Arc<ApnsClient>, SendFailure> {
        let key = key_of(base, credentials);
        let mut clients = self.0.lock();
        if let Some((client, used)) = clients.get_mut(&key) {
            *used = Instant::now();
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(build()?);
        if clients.len() >= MAX_CLIENTS {
            let oldest = clients.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                clients.remove(&oldest);
            }
        }
        clients.insert(key, (Arc::clone(&client), Instant::now()));
        Ok(client)
    }
}

fn key_of(base: &str, credentials: &ApnCredentials) -> ClientKey {
    let (kind, parts) = match credentials {
        ApnCredentials::Token {
            key,
            key_id,
            team_id,
        } => (
            "token",
            [key.public_base64url(), key_id.clone(), team_id.clone()],
        ),
        ApnCredentials::Certificate { key, cer } => (
            "certificate",
            [key.expose().into(), cer.expose().into(), String::new()],
        ),
    };
    let mut digest = Sha256::new();
    for part in [base, kind]
        .into_iter()
        .chain(parts.iter().map(String::as_str))
    {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::auth::new_p256_key;

    #[tokio::test]
    async fn an_identity_has_one_client_and_clients_are_bounded() {
        const BASE: &str = "http://127.0.0.1:1";
        let clients = Clients::default();
        let key = new_p256_key().unwrap();
        let get = |team: &str| {
            let credentials = ApnCredentials::Token {
                key: key.clone(),
                key_id: "KEY".into(),
                team_id: team.into(),
            };
            let build = || ApnsClient::build(BASE, &credentials, Duration::from_secs(1));
            clients.get(BASE, &credentials, build).unwrap()
        };
        let first = get("A");
        assert!(Arc::ptr_eq(&first, &get("A")));
        assert!(!Arc::ptr_eq(&first, &get("B")));
        for number in 0..MAX_CLIENTS {
            get(&number.to_string());
        }
        assert_eq!(clients.0.lock().len(), MAX_CLIENTS);
        assert!(!Arc::ptr_eq(&first, &get("A")));
    }
}
