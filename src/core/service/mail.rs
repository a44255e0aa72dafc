//! The mail servers of apps.

use super::Service;
use crate::core::model::{
    App, EmailAddress, EmailAddressError, EmailMessage, MailAccount, MailAccountError, MailContent,
    MailServer, Secret, TargetKind, Timestamp,
};
use crate::core::ports::SendFailure;

/// Why an app can send no e-mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailServerError {
    /// Neither the app nor the operator has a mail server.
    #[error("SMTP host not configured")]
    NoHost,
    /// There is a server, but no address that mails come from.
    #[error("SMTP sender not configured")]
    NoSender,
    /// The app's server cannot be used.
    #[error("the app's smtp_url {0}")]
    App(MailAccountError),
    /// A server in a request cannot be used.
    #[error("smtp_host, smtp_port, smtp_user and smtp_password cannot be used: the server {0}")]
    Given(MailAccountError),
    /// A sender in a request is no address.
    #[error("smtp_sender {0}")]
    GivenSender(EmailAddressError),
    /// A request changes the operator's server.
    #[error(
        "smtp_port, smtp_user, smtp_password and smtp_starttls need smtp_host, unless the app has smtp_url"
    )]
    NotOfApp,
}

/// What a request sets in place of the app's mail server.
#[derive(Debug, Clone, Default)]
pub struct GivenMailServer {
    /// The host. With it, nothing of the operator's account is used.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The user's name.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// Whether the connection is encrypted by STARTTLS.
    pub starttls: Option<bool>,
    /// The address that mails come from.
    pub sender: Option<String>,
}

impl GivenMailServer {
    fn changes_connection(&self) -> bool {
        self.port.is_some()
            || self.user.is_some()
            || self.password.is_some()
            || self.starttls.is_some()
    }

    /// The account of these values alone, with those of `base` in place of missing ones.
    fn account(&self, base: Option<&MailServer>) -> Result<MailAccount, MailAccountError> {
        let starttls = self.starttls.unwrap_or(false);
        let user = self
            .user
            .clone()
            .or_else(|| base.and_then(|base| base.user.clone()));
        let password = self
            .password
            .clone()
            .or_else(|| base.and_then(|base| base.password.clone()));
        let login = (user.is_some() || password.is_some()).then(|| {
            let password = password.as_ref().map_or("", Secret::expose);
            (user.unwrap_or_default(), password.to_owned())
        });
        let host = match (&self.host, base) {
            (Some(host), _) => host,
            (None, Some(base)) => &base.host,
            (None, None) => "",
        };
        let port = self.port.or_else(|| base.map(|base| base.port));
        let port = port.unwrap_or_else(|| MailAccount::default_port(starttls));
        MailAccount::new(host, port, starttls, login)
    }
}

impl Service {
    /// The mail server of an app: what the request gives, else the app's `smtp_url`, else the operator's server.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub fn mail_server(
        &self,
        app: &App,
        given: &GivenMailServer,
    ) -> Result<MailServer, MailServerError> {
        resolve(app, self.rules.messages.mail.as_ref(), given)
    }

    /// Sends the same to e-mail addresses, one mail each. The results are in the order of the addresses.
    pub async fn send_to_addresses(
        &self,
        app: &App,
        to: Vec<Secret>,
        content: &MailContent,
        server: &MailServer,
    ) -> Vec<Result<(), SendFailure>> {
        let at = self.ports.clock.now();
        let message = |to| {
            let id = self.new_mid().0.to_string();
            message(to, content.clone(), server.clone(), id, at)
        };
        let messages = to.into_iter().map(message).collect();
        let sender = &*self.ports.senders.email;
        self.send_all(app, TargetKind::Smtp, sender, messages).await
    }
}

/// A mail to an address. `id`: the local part of its `Message-ID`.
pub(super) fn message(
    to: Secret,
    content: MailContent,
    server: MailServer,
    id: String,
    at: Timestamp,
) -> EmailMessage {
    EmailMessage {
        server,
        to,
        subject: content.subject,
        text: content.text,
        html: content.html,
        unsubscribe: None,
        id,
        at,
    }
}

/// The mail server of an app. `operator`: that of the operator.
pub(super) fn resolve(
    app: &App,
    operator: Option<&MailAccount>,
    given: &GivenMailServer,
) -> Result<MailServer, MailServerError> {
    let sender = given
        .sender
        .as_deref()
        .map(EmailAddress::parse_sender)
        .transpose()
        .map_err(MailServerError::GivenSender)?;
    let own = app.push.smtp_url.as_ref().map(|url| {
        let account = MailAccount::parse(url.expose()).map_err(MailServerError::App)?;
        let sender = account.sender.clone();
        Ok((account.server(String::new(), false), sender))
    });
    let (server, default_sender) = match (&given.host, own.transpose()?, operator) {
        (Some(_), own, _) => {
            let account = given.account(None).map_err(MailServerError::Given)?;
            let sender = own.and_then(|(_, sender)| sender);
            (account.server(String::new(), false), sender)
        }
        (None, Some((own, sender)), _) if given.changes_connection() => {
            let account = given.account(Some(&own)).map_err(MailServerError::Given)?;
            let changed = account.server(String::new(), false);
            let tls = match (given.port, given.starttls) {
                (None, None) => own.tls,
                _ => changed.tls,
            };
            (MailServer { tls, ..changed }, sender)
        }
        (None, Some(own), _) => own,
        (None, None, Some(_)) if given.changes_connection() => {
            return Err(MailServerError::NotOfApp);
        }
        (None, None, Some(operator)) => {
            let sender = operator.sender.clone();
            (operator.clone().server(String::new(), true), sender)
        }
        (None, None, None) => return Err(MailServerError::NoHost),
    };
    let sender = sender.or(default_sender).ok_or(MailServerError::NoSender)?;
    Ok(MailServer { sender, ..server })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{MailTls, PushCredentials};

    fn app(smtp_url: Option<&str>) -> App {
        App {
            push: PushCredentials {
                smtp_url: smtp_url.map(Secret::new),
                ..PushCredentials::default()
            },
            ..App::sample("shop")
        }
    }

    fn operator() -> MailAccount {
        MailAccount::parse("smtp://op:op-pw@10.0.0.1:2525?sender=op@host.example").unwrap()
    }

    const OWN: &str = "smtp+ssl://ann:pw@mail.example?sender=ann@shop.example";

    #[test]
    fn the_apps_server_counts_more_than_the_operators() {
        let operator = operator();
        let none = GivenMailServer::default();
        let server = resolve(&app(Some(OWN)), Some(&operator), &none).unwrap();
        assert_eq!(
            (server.host.as_str(), server.is_trusted),
            ("mail.example", false)
        );
        assert_eq!(server.sender, "ann@shop.example");
        let server = resolve(&app(None), Some(&operator), &none).unwrap();
        assert_eq!(
            (server.host.as_str(), server.is_trusted),
            ("10.0.0.1", true)
        );
        assert_eq!(server.sender, "op@host.example");
        assert_eq!(
            resolve(&app(None), None, &none),
            Err(MailServerError::NoHost)
        );
        let silent = app(Some("smtp://mail.example"));
        assert_eq!(
            resolve(&silent, Some(&operator), &none),
            Err(MailServerError::NoSender)
        );
        assert!(matches!(
            resolve(&app(Some("mail.example")), Some(&operator), &none),
            Err(MailServerError::App(_))
        ));
    }

    #[test]
    fn a_request_gets_nothing_of_the_operators_account_for_its_own_host() {
        let operator = operator();
        let given = GivenMailServer {
            host: Some("evil.example".into()),
            sender: Some("eve@evil.example".into()),
            ..GivenMailServer::default()
        };
        for app in [app(None), app(Some(OWN))] {
            let server = resolve(&app, Some(&operator), &given).unwrap();
            assert_eq!((server.host.as_str(), server.port), ("evil.example", 25));
            assert_eq!((server.user, server.password), (None, None));
            assert!(!server.is_trusted);
        }
        for given in [
            GivenMailServer {
                port: Some(22),
                ..GivenMailServer::default()
            },
            GivenMailServer {
                starttls: Some(false),
                ..GivenMailServer::default()
            },
            GivenMailServer {
                user: Some("x".into()),
                ..GivenMailServer::default()
            },
        ] {
            let resolved = resolve(&app(None), Some(&operator), &given);
            assert_eq!(resolved, Err(MailServerError::NotOfApp));
        }
    }

    #[test]
    fn a_request_changes_the_apps_own_server() {
        let given = GivenMailServer {
            password: Some(Secret::new("new")),
            ..GivenMailServer::default()
        };
        let server = resolve(&app(Some(OWN)), None, &given).unwrap();
        assert_eq!((server.host.as_str(), server.port), ("mail.example", 465));
        assert_eq!(
            (server.tls, server.user.as_deref()),
            (MailTls::Implicit, Some("ann"))
        );
        assert_eq!(server.password, Some(Secret::new("new")));
        let given = GivenMailServer {
            port: Some(587),
            starttls: Some(true),
            sender: Some("Shop <shop@shop.example>".into()),
            ..GivenMailServer::default()
        };
        let server = resolve(&app(Some(OWN)), None, &given).unwrap();
        assert_eq!((server.port, server.tls), (587, MailTls::StartTls));
        assert_eq!(server.sender, "Shop <shop@shop.example>");
    }
}
