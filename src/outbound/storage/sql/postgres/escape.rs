//! Escaping of NUL, the one character that PostgreSQL's `text` cannot hold. NUL and the escape character are each written
//! as two characters; any other text is stored unchanged, and no two texts have the same form.

use std::borrow::Cow;

/// SUBSTITUTE, a control character that is practically unused.
const ESCAPE: char = '\u{1a}';

/// Returns the stored form of a text.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == 0 || byte == ESCAPE as u8) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => stored.extend([ESCAPE, '0']),
            ESCAPE => stored.extend([ESCAPE, '1']),
            other => stored.push(other),
        }
    }
    Cow::Owned(stored)
}

/// Returns the text of a stored form.
pub(super) fn unescaped(stored: &str) -> Cow<'_, str> {
    if !stored.contains(ESCAPE) {
        return Cow::Borrowed(stored);
    }
    let mut text = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        match character {
            ESCAPE if characters.next() == Some('0') => text.push('\0'),
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_without_control_characters_is_stored_unchanged() {
        assert!(matches!(escaped("Ж \u{1b}\n"), Cow::Borrowed("Ж \u{1b}\n")));
        assert_eq!(escaped("a\0\u{1a}"), "a\u{1a}0\u{1a}1");
    }

    proptest! {
        #[test]
        fn every_text_round_trips_without_nul(text in "[a01\u{0}\u{1a}\u{1b}é]{0,20}|.{0,20}") {
            let stored = escaped(&text);
            prop_assert!(!stored.contains('\0'));
            prop_assert_eq!(unescaped(&stored), text.as_str());
        }
    }
}
