//! Any text in PostgreSQL's `text`, which knows no U+0000: it and the escape itself, a code point that
//! is never a character, are written as two. All other text stands as it is.

use std::borrow::Cow;

/// Longest key that stands in an index as it is, in bytes; PostgreSQL's indexes take some 2,700.
const KEY_BYTES_MAX: usize = 512;

const ESCAPE: char = '\u{10FFFF}';

/// The text as it is stored.
pub(crate) fn stored(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => stored.extend([ESCAPE, '0']),
            ESCAPE => stored.extend([ESCAPE, '1']),
            _ => stored.push(character),
        }
    }
    Cow::Owned(stored)
}

/// The text as it stands in an index: a longer one, which no door lets through, by its beginning and
/// its hash.
pub(crate) fn key(text: &str) -> Cow<'_, str> {
    let stored = stored(text);
    if stored.len() <= KEY_BYTES_MAX {
        return stored;
    }
    let begin = &stored[..stored.floor_char_boundary(KEY_BYTES_MAX / 2)];
    let hash = blake3::hash(stored.as_bytes()).to_hex();
    Cow::Owned(format!("{begin}{ESCAPE}2{hash}"))
}

/// The text that was stored.
pub(crate) fn read(stored: String) -> String {
    if !stored.contains(ESCAPE) {
        return stored;
    }
    let mut text = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        if character != ESCAPE {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('0') => text.push('\0'),
            Some('1') => text.push(ESCAPE),
            // Written by somebody else: it stays as it is.
            other => text.extend([Some(ESCAPE), other].into_iter().flatten()),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    proptest! {
        #[test]
        fn any_text_is_read_back(text in any::<String>(), part in any::<String>()) {
            for text in [text.clone(), format!("{text}\0{part}\u{10FFFF}0"), format!("\u{10FFFF}{text}")] {
                let stored = super::stored(&text).into_owned();
                assert!(!stored.contains('\0'));
                assert_eq!(super::read(stored), text);
            }
        }

        #[test]
        fn keys_are_short_and_apart(text in any::<String>(), times in 1_usize..400) {
            let long = text.repeat(times);
            let key = super::key(&long);
            assert!(key.len() <= super::KEY_BYTES_MAX);
            assert_ne!(key, super::key(&format!("{long}x")));
        }
    }
}
