//! Hashes that are the same on every machine and in every version: trained weights hang on them.

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// One step: `value` joined to what was hashed before.
pub(crate) const fn step(hash: u64, value: u64) -> u64 {
    (hash.rotate_left(23) ^ value).wrapping_mul(FACTOR)
}

/// Spreads what the steps left in the high bits over all bits.
pub(crate) const fn finish(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ (hash >> 32)
}

/// The hash of some bytes; not for secrets.
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    let mut hash = bytes.len() as u64;
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        hash = step(hash, u64::from_le_bytes(word));
    }
    let mut rest = [0; 8];
    rest[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    finish(step(hash, u64::from_le_bytes(rest)))
}

/// The hash of several hashes, in their order.
pub fn hash_words(words: &[u64]) -> u64 {
    finish(words.iter().fold(words.len() as u64, |hash, word| step(hash, *word)))
}
