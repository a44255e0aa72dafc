//! Validation of the mail server and other services for notifications.

use url::{Host, Url};

use crate::config::error::ConfigError;
use crate::config::raw::Raw;
use crate::config::value::{read, switch};
use crate::config::variables::{
    PUSHI_APNS_URL, PUSHI_PUBLIC_URL, SMTP_HOST, SMTP_PASSWORD, SMTP_PORT, SMTP_SENDER,
    SMTP_STARTTLS, SMTP_URL, SMTP_USER, Variable,
};
use crate::core::model::{EmailAddress, MailAccount};

/// The operator's mail server: `SMTP_URL`, else the single variables. `None`: there is none.
pub(super) fn account(raw: &Raw) -> Result<Option<MailAccount>, ConfigError> {
    // The errors show no part of the value.
    let invalid = |variable: &Variable, must: &dyn std::fmt::Display| {
        ConfigError::new(format!("{} is invalid: it {must}", variable.name))
    };
    let text = |variable: &Variable| raw.get(variable).map(str::trim);
    let sender = text(&SMTP_SENDER)
        .map(EmailAddress::parse_sender)
        .transpose()
        .map_err(|error| invalid(&SMTP_SENDER, &error))?;
    let mut account = if let Some(url) = text(&SMTP_URL) {
        MailAccount::parse(url).map_err(|error| invalid(&SMTP_URL, &error))?
    } else if let Some(host) = text(&SMTP_HOST) {
        let starttls = switch(raw, &SMTP_STARTTLS)?;
        let port = read(raw, &SMTP_PORT, "a port from 1 to 65535", |text| {
            text.parse().ok().filter(|port| *port != 0)
        })?;
        // A password may begin or end with a space.
        let login = (raw.get(&SMTP_USER), raw.get(&SMTP_PASSWORD));
        let login = match login {
            (None, None) => None,
            (user, password) => Some((
                user.unwrap_or_default().to_owned(),
                password.unwrap_or_default().to_owned(),
            )),
        };
        MailAccount::new(host, port, starttls, login)
            .map_err(|error| invalid(&SMTP_HOST, &error))?
    } else {
        return Ok(None);
    };
    account.sender = account.sender.take().or(sender);
    Ok(Some(account))
}

/// The address in place of Apple's push service.
pub(super) fn apns_url(raw: &Raw) -> Result<Option<String>, ConfigError> {
    let expected = "https://… or, on the loopback, http://…, without a path";
    let parse = |text: &str| {
        let url = Url::parse(text).ok()?;
        let loopback = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let usable = match url.scheme() {
            "https" => true,
            "http" => loopback,
            _ => false,
        };
        let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        (usable && bare).then(|| base_of(&url))
    };
    optional(raw, &PUSHI_APNS_URL, expected, parse)
}

/// The address under which people reach the REST API, without a slash at its end.
pub(super) fn public_url(raw: &Raw) -> Result<Option<String>, ConfigError> {
    let expected = "https://… or http://…, with a path where there is one";
    let parse = |text: &str| {
        let url = Url::parse(text).ok()?;
        let usable = matches!(url.scheme(), "http" | "https") && url.has_host();
        let bare = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        (usable && bare).then(|| base_of(&url))
    };
    optional(raw, &PUSHI_PUBLIC_URL, expected, parse)
}

fn optional<T>(
    raw: &Raw,
    variable: &Variable,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, ConfigError> {
    raw.get(variable)
        .map(|_| read(raw, variable, expected, parse))
        .transpose()
}

fn base_of(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(Variable, &str)]) -> Result<Option<MailAccount>, String> {
        account(&Raw::from_pairs(pairs.iter().copied())).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_counts_more_than_single_variables() {
        assert_eq!(of(&[(SMTP_SENDER, "shop@shop.example")]), Ok(None));
        let url = "smtps://ann:pw@mail.example?sender=ann@shop.example";
        let from_url = of(&[
            (SMTP_URL, url),
            (SMTP_HOST, "other.example"),
            (SMTP_SENDER, "shop@shop.example"),
        ]);
        assert_eq!(from_url, Ok(MailAccount::parse(url).ok()));
        let account = of(&[
            (SMTP_HOST, "mail.example"),
            (SMTP_PORT, "587"),
            (SMTP_STARTTLS, "1"),
            (SMTP_USER, "ann"),
            (SMTP_PASSWORD, "pw"),
            (SMTP_SENDER, "ann@shop.example"),
        ]);
        assert_eq!(account, from_url);
        let account = of(&[(SMTP_HOST, "mail.example")]).unwrap().unwrap();
        assert_eq!(account, MailAccount::parse("smtp://mail.example").unwrap());
    }

    #[test]
    fn errors_name_the_variable_and_show_no_password() {
        for (pairs, name) in [
            (&[(SMTP_URL, "smtp//ann:hunter2")][..], "SMTP_URL"),
            (&[(SMTP_URL, "smtp://hunter2@mail.example")], "SMTP_URL"),
            (&[(SMTP_HOST, "mail example")], "SMTP_HOST"),
            (
                &[(SMTP_HOST, "mail.example"), (SMTP_USER, "ann")],
                "SMTP_HOST",
            ),
            (
                &[(SMTP_HOST, "mail.example"), (SMTP_PORT, "0")],
                "SMTP_PORT",
            ),
            (&[(SMTP_SENDER, "hunter2")], "SMTP_SENDER"),
        ] {
            let error = of(pairs).unwrap_err();
            assert!(
                error.starts_with(name) && !error.contains("hunter2"),
                "{error}"
            );
        }
        let pairs = [(SMTP_URL, "smtp://ann:hunter2@mail.example")];
        assert!(!format!("{:?}", of(&pairs)).contains("hunter2"));
    }

    #[test]
    fn addresses_of_services_are_normal_and_safe() {
        let apns = |text| {
            apns_url(&Raw::from_pairs([(PUSHI_APNS_URL, text)]))
                .ok()
                .flatten()
        };
        assert_eq!(
            apns("https://apns.example/").as_deref(),
            Some("https://apns.example")
        );
        assert_eq!(
            apns("http://127.0.0.1:2197").as_deref(),
            Some("http://127.0.0.1:2197")
        );
        assert_eq!(apns("http://[::1]:1/").as_deref(), Some("http://[::1]:1"));
        for bad in [
            "http://apns.example",
            "https://a/3",
            "ftp://127.0.0.1",
            "apns",
            "https://u@a",
        ] {
            assert_eq!(apns(bad), None, "{bad}");
        }
        let public = |text| {
            public_url(&Raw::from_pairs([(PUSHI_PUBLIC_URL, text)]))
                .ok()
                .flatten()
        };
        assert_eq!(
            public("https://push.example/realtime/").as_deref(),
            Some("https://push.example/realtime")
        );
        for bad in ["push.example", "https://a?x", "https://u:p@a", "mailto:a@b"] {
            assert_eq!(public(bad), None, "{bad}");
        }
        assert_eq!(public_url(&Raw::default()), Ok(None));
    }
}
