//! JSON that is written directly, since it is text already for the greater part.

use crate::core::model::Timestamp;

/// Appends `text` as a JSON string, quotes included.
pub fn push_json_string(json: &mut String, text: &str) {
    json.push('"');
    push_escaped(json, text);
    json.push('"');
}

/// Appends `text` as it stands within a JSON string.
pub fn push_escaped(json: &mut String, text: &str) {
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        // Every escaped byte is ASCII, so both cuts fall between characters.
        json.push_str(text.get(plain..at).unwrap_or_default());
        plain = at + 1;
        if short.is_empty() {
            const HEX: [char; 16] = [
                '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
            ];
            json.push_str("\\u00");
            json.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            json.push_str(short);
        }
    }
    json.push_str(text.get(plain..).unwrap_or_default());
}

/// Seconds since the Unix epoch as a JSON number with a fraction, exact to the microsecond: `1795337092.27`.
pub fn seconds_text(time: Timestamp) -> String {
    let micros = time.micros();
    let sign = if micros < 0 { "-" } else { "" };
    let (seconds, fraction) = (
        micros.unsigned_abs() / 1_000_000,
        micros.unsigned_abs() % 1_000_000,
    );
    let mut text = format!("{sign}{seconds}.{fraction:06}");
    while text.ends_with('0') && !text.ends_with(".0") {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn strings_read_back_as_they_were(text in any::<String>()) {
            let mut json = String::new();
            push_json_string(&mut json, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).ok(), Some(text));
        }

        #[test]
        fn seconds_read_back_as_they_were(micros in -4_000_000_000_000_000_i64..4_000_000_000_000_000) {
            let time = Timestamp::from_micros(micros);
            let read: f64 = serde_json::from_str(&seconds_text(time)).unwrap_or(f64::NAN);
            prop_assert_eq!(Timestamp::from_seconds(read), time);
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut json = String::new();
        push_json_string(&mut json, "a\u{1}\u{1f}\n\"\\é");
        assert_eq!(json, r#""a\u0001\u001f\n\"\\é""#);
    }

    #[test]
    fn seconds_keep_a_fraction() {
        assert_eq!(
            seconds_text(Timestamp::from_micros(1_795_337_092_270_000)),
            "1795337092.27"
        );
        assert_eq!(seconds_text(Timestamp::from_micros(5_000_000)), "5.0");
        assert_eq!(seconds_text(Timestamp::from_micros(-1)), "-0.000001");
    }
}
