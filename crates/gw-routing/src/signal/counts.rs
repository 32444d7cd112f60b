//! What can be counted of a text: length, digits, symbols, lines, options. One pass over its bytes.

use super::hash::{finish, step};
use super::{BUCKET_BITS, Piece};

/// Counts of a text's read part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Bytes of the whole text, read or not.
    pub(crate) bytes: u32,
    pub(crate) words: u32,
    pub(crate) lines: u32,
    pub(crate) digits: u32,
    pub(crate) numbers: u32,
    pub(crate) capitals: u32,
    pub(crate) questions: u32,
    pub(crate) stops: u32,
    pub(crate) commas: u32,
    pub(crate) maths: u32,
    pub(crate) backslashes: u32,
    pub(crate) brackets: u32,
    pub(crate) braces: u32,
    pub(crate) quotes: u32,
    pub(crate) fences: u32,
    pub(crate) options: u32,
    pub(crate) indented: u32,
    pub(crate) code_words: u32,
    pub(crate) how_many: u32,
    pub(crate) foreign: u32,
    underscores: u32,
    long_words: u32,
    word_bytes: u32,
    negations: u32,
    /// Bytes before the first option.
    asked_bytes: u32,
    option_bytes: u32,
    option_bytes_max: u32,
    option_bytes_min: u32,
    option_digits: u32,
}

/// How many counts a text has for the trees.
pub const COUNTS: usize = 32;

/// Words of at least so many bytes are long.
const LONG_WORD_BYTES: u32 = 10;

/// Kinds of counts that become pieces, one by one and in pairs.
const SINGLES: usize = 19;
const PAIRS: [(usize, usize); 8] =
    [(0, 3), (0, 5), (0, 9), (0, 15), (1, 4), (3, 7), (6, 15), (9, 10)];

impl Counts {
    /// Counts the read beginning and end of a text of `bytes` bytes.
    pub(crate) fn of(bytes: usize, head: &str, tail: &str) -> Self {
        let mut counts =
            Self { bytes: u32::try_from(bytes).unwrap_or(u32::MAX), ..Self::default() };
        for part in [head, tail] {
            counts.scan(part.as_bytes());
            for line in part.lines() {
                counts.line(line);
            }
        }
        counts
    }

    fn scan(&mut self, bytes: &[u8]) {
        let mut before = b' ';
        let mut length = 0;
        for &byte in bytes {
            if byte.is_ascii_alphanumeric() || byte >= 0x80 {
                self.words += u32::from(length == 0);
                length += 1;
                self.word_bytes += 1;
                self.long_words += u32::from(length == LONG_WORD_BYTES);
            } else {
                length = 0;
            }
            match byte {
                b'0'..=b'9' => {
                    self.digits += 1;
                    self.numbers += u32::from(!before.is_ascii_digit());
                }
                b'A'..=b'Z' => self.capitals += 1,
                b'?' => self.questions += 1,
                b'.' | b'!' => self.stops += 1,
                b',' => self.commas += 1,
                b'=' | b'+' | b'*' | b'/' | b'<' | b'>' | b'^' | b'$' | b'%' => self.maths += 1,
                b'\\' => self.backslashes += 1,
                b'(' | b'[' => self.brackets += 1,
                b'{' => self.braces += 1,
                b'_' => self.underscores += 1,
                b'"' | b'\'' => self.quotes += 1,
                0x80.. => self.foreign += 1,
                _ => {}
            }
            before = byte;
        }
    }

    fn line(&mut self, line: &str) {
        self.lines += 1;
        self.fences += u32::from(line.starts_with("```"));
        self.indented += u32::from(line.starts_with("    ") || line.starts_with('\t'));
        let bytes = line.trim_start().as_bytes();
        if is_option(bytes) {
            self.option(bytes);
        } else if self.options == 0 {
            self.asked_bytes += u32::try_from(line.len()).unwrap_or(u32::MAX);
        }
        let denies = [" not ", " NOT ", "EXCEPT", "except"];
        self.negations += u32::from(denies.iter().any(|word| line.contains(word)));
        let starts = |word: &str| bytes.starts_with(word.as_bytes());
        let is_code = ["def ", "class ", "import ", "from ", "return ", "fn ", "function "];
        self.code_words += u32::from(is_code.iter().any(|word| starts(word)));
        self.how_many += u32::from(line.contains("How ") || line.contains("how m"));
    }

    fn option(&mut self, line: &[u8]) {
        let bytes = u32::try_from(line.len()).unwrap_or(u32::MAX);
        let is_first = self.options == 0;
        self.options += 1;
        self.option_bytes += bytes;
        self.option_bytes_max = self.option_bytes_max.max(bytes);
        self.option_bytes_min = if is_first { bytes } else { self.option_bytes_min.min(bytes) };
        let digits = line.iter().filter(|byte| byte.is_ascii_digit()).count();
        self.option_digits += u32::try_from(digits).unwrap_or(u32::MAX);
    }

    /// Everything that was counted, for the trees. `different` words were found.
    pub(crate) fn all(&self, different: usize) -> [u32; COUNTS] {
        let words = self.words.max(1);
        let share = |count: u32| count.saturating_mul(100) / words;
        let different = u32::try_from(different).unwrap_or(u32::MAX);
        [
            self.bytes,
            self.words,
            self.lines,
            self.digits,
            self.numbers,
            self.capitals,
            self.questions,
            self.stops,
            self.commas,
            self.maths,
            self.backslashes,
            self.brackets,
            self.braces,
            self.quotes,
            self.fences,
            self.options,
            self.indented,
            self.code_words,
            self.how_many,
            self.foreign,
            self.underscores,
            self.long_words,
            share(self.word_bytes),
            share(self.long_words),
            share(self.capitals),
            share(different),
            self.negations,
            self.asked_bytes,
            self.option_bytes,
            self.option_bytes_max,
            self.option_bytes_min,
            self.option_digits,
        ]
    }

    /// What the pieces are made of, each on a scale of halved powers of two.
    fn scaled(&self) -> [u8; SINGLES] {
        let share = |count: u32| {
            // Hundredths of the words, so that long and short texts compare.
            log_scale(count.saturating_mul(100) / self.words.max(1))
        };
        [
            log_scale(self.bytes),
            log_scale(self.words),
            log_scale(self.lines),
            log_scale(self.digits),
            log_scale(self.numbers),
            share(self.capitals),
            log_scale(self.questions),
            log_scale(self.stops),
            log_scale(self.commas),
            log_scale(self.maths),
            log_scale(self.backslashes),
            log_scale(self.brackets),
            log_scale(self.braces),
            log_scale(self.quotes),
            log_scale(self.fences),
            log_scale(self.options),
            log_scale(self.indented + self.code_words),
            log_scale(self.how_many),
            log_scale(self.foreign),
        ]
    }

    /// Adds one piece for each count and for some pairs of counts.
    pub(crate) fn write(&self, pieces: &mut Vec<Piece>) {
        let scaled = self.scaled();
        let weight = 1.0 / f32::from(u8::try_from(SINGLES + PAIRS.len()).unwrap_or(u8::MAX)).sqrt();
        let mut add = |kind: u64, value: u64| {
            let hash = finish(step(step(0xc0, kind), value));
            let bucket = u32::try_from(hash >> (64 - BUCKET_BITS)).unwrap_or_default();
            pieces.push(Piece { bucket, weight });
        };
        for (kind, &value) in (0_u64..).zip(&scaled) {
            add(kind, u64::from(value));
        }
        for (kind, (one, other)) in (100_u64..).zip(PAIRS) {
            add(kind, u64::from(scaled[one]) << 8 | u64::from(scaled[other]));
        }
    }
}

/// `2 log2(1 + x)`, rounded down; exact up to the first steps.
fn log_scale(count: u32) -> u8 {
    let count = u64::from(count) + 1;
    let whole = count.ilog2();
    // Half a step where the square passes the next odd power of two.
    let half = u32::from(count * count >= 1_u64 << (2 * whole + 1));
    u8::try_from(2 * whole + half).unwrap_or(u8::MAX)
}

/// `A. …`, `B) …`, `(C) …`
fn is_option(line: &[u8]) -> bool {
    matches!(line, [b'(', b'A'..=b'J', b')', ..] | [b'A'..=b'J', b'.' | b')' | b':', b' ', ..])
}
