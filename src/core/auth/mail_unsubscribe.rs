//! Links in e-mails with which a recipient ends a registration (RFC 8058).

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::sign;
use crate::core::model::{App, AppIdent, NotificationTarget, Secret};

/// The token of such a link: `<ident>.<id of the registration>.<digest of its address>.<signature>`. The digest tells an address
/// from a later one whose registration has the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsubscribeToken {
    app: AppIdent,
    id: u64,
    digest: String,
    signature: Secret,
}

impl UnsubscribeToken {
    /// The token of a registration.
    pub fn of(app: &App, target: &NotificationTarget) -> Self {
        let digest = digest(target);
        Self {
            signature: Secret::new(signature(&app.secret, &app.ident, target.id, &digest)),
            app: app.ident.clone(),
            id: target.id,
            digest,
        }
    }

    /// Reads a token; `None`: it has another form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut next = || parts.next();
        let (app, id, digest, signature) = (next()?, next()?, next()?, next()?);
        if next().is_some() {
            return None;
        }
        Some(Self {
            app: AppIdent::parse(app).ok()?,
            id: id.parse().ok().filter(|id| *id > 0)?,
            digest: digest.to_owned(),
            signature: Secret::new(signature),
        })
    }

    /// The text in the link.
    pub fn text(&self) -> Secret {
        let (app, id, digest) = (&self.app, self.id, &self.digest);
        Secret::new(format!("{app}.{id}.{digest}.{}", self.signature.expose()))
    }

    /// The app that it names.
    pub fn app(&self) -> &AppIdent {
        &self.app
    }

    /// The id of the registration.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Verifies the signature with every valid secret.
    pub fn is_signed_by(&self, app: &App) -> bool {
        let fits = |secret| {
            let expected = signature(secret, &self.app, self.id, &self.digest);
            Secret::new(expected).matches(self.signature.expose())
        };
        self.app == app.ident && app.secrets().any(fits)
    }

    /// Whether it is that of this registration.
    pub fn is_of(&self, target: &NotificationTarget) -> bool {
        self.id == target.id && self.digest == digest(target)
    }
}

/// Half of the address's hash.
fn digest(target: &NotificationTarget) -> String {
    HEXLOWER.encode(&Sha256::digest(target.address.expose().as_bytes())[..16])
}

/// The signed text has no colon, which the text of every signature that back ends make for clients has.
fn signature(secret: &Secret, app: &AppIdent, id: u64, digest: &str) -> String {
    let parts = [
        "unsubscribe\n",
        app.as_str(),
        "\n",
        &id.to_string(),
        "\n",
        digest,
    ];
    sign(secret, &parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::auth::tests::app;
    use crate::core::model::{ChannelName, TargetKind, Timestamp};

    fn target(id: u64, address: &str) -> NotificationTarget {
        NotificationTarget {
            kind: TargetKind::Smtp,
            id,
            channel: ChannelName::trusted("news"),
            address: Secret::new(address),
            p256dh: None,
            auth: None,
            away: None,
            digest: None,
            created: Timestamp::from_micros(0),
        }
    }

    #[test]
    fn a_token_is_that_of_its_registration_and_app() {
        let app = app();
        let text = UnsubscribeToken::of(&app, &target(7, "ann@example.com")).text();
        let token = UnsubscribeToken::parse(text.expose()).unwrap();
        assert!(token.is_signed_by(&app));
        assert!(token.is_of(&target(7, "ann@example.com")));
        assert!(!token.is_of(&target(8, "ann@example.com")));
        assert!(!token.is_of(&target(7, "bo@example.com")));
        assert!(!text.expose().contains("ann"));

        let mut rotated = app.clone();
        rotated.previous_secret = Some(app.secret.clone());
        rotated.secret = Secret::new("new");
        assert!(token.is_signed_by(&rotated));
        rotated.previous_secret = None;
        assert!(!token.is_signed_by(&rotated));
        let mut other = app.clone();
        other.ident = AppIdent::trusted("other");
        assert!(!token.is_signed_by(&other));
    }

    #[test]
    fn a_changed_token_is_not_signed() {
        let app = app();
        let text = UnsubscribeToken::of(&app, &target(7, "ann@example.com")).text();
        let text = text.expose();
        let other = UnsubscribeToken::of(&app, &target(8, "bo@example.com")).text();
        let signature = other.expose().rsplit('.').next().unwrap();
        let kept = text.rsplit_once('.').unwrap().0;
        for changed in [
            text.replacen(".7.", ".8.", 1),
            format!("{kept}.{signature}"),
            format!("{kept}."),
            format!("{kept}.{}", "0".repeat(64)),
        ] {
            let token = UnsubscribeToken::parse(&changed).unwrap();
            assert!(!token.is_signed_by(&app), "{changed}");
        }
        for malformed in [
            "",
            "a",
            "a.b.c.d",
            "a.0.c.d",
            "a.7.c",
            "a.7.c.d.e",
            "a:.7.c.d",
            "a.-7.c.d",
        ] {
            assert_eq!(UnsubscribeToken::parse(malformed), None, "{malformed}");
        }
    }
}
