//! Addresses of mail servers: `smtp://[user:password@]host[:port][?sender=ann@shop.example]`.

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::email_address::{EmailAddress, EmailAddressError};
use super::message::{MailServer, MailTls};
use super::secret::Secret;

/// The port of mail servers between each other, of submission with STARTTLS, and of submission over TLS (RFC 8314).
const PLAIN_PORT: u16 = 25;
const STARTTLS_PORT: u16 = 587;
const TLS_PORT: u16 = 465;

/// A mail server of a URL, or of single settings. The sender may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailAccount {
    /// The host name or IP address.
    host: String,
    /// The port.
    port: u16,
    /// How the connection is encrypted.
    tls: MailTls,
    /// The user's name and password.
    login: Option<(String, Secret)>,
    /// The address that mails come from.
    pub sender: Option<String>,
}

/// A URL or a setting of a mail server that cannot be used; the text continues its name and shows no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailAccountError {
    /// Not a URL, or of another scheme.
    #[error(
        "must be a URL such as smtp://user:password@mail.example:587?sender=shop@mail.example, with smtp://, smtps:// or smtp+ssl://"
    )]
    Url,
    /// No host, or a name that none can have.
    #[error("must name the host of a mail server: a name or an IP address")]
    Host,
    /// Port 0.
    #[error("must have a port from 1 to 65535")]
    Port,
    /// Not UTF-8 after percent-decoding, or with control characters, or one without the other.
    #[error(
        "must have a user and a password, or neither, percent-encoded and without control characters"
    )]
    Login,
    /// The sender is no address.
    #[error("has a sender that {0}")]
    Sender(#[from] EmailAddressError),
}

impl MailAccount {
    /// Parses a URL. `smtps` and `smtp+tls` mean STARTTLS on port 587, `smtp+ssl` and port 465 TLS from the start.
    ///
    /// # Errors
    /// The URL cannot be used.
    pub fn parse(text: &str) -> Result<Self, MailAccountError> {
        let url = Url::parse(text.trim()).map_err(|_| MailAccountError::Url)?;
        let (starttls, default) = match url.scheme() {
            "smtp" => (false, PLAIN_PORT),
            "smtps" | "smtp+tls" => (true, STARTTLS_PORT),
            "smtp+ssl" => (false, TLS_PORT),
            _ => return Err(MailAccountError::Url),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(MailAccountError::Url);
        }
        let implicit = url.scheme() == "smtp+ssl";
        let port = url.port().unwrap_or(default);
        let user = decoded(url.username())?;
        let password = decoded(url.password().unwrap_or_default())?;
        let mut account = Self::new(
            url.host_str().unwrap_or_default(),
            port,
            starttls,
            Some(user).zip(Some(password)),
        )?;
        if implicit {
            account.tls = MailTls::Implicit;
        }
        account.sender = url
            .query_pairs()
            .find(|(name, _)| name == "sender")
            .map(|(_, sender)| EmailAddress::parse_sender(&sender))
            .transpose()?;
        Ok(account)
    }

    /// An account from single settings; an empty user means none. Port 465 means TLS from the start.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub fn new(
        host: &str,
        port: u16,
        starttls: bool,
        login: Option<(String, String)>,
    ) -> Result<Self, MailAccountError> {
        let host = host.trim();
        let parsed = if host.contains(':') && !host.starts_with('[') {
            Host::parse(&format!("[{host}]"))
        } else {
            Host::parse(host)
        };
        let host = match parsed {
            Ok(Host::Domain(name)) if name.len() <= 253 => name,
            Ok(Host::Ipv4(address)) => address.to_string(),
            Ok(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(MailAccountError::Host),
        };
        if port == 0 {
            return Err(MailAccountError::Port);
        }
        let login = match login {
            Some((user, password)) if user.is_empty() && password.is_empty() => None,
            Some((user, password)) => {
                let fits = |text: &str| {
                    !text.is_empty() && text.len() <= 1000 && !text.contains(char::is_control)
                };
                if !fits(&user) || !fits(&password) {
                    return Err(MailAccountError::Login);
                }
                Some((user, Secret::new(password)))
            }
            None => None,
        };
        let tls = match port {
            TLS_PORT => MailTls::Implicit,
            _ if starttls => MailTls::StartTls,
            _ => MailTls::None,
        };
        Ok(Self {
            host,
            port,
            tls,
            login,
            sender: None,
        })
    }

    /// The port of an account without one.
    pub const fn default_port(starttls: bool) -> u16 {
        if starttls { STARTTLS_PORT } else { PLAIN_PORT }
    }

    /// The server with this sender. `trusted`: chosen by the operator.
    pub fn server(self, sender: String, trusted: bool) -> MailServer {
        let (user, password) = self.login.unzip();
        MailServer {
            host: self.host,
            port: self.port,
            tls: self.tls,
            user,
            password,
            sender,
            is_trusted: trusted,
        }
    }
}

fn decoded(text: &str) -> Result<String, MailAccountError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(String::from)
        .map_err(|_| MailAccountError::Login)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> MailServer {
        MailAccount::parse(text)
            .unwrap()
            .server("a@b.example".into(), false)
    }

    #[test]
    fn scheme_and_port_say_how_the_connection_is_encrypted() {
        for (text, port, tls) in [
            ("smtp://mail.example", 25, MailTls::None),
            ("SMTP://mail.example/", 25, MailTls::None),
            ("smtp://mail.example:587", 587, MailTls::None),
            ("smtp://mail.example:465", 465, MailTls::Implicit),
            ("smtps://mail.example", 587, MailTls::StartTls),
            ("smtps://mail.example:25", 25, MailTls::StartTls),
            ("smtps://mail.example:465", 465, MailTls::Implicit),
            ("smtp+tls://mail.example", 587, MailTls::StartTls),
            ("smtp+tls://mail.example:465", 465, MailTls::Implicit),
            ("smtp+ssl://mail.example", 465, MailTls::Implicit),
            ("smtp+ssl://mail.example:10465", 10465, MailTls::Implicit),
        ] {
            let server = server(text);
            assert_eq!((server.port, server.tls), (port, tls), "{text}");
            assert_eq!(server.host, "mail.example");
        }
    }

    #[test]
    fn a_host_alone_may_be_any_address() {
        for (host, expected) in [
            ("mail.example", "mail.example"),
            ("::1", "::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            (" 192.0.2.1 ", "192.0.2.1"),
        ] {
            let account = MailAccount::new(host, 25, false, None).unwrap();
            assert_eq!(account.host, expected);
        }
        for host in [
            "",
            "mail example",
            "mail.example:25",
            "[::1]:25",
            "a/b",
            "a@b",
            "::g",
        ] {
            let account = MailAccount::new(host, 25, false, None);
            assert_eq!(account, Err(MailAccountError::Host), "{host}");
        }
    }

    #[test]
    fn user_and_password_are_percent_decoded_and_hidden() {
        let text = "smtps://ann%40shop.example:p%3A%2F%C3%A9@mail.example?sender=Shop+%3Cshop%40shop.example%3E";
        let account = MailAccount::parse(text).unwrap();
        assert_eq!(account.sender.as_deref(), Some("Shop <shop@shop.example>"));
        assert!(!format!("{account:?}").contains("p:/"));
        let server = account.server("a@b.example".into(), true);
        assert_eq!(server.user.as_deref(), Some("ann@shop.example"));
        assert_eq!(server.password, Some(Secret::new("p:/é")));
        assert!(server.is_trusted);
    }

    #[test]
    fn hosts_are_names_and_addresses() {
        for (text, host) in [
            ("smtp://MAIL.example", "mail.example"),
            ("smtp://m%C3%BCller.example", "xn--mller-kva.example"),
            ("smtp://192.0.2.1", "192.0.2.1"),
            ("smtp://0x7f.1", "127.0.0.1"),
            ("smtp://[2001:db8::1]:26", "2001:db8::1"),
        ] {
            assert_eq!(server(text).host, host, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_has_a_reason_without_the_password() {
        use MailAccountError::{Host, Login, Port, Sender, Url};
        for (text, expected) in [
            ("", Url),
            ("mail.example", Url),
            ("http://hunter2@mail.example", Url),
            ("smtp://mail.example/hunter2", Url),
            ("smtp://u:hunter2@mail.example#x", Url),
            ("smtp:mail.example", Url),
            ("smtp://", Host),
            ("smtp://u:hunter2@mail example", Url),
            ("smtp://mail.example:0", Port),
            ("smtp://mail.example:66000", Url),
            ("smtp://ann@mail.example", Login),
            ("smtp://:hunter2@mail.example", Login),
            ("smtp://ann:hunter2%0D%0A@mail.example", Login),
            ("smtp://ann:%ff@mail.example", Login),
            (
                "smtp://mail.example?sender=hunter2",
                Sender(EmailAddressError),
            ),
            (
                "smtp://mail.example?sender=a@b%0d%0ac",
                Sender(EmailAddressError),
            ),
        ] {
            let error = MailAccount::parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
