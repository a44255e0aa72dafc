//! Validation of the settings of notifications.

use super::mail;
use crate::config::error::ConfigError;
use crate::config::raw::Raw;
use crate::config::settings::NotificationSettings;
use crate::config::value::{duration, read, switch};
use crate::config::variables::{
    PUSHI_CONTACT, PUSHI_HANDLERS, PUSHI_NOTIFY_RETRY, PUSHI_NOTIFY_TIMEOUT, WEB_PUSH_TTL,
};
use crate::core::model::Vapid;

pub(super) fn resolve(raw: &Raw) -> Result<NotificationSettings, ConfigError> {
    let contact = |_| {
        let expected = "an e-mail address, or a mailto: or https: address";
        read(raw, &PUSHI_CONTACT, expected, |text| {
            Vapid::parse_contact(text).ok()
        })
    };
    Ok(NotificationSettings {
        enabled: switch(raw, &PUSHI_HANDLERS)?,
        retry: duration(raw, &PUSHI_NOTIFY_RETRY, 0)?,
        timeout: duration(raw, &PUSHI_NOTIFY_TIMEOUT, 1)?,
        contact: raw.get(&PUSHI_CONTACT).map(contact).transpose()?,
        web_push_ttl: duration(raw, &WEB_PUSH_TTL, 0)?,
        mail: mail::account(raw)?,
        apns_url: mail::apns_url(raw)?,
        public_url: mail::public_url(raw)?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::variables::Variable;

    fn of(pairs: &[(Variable, &str)]) -> Result<NotificationSettings, String> {
        resolve(&Raw::from_pairs(pairs.iter().copied())).map_err(|error| error.to_string())
    }

    #[test]
    fn the_contact_has_a_scheme_and_the_rest_has_defaults() {
        let expected = NotificationSettings {
            enabled: true,
            retry: Duration::from_secs(86_400),
            timeout: Duration::from_secs(10),
            contact: None,
            web_push_ttl: Duration::from_secs(86_400),
            mail: None,
            apns_url: None,
            public_url: None,
        };
        assert_eq!(of(&[]), Ok(expected));
        let given = of(&[(PUSHI_CONTACT, "ann@shop.example"), (WEB_PUSH_TTL, "60")]).unwrap();
        assert_eq!(given.contact.as_deref(), Some("mailto:ann@shop.example"));
        assert_eq!(given.web_push_ttl, Duration::from_secs(60));
        let error = of(&[(PUSHI_CONTACT, "http://shop.example")]).unwrap_err();
        assert!(
            error.contains("PUSHI_CONTACT") && error.contains("https:"),
            "{error}"
        );
    }
}
