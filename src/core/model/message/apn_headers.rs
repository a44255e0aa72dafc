//! The headers of messages to Apple devices.

use super::apn::ApnHeaders;
use crate::core::model::app::PushCredentials;

/// The types of messages that Apple knows.
const PUSH_TYPES: [&str; 11] = [
    "alert",
    "background",
    "complication",
    "controls",
    "fileprovider",
    "liveactivity",
    "location",
    "mdm",
    "pushtotalk",
    "voip",
    "widgets",
];

/// The most bytes of a collapse id.
const MAX_COLLAPSE_ID: usize = 64;

/// A header that Apple does not know, or a value that it would refuse; the text names the header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApnHeaderError {
    /// The headers are no object.
    #[error("the apn headers must be an object")]
    NoObject,
    /// Another header.
    #[error(
        "an apn header is unknown: send apns-topic, apns-push-type, apns-priority, apns-expiration or apns-collapse-id"
    )]
    Unknown,
    /// Another value.
    #[error("the apn header {0} must be {1}")]
    Value(&'static str, &'static str),
}

impl ApnHeaders {
    /// Sets a header by its name, with `apns-` in front or without.
    ///
    /// # Errors
    /// The name is unknown, or the value is not one of the header.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ApnHeaderError> {
        let name = name.to_ascii_lowercase().replace('_', "-");
        let invalid = |name, expected| ApnHeaderError::Value(name, expected);
        match name.strip_prefix("apns-").unwrap_or(&name) {
            "topic" => {
                PushCredentials::check_apn_topic(value)
                    .map_err(|_| invalid("apns-topic", "a topic such as com.example.shop"))?;
                self.topic = Some(value.into());
            }
            "push-type" => {
                if !PUSH_TYPES.contains(&value) {
                    let expected = "alert, background or another type of Apple's";
                    return Err(invalid("apns-push-type", expected));
                }
                self.push_type = Some(value.into());
            }
            "priority" => {
                let priority = value
                    .parse()
                    .ok()
                    .filter(|value| [1, 5, 10].contains(value));
                self.priority = Some(priority.ok_or(invalid("apns-priority", "10, 5 or 1"))?);
            }
            "expiration" => {
                let time = value.parse().ok().filter(|value| *value >= 0);
                let expected = "a whole number of seconds since 1970, or 0";
                self.expiration = Some(time.ok_or(invalid("apns-expiration", expected))?);
            }
            "collapse-id" => {
                let plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
                let fits = (1..=MAX_COLLAPSE_ID).contains(&value.len())
                    && value.trim() == value
                    && value.bytes().all(plain);
                if !fits {
                    let expected = "1 to 64 printable ASCII characters";
                    return Err(invalid("apns-collapse-id", expected));
                }
                self.collapse_id = Some(value.into());
            }
            _ => return Err(ApnHeaderError::Unknown),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_set_by_name() {
        let mut headers = ApnHeaders::default();
        for (name, value) in [
            ("apns-topic", "com.example.shop"),
            ("push_type", "background"),
            ("APNS-Priority", "5"),
            ("apns-expiration", "0"),
            ("apns-collapse-id", "order 17"),
        ] {
            headers.set(name, value).unwrap();
        }
        let expected = ApnHeaders {
            topic: Some("com.example.shop".into()),
            push_type: Some("background".into()),
            priority: Some(5),
            expiration: Some(0),
            collapse_id: Some("order 17".into()),
        };
        assert_eq!(headers, expected);
    }

    #[test]
    fn what_apple_or_http_refuses_is_refused() {
        let long = "x".repeat(65);
        for (name, value) in [
            ("apns-topic", "a\r\nb"),
            ("apns-push-type", "Alert"),
            ("apns-push-type", ""),
            ("apns-push-type", "shout"),
            ("apns-priority", "7"),
            ("apns-priority", "high"),
            ("apns-expiration", "-1"),
            ("apns-expiration", "1.5"),
            ("apns-collapse-id", ""),
            ("apns-collapse-id", &long),
            ("apns-collapse-id", "a\r\nb"),
            ("apns-collapse-id", "é"),
            ("authorization", "bearer x"),
            (":path", "/"),
        ] {
            let set = ApnHeaders::default().set(name, value);
            assert!(set.is_err(), "{name}: {value:?}");
        }
    }
}
