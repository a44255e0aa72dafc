//! E-mail addresses.

use email_address::EmailAddress as Parser;
use email_address::Options;

/// The most bytes of an address (RFC 5321, 4.5.3.1.3, without the angle brackets).
const MAX_BYTES: usize = 254;

/// An e-mail address, such as `ann@shop.example`: without a display name, white space or control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(Box<str>);

/// A text that is no e-mail address; the text continues a member's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address such as ann@shop.example, of at most {MAX_BYTES} bytes")]
pub struct EmailAddressError;

impl EmailAddress {
    /// Parses an address.
    ///
    /// # Errors
    /// The text is none.
    pub fn parse(text: &str) -> Result<Self, EmailAddressError> {
        let options = Options::default()
            .without_display_text()
            .without_domain_literal();
        if text.len() > MAX_BYTES || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(EmailAddressError);
        }
        Parser::parse_with_options(text, options).map_err(|_| EmailAddressError)?;
        Ok(Self(text.into()))
    }

    /// Checks the address that mails come from, which may have a display name: `Shop <orders@shop.example>`. Returns it without
    /// white space around it.
    ///
    /// # Errors
    /// The text is no such address.
    pub fn parse_sender(text: &str) -> Result<String, EmailAddressError> {
        let text = text.trim();
        let (name, address) = Self::sender_parts(text);
        let plain = |c: char| !c.is_control() && !"<>\"\\".contains(c);
        if name.len() > MAX_BYTES || !name.chars().all(plain) {
            return Err(EmailAddressError);
        }
        Self::parse(address)?;
        Ok(text.into())
    }

    /// The display name, without quotes and empty where there is none, and the address of a sender.
    pub fn sender_parts(sender: &str) -> (&str, &str) {
        let Some((name, address)) = sender
            .strip_suffix('>')
            .and_then(|rest| rest.rsplit_once('<'))
        else {
            return ("", sender);
        };
        let name = name.trim();
        let unquoted = name
            .strip_prefix('"')
            .and_then(|name| name.strip_suffix('"'));
        (unquoted.unwrap_or(name), address)
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed() {
        for text in [
            "ann@shop.example",
            "ann+news@mail.shop.example",
            "a.n-n_1@shop.example",
            "o'brien@shop.example",
            "ann@localhost",
            "jörg@müller.example",
            "ann@xn--mller-kva.example",
        ] {
            assert!(EmailAddress::parse(text).is_ok(), "{text}");
        }
        let long = format!("{}@shop.example", "a".repeat(250));
        for text in [
            "",
            "ann",
            "@shop.example",
            "ann@",
            "ann@@shop.example",
            "ann@shop..example",
            ".ann@shop.example",
            "ann.@shop.example",
            "ann@-shop.example",
            "Ann <ann@shop.example>",
            "<ann@shop.example>",
            "ann@shop.example, ben@shop.example",
            "ann@shop.example ",
            "ann@shop.example\r\nBcc: eve@shop.example",
            "ann\n@shop.example",
            "ann\0@shop.example",
            "\"a b\"@shop.example",
            "ann@[127.0.0.1]",
            "ann@shop\u{2028}.example",
            &long,
        ] {
            assert_eq!(
                EmailAddress::parse(text),
                Err(EmailAddressError),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_sender_may_have_a_display_name() {
        for (text, expected) in [
            (" shop@shop.example ", "shop@shop.example"),
            ("Shop <shop@shop.example>", "Shop <shop@shop.example>"),
            (
                "\"The, Shop\" <shop@shop.example>",
                "\"The, Shop\" <shop@shop.example>",
            ),
            (
                "Müller & Söhne <shop@shop.example>",
                "Müller & Söhne <shop@shop.example>",
            ),
        ] {
            assert_eq!(EmailAddress::parse_sender(text).as_deref(), Ok(expected));
        }
        for text in [
            "Shop",
            "Shop <shop>",
            "Shop <shop@shop.example> x",
            "Shop shop@shop.example>",
            "A\r\nBcc: eve@shop.example <shop@shop.example>",
            "A <eve@shop.example> <shop@shop.example>",
            "\"A\" \"B\" <shop@shop.example>",
        ] {
            assert!(EmailAddress::parse_sender(text).is_err(), "{text:?}");
        }
    }
}
