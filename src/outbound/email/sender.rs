//! One attempt to send one e-mail.

use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt, Rset};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use tokio::time::timeout;

use super::connect::Connector;
use super::failure::{self, Step};
use super::mail::Mail;
use super::pool::{Lease, Pools};
use crate::core::model::{EmailMessage, MailServer};
use crate::core::ports::{SendFailure, Sender, Verdict};

/// The time in which a server must show that a kept connection still works.
const CHECK: Duration = Duration::from_secs(2);

/// Sends e-mails over connections that are kept.
pub struct EmailSender {
    timeout: Duration,
    connector: Connector,
    pools: Pools,
}

impl EmailSender {
    /// `timeout` limits one attempt, and before it the wait for a connection. `allow_private` disables the address filter, which
    /// servers of the operator do not have.
    pub fn new(timeout: Duration, allow_private: bool) -> Self {
        Self {
            timeout,
            connector: Connector::new(timeout, allow_private),
            pools: Pools::default(),
        }
    }

    async fn deliver(
        &self,
        server: &MailServer,
        mut lease: Lease,
        mail: &Mail,
    ) -> Result<(), SendFailure> {
        let kept = match lease.parked.take() {
            Some(mut connection) => {
                let works = timeout(CHECK, connection.test_connected()).await;
                works.unwrap_or(false).then_some(connection)
            }
            None => None,
        };
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connector.open(server).await?,
        };
        let sent = transfer(&mut connection, mail).await;
        // After a refusal the server waits for the next mail, or for the end of this one.
        let works = match &sent {
            Ok(()) => true,
            Err((_, answered)) => *answered && connection.command(Rset).await.is_ok(),
        };
        if works {
            self.pools.park(&lease, connection);
        }
        sent.map_err(|(failure, _)| failure)
    }
}

#[async_trait]
impl Sender<EmailMessage> for EmailSender {
    async fn send(&self, message: &EmailMessage) -> Result<(), SendFailure> {
        let late = |reason| move |_| SendFailure::new(Verdict::Later(None), reason);
        let mail = Mail::of(message)?;
        let lease = timeout(self.timeout, self.pools.lease(&message.server))
            .await
            .map_err(late("other mails to the mail server take too long"))?;
        timeout(self.timeout, self.deliver(&message.server, lease, &mail))
            .await
            .map_err(late("the mail server did not answer in time"))?
    }
}

/// Hands a mail over. A failure says whether the server answered, so that the connection can be used again.
async fn transfer(
    connection: &mut AsyncSmtpConnection,
    mail: &Mail,
) -> Result<(), (SendFailure, bool)> {
    let failed = |step| {
        move |error: lettre::transport::smtp::Error| {
            let answered = error.status().is_some_and(|code| u16::from(code) != 421);
            (failure::of(step, &error), answered)
        }
    };
    let parameters = parameters(connection, mail)?;
    connection
        .command(MailFrom::new(Some(mail.from.clone()), parameters))
        .await
        .map_err(failed(Step::Sender))?;
    connection
        .command(Rcpt::new(mail.to.clone(), Vec::new()))
        .await
        .map_err(failed(Step::Recipient))?;
    connection
        .command(Data)
        .await
        .map_err(failed(Step::Content))?;
    connection
        .message(&mail.text)
        .await
        .map_err(failed(Step::Content))?;
    Ok(())
}

/// What the sender's command must announce.
fn parameters(
    connection: &AsyncSmtpConnection,
    mail: &Mail,
) -> Result<Vec<MailParameter>, (SendFailure, bool)> {
    let offers = |extension| connection.server_info().supports_feature(extension);
    let mut parameters = Vec::new();
    let ascii = |address: &lettre::Address| address.user().is_ascii();
    if !ascii(&mail.from) || !ascii(&mail.to) {
        if !offers(Extension::SmtpUtfEight) {
            let reason = "the mail server accepts only addresses of ASCII characters";
            return Err((SendFailure::new(Verdict::Refused, reason), true));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !mail.text.is_ascii() && offers(Extension::EightBitMime) {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}
