//! PostgreSQL's texts hold every character but NUL. So NUL is written as two characters, and what begins those two as
//! two others: different texts stay different, and all but the oddest stay as they are.

use std::borrow::Cow;

/// Begins what stands for a character: SUBSTITUTE, which no text is known to use.
const ESCAPE: char = '\u{1a}';

/// A text as it is stored.
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

/// The text that was stored.
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
    fn what_holds_neither_is_stored_as_it_is() {
        assert!(matches!(escaped("Ж \u{1b}\n"), Cow::Borrowed("Ж \u{1b}\n")));
        assert_eq!(escaped("a\0\u{1a}"), "a\u{1a}0\u{1a}1");
    }

    proptest! {
        #[test]
        fn every_text_comes_back_and_holds_no_nul_meanwhile(text in "[a01\u{0}\u{1a}\u{1b}é]{0,20}|.{0,20}") {
            let stored = escaped(&text);
            prop_assert!(!stored.contains('\0'));
            prop_assert_eq!(unescaped(&stored), text.as_str());
        }
    }
}
