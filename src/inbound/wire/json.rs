//! JSON that is written directly, because most of it is text already.
//!
//! Strings are escaped by hand: `serde_json::to_writer` writes whole strings with their quotes into
//! a `Vec`, whereas frames also need the escaped text of a part of a string (JSON within a JSON
//! string), appended to a `String`; it would also change the bytes of `\b` and `\f`.

use std::borrow::Cow;

use crate::core::model::Timestamp;

/// Appends `text` as a JSON string, quotes included.
pub fn push_json_string(json: &mut String, text: &str) {
    json.push('"');
    push_escaped(json, text);
    json.push('"');
}

/// Appends `text` escaped for the inside of a JSON string.
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
        // Every escaped byte is ASCII, so both cuts are between characters.
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

/// The bytes of `text` within a JSON string, itself within a JSON string where `twice`.
pub fn escaped_len(text: &str, twice: bool) -> usize {
    const fn costs(twice: bool) -> [u8; 256] {
        let mut costs = [1; 256];
        let mut byte = 0;
        while byte < 0x20 {
            costs[byte] = if twice { 7 } else { 6 };
            byte += 1;
        }
        costs[b'\n' as usize] = if twice { 3 } else { 2 };
        costs[b'\r' as usize] = costs[b'\n' as usize];
        costs[b'\t' as usize] = costs[b'\n' as usize];
        costs[b'"' as usize] = if twice { 4 } else { 2 };
        costs[b'\\' as usize] = costs[b'"' as usize];
        costs
    }
    const ONCE: [u8; 256] = costs(false);
    const TWICE: [u8; 256] = costs(true);
    let costs = if twice { &TWICE } else { &ONCE };
    text.bytes()
        .map(|byte| usize::from(costs[usize::from(byte)]))
        .sum()
}

/// JSON text without the white space between its tokens, otherwise unchanged: numbers and escapes
/// stay as they were written.
pub fn compact(json: &str) -> Cow<'_, str> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    if !json.as_bytes().iter().any(is_space) {
        return json.into();
    }
    let mut compacted = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in json.chars() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character == '"' {
            in_string = true;
        } else if matches!(character, ' ' | '\t' | '\n' | '\r') {
            continue;
        }
        compacted.push(character);
    }
    compacted.into()
}

/// The number of levels of nested objects and arrays in JSON text.
pub fn depth(json: &str) -> usize {
    let (mut deepest, mut level) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            b'"' if !escaped => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                level += 1;
                deepest = deepest.max(level);
            }
            b']' | b'}' if !in_string => level = level.saturating_sub(1),
            _ => {}
        }
        escaped = in_string && !escaped && byte == b'\\';
    }
    deepest
}

/// Seconds since the Unix epoch as a JSON number with a fraction, exact to the microsecond:
/// `1795337092.27`.
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
        fn a_string_parses_to_its_text(text in any::<String>()) {
            let mut json = String::new();
            push_json_string(&mut json, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).ok(), Some(text));
        }

        #[test]
        fn escaped_lengths_are_exact(text in any::<String>()) {
            let (mut once, mut twice) = (String::new(), String::new());
            push_escaped(&mut once, &text);
            push_escaped(&mut twice, &once);
            prop_assert_eq!(escaped_len(&text, false), once.len());
            prop_assert_eq!(escaped_len(&text, true), twice.len());
        }

        #[test]
        fn seconds_parse_to_their_time(micros in -4_000_000_000_000_000_i64..4_000_000_000_000_000) {
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

    #[test]
    fn depth_counts_levels_outside_of_strings() {
        for (json, levels) in [
            ("1", 0),
            (r#""[[""#, 0),
            ("[]", 1),
            (r#"{"a":[{}],"b":[]}"#, 3),
            (r#"["\"[{", "\\", []]"#, 2),
        ] {
            assert_eq!(depth(json), levels, "{json}");
        }
    }

    #[test]
    fn compact_removes_white_space_between_tokens_only() {
        assert_eq!(
            compact("{ \"a b\" : [1.0, 1e5 ,\n\t\"\\\" x\\\\\" , 12345678901234567890 ] }"),
            "{\"a b\":[1.0,1e5,\"\\\" x\\\\\",12345678901234567890]}"
        );
    }
}
