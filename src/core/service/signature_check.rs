//! The check of a signature that does not work: which part is wrong, and which string should have been signed.

mod request;

use std::sync::Arc;

use super::Service;
use crate::core::auth::diagnosis::{
    Mistake, SignedClaim, SignedWith, fault, malformed, misspelled, signed_with,
};
use crate::core::auth::{SignatureFault, check_signable};
use crate::core::error::StorageError;
use crate::core::model::{App, ChannelKind, ChannelName, SocketId};

/// The connections, channels and apps with which a wrong signature is compared.
const COMPARED: usize = 1000;

/// A signature for a channel or a sign-in, as a client presents it.
#[derive(Debug, Clone, Default)]
pub struct ClientSignature {
    /// The key with which the client connected; `None`: that of `auth`.
    pub key: Option<String>,
    /// `<key>:<hex>`.
    pub auth: String,
    /// The id of the connection.
    pub socket_id: String,
    /// The channel of a subscription.
    pub channel: String,
    /// The channel data as it was sent.
    pub channel_data: Option<String>,
    /// The user data of a sign-in, in place of a channel.
    pub user_data: Option<String>,
    /// Other forms of the channel data or user data, which may have been signed.
    pub spellings: Vec<String>,
}

/// A signed request of the Pusher HTTP API.
#[derive(Debug, Clone, Default)]
pub struct RequestSignature {
    /// The method.
    pub method: String,
    /// The path as it was sent, without the query.
    pub path: String,
    /// The parameters of the query, unescaped.
    pub query: Vec<(String, String)>,
    /// The body as it was sent; `None`: it is not checked.
    pub body: Option<String>,
}

/// The result of a check.
#[derive(Debug, Default)]
pub struct CheckedSignature {
    /// Whether the server accepts it.
    pub valid: bool,
    /// The app of the key.
    pub app: Option<Arc<App>>,
    /// What is wrong; of a valid signature what the caller should know.
    pub faults: Vec<SignatureFault>,
    /// The string that should have been signed; `None`: parts of it are missing.
    pub text: Option<String>,
}

impl CheckedSignature {
    fn add(&mut self, part: &'static str, message: impl Into<String>) {
        self.faults.push(fault(part, message));
    }
}

impl Service {
    /// Checks the signature of a client. `own`: the only app that the caller may learn of; `None`: any.
    ///
    /// # Errors
    /// Fails where the store does.
    pub async fn check_client_signature(
        &self,
        own: Option<&Arc<App>>,
        given: &ClientSignature,
    ) -> Result<CheckedSignature, StorageError> {
        let mut checked = CheckedSignature::default();
        let auth = given.auth.trim();
        if auth.len() != given.auth.len() {
            checked.add(
                "auth",
                "auth has spaces or line ends around it: remove them",
            );
        }
        let (key, signature) = match auth.rsplit_once(':') {
            Some((key, signature)) => (Some(key), signature),
            None if auth.is_empty() => {
                checked.add(
                    "auth",
                    "auth is missing: it is <app_key>:<signature>, which your back end makes",
                );
                (None, "")
            }
            None => {
                checked.add("auth", "auth has no key: it must be <app_key>:<signature>");
                (None, auth)
            }
        };
        let connected = given.key.as_deref();
        if let (Some(connected), Some(key)) = (connected, key)
            && connected != key
        {
            checked.add(
                "key",
                "the key in auth is not the one of the connection: sign with the app that the client connects to",
            );
        }
        if let Some(key) = key.or(connected) {
            checked.app = self.app_of_key(own, key, &mut checked.faults).await?;
        }
        if SocketId::parse(&given.socket_id).is_none() {
            checked.add(
                "socket_id",
                "socket_id must be the id of the connection, two numbers with a dot between them",
            );
        }
        let claim = match &given.user_data {
            Some(data) => SignedClaim::User {
                socket: &given.socket_id,
                data,
            },
            None => {
                self.check_channel(&given.channel, given.channel_data.is_some(), &mut checked);
                SignedClaim::Channel {
                    socket: &given.socket_id,
                    channel: &given.channel,
                    data: given.channel_data.as_deref(),
                }
            }
        };
        let text = claim.text();
        let has_parts =
            !given.socket_id.is_empty() && (given.user_data.is_some() || !given.channel.is_empty());
        checked.text = has_parts.then(|| text.clone());
        let sound = checked.faults.is_empty();
        let Some(app) = checked.app.clone().filter(|_| !signature.is_empty()) else {
            return Ok(checked);
        };
        if let Some(with) = signed_with(&app, signature, &text) {
            checked.valid = sound;
            warn_of(with, &mut checked);
            return Ok(checked);
        }
        let mut found = misspelled(&app, signature, &text)
            .or_else(|| made(&app, signature, claim.mistakes(&given.spellings)));
        if found.is_none() {
            found = malformed(signature);
        }
        if found.is_none() {
            found = self.of_another(&app, signature, given).await;
        }
        if found.is_none() && own.is_none() {
            found = self.of_another_app(&app, signature, &text).await?;
        }
        checked.faults.push(found.unwrap_or_else(unexplained));
        Ok(checked)
    }

    /// The app with a key, as far as the caller may learn of it.
    async fn app_of_key(
        &self,
        own: Option<&Arc<App>>,
        key: &str,
        faults: &mut Vec<SignatureFault>,
    ) -> Result<Option<Arc<App>>, StorageError> {
        let found = match own {
            Some(own) => Some(Arc::clone(own)).filter(|own| own.key == key),
            None => self.parts.apps.get_by_key(key).await?,
        };
        match &found {
            None if own.is_some() => faults.push(fault("key", "the key is not this app's key")),
            None => faults.push(fault("key", "no app has this key: check it")),
            Some(app) if !app.settings.enabled => {
                faults.push(fault("key", "the app of the key is disabled"));
            }
            Some(_) => {}
        }
        Ok(found)
    }

    fn check_channel(&self, name: &str, has_data: bool, checked: &mut CheckedSignature) {
        if name.is_empty() {
            checked.add("channel", "channel is missing");
            return;
        }
        let most = usize::try_from(self.rules.limits.channel_name).unwrap_or(usize::MAX);
        let channel = match ChannelName::parse(name, most) {
            Ok(channel) => channel,
            Err(error) => return checked.add("channel", error.to_string()),
        };
        if let Err(error) = check_signable(&channel) {
            checked.add("channel", error.to_string());
        }
        match channel.kind() {
            ChannelKind::Public => checked.add(
                "channel",
                "the channel is public and needs no signature: its name begins with none of private-, presence-, personal- and peer-",
            ),
            ChannelKind::Presence if !has_data => checked.add(
                "channel_data",
                "a presence channel needs channel_data with the user_id, and the signature must cover it",
            ),
            _ => {}
        }
    }

    /// The fault of a signature that belongs to another connection, or to another channel.
    async fn of_another(
        &self,
        app: &App,
        signature: &str,
        given: &ClientSignature,
    ) -> Option<SignatureFault> {
        let fits = |claim: SignedClaim<'_>| signed_with(app, signature, &claim.text()).is_some();
        let roster = &self.ports.nodes.roster;
        let sockets = roster.sockets(&app.ident, None, COMPARED).await;
        for socket in sockets.unwrap_or_default() {
            let id = socket.id.to_string();
            let claim = match &given.user_data {
                Some(data) => SignedClaim::User { socket: &id, data },
                None => SignedClaim::Channel {
                    socket: &id,
                    channel: &given.channel,
                    data: given.channel_data.as_deref(),
                },
            };
            if fits(claim) {
                return Some(fault(
                    "socket_id",
                    format!(
                        "this is the signature of the socket id {id}: sign for the connection that presents it, after each connect anew"
                    ),
                ));
            }
        }
        let channels = roster.channels(&app.ident, "", None, COMPARED).await;
        for found in channels.unwrap_or_default() {
            let channel = found.channel.as_str();
            for data in [given.channel_data.as_deref(), None] {
                let socket = &given.socket_id;
                if fits(SignedClaim::Channel {
                    socket,
                    channel,
                    data,
                }) {
                    return Some(fault(
                        "channel",
                        format!("this is the signature of the channel {channel}"),
                    ));
                }
            }
        }
        None
    }

    /// The fault of a signature by the secret of another app.
    async fn of_another_app(
        &self,
        app: &App,
        signature: &str,
        text: &str,
    ) -> Result<Option<SignatureFault>, StorageError> {
        let apps = self.ports.stores.apps.list(0, COMPARED).await?;
        let other = apps.iter().find(|other| {
            other.ident != app.ident && signed_with(other, signature, text).is_some()
        });
        Ok(other.map(|other| {
            fault(
                "secret",
                format!(
                    "the signature was made with the secret of the app {}: use that of the app {}",
                    other.ident, app.ident
                ),
            )
        }))
    }
}

fn made(app: &App, signature: &str, mistakes: Vec<Mistake>) -> Option<SignatureFault> {
    mistakes
        .into_iter()
        .find(|mistake| signed_with(app, signature, &mistake.signed).is_some())
        .map(|mistake| mistake.fault)
}

fn warn_of(with: SignedWith, checked: &mut CheckedSignature) {
    if with == SignedWith::Previous {
        checked.add(
            "secret",
            "signed with the secret before the last rotation, which is valid until previous_secret is reset: use the new one",
        );
    }
}

fn unexplained() -> SignatureFault {
    fault(
        "signature",
        "the signature is not that of the string below with the app's secret: compare the string with the one that you signed, and check the secret",
    )
}
