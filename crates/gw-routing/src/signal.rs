//! What the estimates read of a request: who asks (the tag), what kind of work it is, and hashed
//! pieces of the text, in microseconds and without a model.
//!
//! Buffers are reused: one [`Signals`] serves any number of requests one after the other. The hashes
//! are part of every trained model, so a change here makes stored models unreadable on purpose (see
//! [`SIGNALS_VERSION`]).

mod class;
mod counts;
mod grams;
mod hash;
mod tag;

pub use class::TaskClass;
pub use counts::COUNTS;
pub use hash::{hash_bytes, hash_words};
pub use tag::{Tag, tag_of, tag_of_words};

/// Raised whenever the same text gives other pieces; a stored model of another version is refused.
pub const SIGNALS_VERSION: u32 = 2;

/// Buckets that pieces are hashed into.
pub const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 16;

/// Bytes of text that are read: as many from its beginning as from its end where it is longer.
pub const TEXT_BYTES_MAX: usize = 3_000;

/// Pieces of one request at most; what comes later in the text is left out.
pub const PIECES_MAX: usize = 1_536;

/// Different words of one request that neighbours are searched by.
pub const WORDS_MAX: usize = 192;

/// A hashed piece of the text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    /// Which bucket, below [`BUCKETS`].
    pub bucket: u32,
    /// Its weight; the weights of one kind of piece have length 1 together.
    pub weight: f32,
}

/// What the estimates read of one request.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Who asks; `None` where nothing tells.
    pub tag: Option<Tag>,
    /// What kind of work it is.
    pub class: TaskClass,
    /// Hashed words, pairs of words, letters and counts.
    pub pieces: Vec<Piece>,
    /// What can be counted of the text.
    pub counts: [u32; COUNTS],
    /// Hashes of the different words with how often each stands there, sorted.
    pub words: Vec<(u64, u16)>,
    scratch: grams::Scratch,
}

impl Signals {
    /// Reads a text into these buffers, in place of what they held.
    pub fn read(&mut self, text: &str, tag: Option<Tag>) {
        self.tag = tag;
        self.pieces.clear();
        self.words.clear();
        let (head, tail) = ends(text);
        let counts = counts::Counts::of(text.len(), head, tail);
        self.class = class::class_of(&counts);
        grams::read(head, tail, self);
        counts.write(&mut self.pieces);
        self.counts = counts.all(self.words.len());
        self.pieces.truncate(PIECES_MAX);
    }

    /// Reads a text into new buffers.
    pub fn of(text: &str, tag: Option<Tag>) -> Self {
        let mut signals = Self::default();
        signals.read(text, tag);
        signals
    }
}

/// The beginning and the end of a text; the end is empty where the beginning is all of it.
fn ends(text: &str) -> (&str, &str) {
    if text.len() <= TEXT_BYTES_MAX {
        return (text, "");
    }
    let half = TEXT_BYTES_MAX / 2;
    let head = &text[..text.floor_char_boundary(half)];
    let tail = &text[text.ceil_char_boundary(text.len() - half)..];
    (head, tail)
}

#[cfg(test)]
mod tests;
