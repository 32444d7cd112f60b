//! Words, pairs of neighbouring words and runs of letters inside words, hashed.

use super::hash::{finish, step};
use super::{BUCKET_BITS, PIECES_MAX, Piece, Signals, WORDS_MAX};

/// Longest word that is read letter by letter; longer ones are keys, addresses and base64.
const WORD_BYTES_MAX: usize = 24;

/// Pieces made of words at most, and of letters.
const WORD_PIECES_MAX: usize = 480;
const LETTER_PIECES_MAX: usize = PIECES_MAX - WORD_PIECES_MAX - 64;

/// Buffers that live from one request to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    letters: Vec<u32>,
    words: Vec<u32>,
    seen: Vec<u64>,
}

/// Reads both ends of a text into `signals`.
pub(crate) fn read(head: &str, tail: &str, signals: &mut Signals) {
    let mut scratch = std::mem::take(&mut signals.scratch);
    scratch.letters.clear();
    scratch.words.clear();
    scratch.seen.clear();
    for part in [head, tail] {
        scratch.part(part.as_bytes());
    }
    scratch.block(BlockOf::Words, &mut signals.pieces);
    scratch.block(BlockOf::Letters, &mut signals.pieces);
    scratch.different_words(&mut signals.words);
    signals.scratch = scratch;
}

#[derive(Clone, Copy)]
enum BlockOf {
    Words,
    Letters,
}

impl Scratch {
    fn part(&mut self, bytes: &[u8]) {
        let (mut before, mut at) = (0_u64, 0);
        while at < bytes.len() {
            let start = at;
            while at < bytes.len() && is_word(bytes[at]) {
                at += 1;
            }
            if at > start {
                let hash = self.word(&bytes[start..at]);
                push(&mut self.words, 0x17, step(before, hash));
                before = hash;
                continue;
            }
            if !bytes[at].is_ascii_whitespace() {
                push(&mut self.words, 0x33, u64::from(bytes[at]));
            }
            at += 1;
        }
    }

    /// Takes a word in; gives its hash.
    fn word(&mut self, word: &[u8]) -> u64 {
        let mut hash = word.len() as u64;
        // The word between marks of its beginning and its end, in small letters.
        let mut framed = [b'<'; WORD_BYTES_MAX + 2];
        for (at, byte) in word.iter().enumerate() {
            let small = byte.to_ascii_lowercase();
            hash = step(hash, u64::from(small));
            if at < WORD_BYTES_MAX {
                framed[at + 1] = small;
            }
        }
        let length = word.len().min(WORD_BYTES_MAX) + 2;
        framed[length - 1] = b'>';
        let hash = finish(hash);
        push(&mut self.words, 0x11, hash);
        if self.letters.len() < LETTER_PIECES_MAX {
            self.runs(&framed[..length]);
        }
        if word.len() > 1 {
            self.seen.push(hash);
        }
        hash
    }

    /// Runs of three to five bytes of a framed word.
    fn runs(&mut self, framed: &[u8]) {
        for (at, window) in framed.windows(3).enumerate() {
            let mut hash = step(
                0,
                u64::from(window[0]) << 16 | u64::from(window[1]) << 8 | u64::from(window[2]),
            );
            push(&mut self.letters, 3, hash);
            for (size, byte) in (4_u64..=5).zip(framed.iter().skip(at + 3)) {
                hash = step(hash, u64::from(*byte));
                push(&mut self.letters, size, hash);
            }
        }
    }

    /// Gives all pieces of one kind the same weight, and the block length 1. Pieces of one bucket
    /// are not joined: their weights add up wherever they are used.
    fn block(&self, of: BlockOf, pieces: &mut Vec<Piece>) {
        let (buckets, room) = match of {
            BlockOf::Words => (&self.words, WORD_PIECES_MAX),
            BlockOf::Letters => (&self.letters, LETTER_PIECES_MAX),
        };
        let count = u16::try_from(buckets.len().min(room)).unwrap_or(u16::MAX);
        let weight = 1.0 / f32::from(count.max(1)).sqrt();
        pieces.extend(buckets.iter().take(room).map(|bucket| Piece { bucket: *bucket, weight }));
    }

    fn different_words(&mut self, words: &mut Vec<(u64, u16)>) {
        self.seen.sort_unstable();
        for run in self.seen.chunk_by(|one, other| one == other).take(WORDS_MAX) {
            words.push((run[0], u16::try_from(run.len()).unwrap_or(u16::MAX)));
        }
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || byte == b'_'
}

fn push(buckets: &mut Vec<u32>, kind: u64, hash: u64) {
    let hash = finish(step(kind, hash));
    buckets.push(u32::try_from(hash >> (64 - BUCKET_BITS)).unwrap_or_default());
}
