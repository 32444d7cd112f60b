//! The text of a key: `gw-`, 32 random letters and digits (190 bits), 6 of checksum.
//!
//! The checksum (CRC-32 in base 62) tells a typing error or a random string from a key before
//! anything is hashed or looked up; it protects nothing else. Only the BLAKE3 hash of a key is kept:
//! with this much randomness a slow hash would add nothing.

use gw_core::key::KeyHash;
use gw_core::seam::Entropy;

const PREFIX: &str = "gw-";
const RANDOM: usize = 32;
const CHECKSUM: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A new key's text. It is shown once and never kept.
pub fn generate(entropy: &dyn Entropy) -> String {
    let random = letters(entropy, RANDOM);
    let checksum = checksum(random.as_bytes());
    let mut key = String::with_capacity(PREFIX.len() + RANDOM + CHECKSUM);
    key.push_str(PREFIX);
    key.push_str(&random);
    key.extend(checksum.map(char::from));
    key
}

/// A new public id: it names a key and opens nothing.
pub fn generate_id(entropy: &dyn Entropy) -> String {
    format!("key_{}", letters(entropy, 16))
}

/// The hash of a key's text; `None` where it cannot be a key of any gateway: wrong length, prefix or
/// checksum.
pub fn read(key: &str) -> Option<KeyHash> {
    is_well_formed(key).then(|| hash(key))
}

/// The hash of any text that is used as a key; keys from configuration need not have our form.
pub fn hash(key: &str) -> KeyHash {
    KeyHash(*blake3::hash(key.as_bytes()).as_bytes())
}

/// True where prefix, length and checksum are right.
pub fn is_well_formed(key: &str) -> bool {
    let Some(rest) = key.strip_prefix(PREFIX) else { return false };
    let rest = rest.as_bytes();
    rest.len() == RANDOM + CHECKSUM && rest[RANDOM..] == checksum(&rest[..RANDOM])
}

/// First and last characters, to recognise a key by.
pub fn shown(key: &str) -> String {
    let mut letters = key.chars();
    let first: String = letters.by_ref().take(PREFIX.len() + 4).collect();
    let rest: Vec<char> = letters.collect();
    let last: String = rest[rest.len().saturating_sub(4)..].iter().collect();
    format!("{first}…{last}")
}

fn letters(entropy: &dyn Entropy, count: usize) -> String {
    let mut text = String::with_capacity(count);
    let mut bytes = [0_u8; 64];
    // 248 is the largest multiple of 62 in a byte: what lies beyond is drawn again, so that every
    // letter is equally likely. A source that is stuck there ends with what the last draw gives.
    for _ in 0..64 {
        entropy.fill(&mut bytes);
        let fair = bytes.iter().filter(|byte| **byte < 248);
        for byte in fair.take(count - text.len()) {
            text.push(char::from(DIGITS[usize::from(byte % 62)]));
        }
        if text.len() == count {
            return text;
        }
    }
    while text.len() < count {
        text.push(char::from(DIGITS[usize::from(bytes[text.len() % 64] % 62)]));
    }
    text
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0_u32; 256];
    let mut at = 0;
    while at < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xEDB8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
};

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc = CRC_TABLE[usize::from((crc & 0xFF) as u8 ^ byte)] ^ (crc >> 8);
    }
    let mut rest = crc ^ u32::MAX;
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use gw_core::seam::Entropy;
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{checksum, generate, generate_id, is_well_formed, read, shown};

    struct Counting(AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, buffer: &mut [u8]) {
            for byte in buffer {
                *byte = self.0.fetch_add(37, Ordering::Relaxed);
            }
        }
    }

    struct Stuck;

    impl Entropy for Stuck {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(255);
        }
    }

    #[test]
    fn a_key_is_known_by_its_form() {
        let entropy = Counting(AtomicU8::new(3));
        let (key, other) = (generate(&entropy), generate(&entropy));
        assert_ne!(key, other);
        assert_eq!(key.len(), 41);
        assert!(key.starts_with("gw-") && is_well_formed(&key) && is_well_formed(&other));
        assert!(read(&key).is_some() && read(&key) != read(&other));
        for wrong in ["", "gw-", "sk-abc", &key[1..], &key[..40], &format!("{key}0"), "gw-ü"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(shown(&key), format!("{}…{}", &key[..7], &key[37..]));
        assert_eq!(shown("ab"), "ab…");
        assert!(generate_id(&entropy).starts_with("key_"));
        assert_eq!(generate(&Stuck).len(), 41, "no endless loop");
    }

    #[test]
    fn the_checksum_is_crc_32() {
        // 0xCBF43926 of the check string, in base 62.
        assert_eq!(&checksum(b"123456789"), b"3jZRME");
    }

    proptest! {
        #[test]
        fn one_wrong_letter_is_found(at in 3..41_usize, letter in "[0-9A-Za-z]", seed in any::<u8>()) {
            let key = generate(&Counting(AtomicU8::new(seed)));
            let mut wrong = key.clone();
            wrong.replace_range(at..=at, &letter);
            prop_assert!(wrong == key || read(&wrong).is_none());
        }
    }
}
