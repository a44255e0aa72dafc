//! Messages to targets outside the connections: each is complete, with its one target and the credentials it is sent with.
//! Addresses and credentials are secrets, which `Debug` hides.

mod apn;
mod apn_headers;
mod content;
mod email;
mod web;
mod web_push;

pub use apn::{ApnCredentials, ApnHeaders, ApnMessage};
pub use apn_headers::ApnHeaderError;
pub use content::{
    ApnContent, DigestContent, EventPushError, MailContent, PushContentError, WebContent,
};
pub use email::{EmailMessage, MailServer, MailTls};
pub use web::{WebMessage, WebMethod, WebSigning};
pub use web_push::{
    BrowserKeys, BrowserKeysError, PushContent, PushTopic, Urgency, Vapid, VapidContactError,
    WebPushMessage,
};
