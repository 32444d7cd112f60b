//! How much an operation uses, reckoned before it is sent: the most, and what is likely.
//!
//! Money is held for the most. A byte of text is a token at most in every vocabulary known; the other
//! bounds are those of usual recordings and pictures, and what is billed is what providers report.

use gw_core::Usage;
use gw_core::operation::{EmbedInput, EmbedRequest, RerankRequest};

/// Tokens to which rerankers cut a document; each piece counts as a document (Cohere, pricing).
const RERANK_PIECE_TOKENS: u64 = 500;

/// Documents in one search unit (Cohere, pricing).
const DOCUMENTS_PER_SEARCH: u64 = 100;

/// Tokens of a picture or a page that a vector is made of, at most and usually.
const MEDIA_TOKENS_MOST: u64 = 8_192;
const MEDIA_TOKENS_USUAL: u64 = 300;

/// Bytes of a second of sound: 16 kbit/s, which few recordings go below, and 128 kbit/s.
const SOUND_BYTES_PER_SECOND_LEAST: u64 = 2_000;
const SOUND_BYTES_PER_SECOND_USUAL: u64 = 16_000;

/// Tokens of a second of sound heard, rounded up (OpenAI: about 10).
const HEARD_TOKENS_PER_SECOND: u64 = 12;

/// Tokens of a picture at the best quality and size, and at the usual one (OpenAI, image generation
/// guide: 6,240 and 1,056).
const PICTURE_TOKENS_MOST: u64 = 8_000;
const PICTURE_TOKENS_USUAL: u64 = 1_056;

/// The most, and the likely.
pub(super) type Sizes = (Usage, Usage);

/// Tokens that a text will probably be: four letters of ASCII each, other letters one each.
pub(super) fn likely_tokens(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
    let others = text.chars().filter(|letter| !letter.is_ascii()).count() as u64;
    ascii.div_ceil(4).saturating_add(others)
}

pub(super) fn embed(request: &EmbedRequest) -> Sizes {
    let sum = |each: &dyn Fn(&EmbedInput) -> u64| {
        request.inputs.iter().map(each).fold(0, u64::saturating_add)
    };
    let most = sum(&|input| match input {
        // Models put a mark before and after.
        EmbedInput::Text(text) => (text.len() as u64).saturating_add(4),
        EmbedInput::Tokens(tokens) => tokens.len() as u64 + 4,
        EmbedInput::Media => MEDIA_TOKENS_MOST,
    });
    let likely = sum(&|input| match input {
        EmbedInput::Text(text) => likely_tokens(text),
        EmbedInput::Tokens(tokens) => tokens.len() as u64,
        EmbedInput::Media => MEDIA_TOKENS_USUAL,
    });
    (Usage { input: most, ..Usage::default() }, Usage { input: likely, ..Usage::default() })
}

pub(super) fn rerank(request: &RerankRequest) -> Sizes {
    let of = |tokens: &dyn Fn(&str) -> u64| {
        let query = tokens(&request.query);
        let each = |document: &String| query.saturating_add(tokens(document));
        let input = request.documents.iter().map(each).fold(0, u64::saturating_add);
        let pieces = request.documents.iter().map(|it| each(it).div_ceil(RERANK_PIECE_TOKENS));
        let pieces = pieces.fold(0, u64::saturating_add);
        let rerank_search = pieces.div_ceil(DOCUMENTS_PER_SEARCH).max(1);
        Usage { input, rerank_search, ..Usage::default() }
    };
    (of(&|text| text.len() as u64 + 4), of(&likely_tokens))
}

pub(super) fn moderation(text_bytes: usize, pictures: u64) -> Sizes {
    let input = text_bytes as u64;
    let most = Usage { input, input_image: pictures.saturating_mul(2_000), ..Usage::default() };
    (most, Usage { input: input.div_ceil(4), ..Usage::default() })
}

pub(super) fn pictures(prompt: &str, wanted: u64, given: u64) -> Sizes {
    let of = |each: u64, input: u64| Usage {
        input,
        input_image: given.saturating_mul(each),
        output_image: wanted.saturating_mul(each),
        image: wanted,
        ..Usage::default()
    };
    let most = of(PICTURE_TOKENS_MOST, prompt.len() as u64 + 64);
    (most, of(PICTURE_TOKENS_USUAL, likely_tokens(prompt)))
}

pub(super) fn speech(text: &str) -> Sizes {
    let character = text.chars().count() as u64;
    // OpenAI: about 21 tokens a second, in which some 15 letters are said; other scripts say more
    // with a letter.
    let spoken = |per_letter: u64| character.saturating_mul(per_letter) / 2;
    let most = Usage {
        input: text.len() as u64,
        output_audio: spoken(20).saturating_add(200),
        character,
        ..Usage::default()
    };
    let likely = Usage {
        input: likely_tokens(text),
        output_audio: spoken(3),
        character,
        ..Usage::default()
    };
    (most, likely)
}

pub(super) fn sound(file: &[u8]) -> Sizes {
    let bytes = file.len() as u64;
    let exact = wave_seconds(file);
    let of = |seconds: u64, words: u64| Usage {
        second: seconds,
        input_audio: seconds.saturating_mul(HEARD_TOKENS_PER_SECOND),
        output: seconds.saturating_mul(words),
        ..Usage::default()
    };
    let most = exact.unwrap_or_else(|| bytes.div_ceil(SOUND_BYTES_PER_SECOND_LEAST));
    let likely = exact.unwrap_or_else(|| bytes.div_ceil(SOUND_BYTES_PER_SECOND_USUAL));
    (of(most.max(1), 10), of(likely.max(1), 4))
}

/// Seconds of a WAVE file of plain samples, rounded up: its size by its bytes a second.
fn wave_seconds(file: &[u8]) -> Option<u64> {
    let is_wave = file.starts_with(b"RIFF") && file.get(8..16)? == b"WAVEfmt ";
    let is_plain = file.get(20..22)? == [1, 0];
    let rate = u32::from_le_bytes(file.get(28..32)?.try_into().ok()?);
    let is_usual = (8_000..=1_536_000).contains(&rate);
    (is_wave && is_plain && is_usual).then(|| (file.len() as u64).div_ceil(u64::from(rate)))
}

#[cfg(test)]
mod tests {
    use gw_core::operation::{EmbedInput, EmbedRequest, RerankRequest};
    use proptest::prelude::{any, prop_assert, proptest};

    use super::{embed, rerank, sound, speech};

    #[test]
    fn search_units_are_hundreds_of_documents() {
        let units = |documents: usize, letters: usize| {
            let documents = vec!["x".repeat(letters); documents];
            let request = RerankRequest { query: "q".into(), documents, ..Default::default() };
            let (most, likely) = rerank(&request);
            (most.rerank_search, likely.rerank_search)
        };
        assert_eq!(units(3, 10), (1, 1));
        assert_eq!(units(100, 100), (1, 1));
        assert_eq!(units(101, 100), (2, 2));
        // Long documents are cut, and each piece counts.
        assert_eq!(units(100, 1_000), (3, 1));
    }

    #[test]
    fn a_wave_file_is_as_long_as_its_samples() {
        let mut wave = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wave.extend_from_slice(&16_000_u32.to_le_bytes());
        wave.extend_from_slice(&32_000_u32.to_le_bytes());
        wave.resize(64_000, 0);
        let (most, likely) = sound(&wave);
        assert_eq!((most.second, likely.second), (2, 2));
        assert!(sound(b"ID3").0.second == 1);
    }

    proptest! {
        /// What is likely is never more than the most.
        #[test]
        fn the_most_is_the_most(text in any::<String>(), more in any::<String>()) {
            let inputs = vec![EmbedInput::Text(text.clone()), EmbedInput::Text(more.clone())];
            let (most, likely) = embed(&EmbedRequest { inputs, ..Default::default() });
            prop_assert!(likely.input <= most.input);
            let (most, likely) = speech(&text);
            prop_assert!(likely.input <= most.input && likely.output_audio <= most.output_audio);
            let documents = vec![text, more];
            let (most, likely) =
                rerank(&RerankRequest { query: "q".into(), documents, ..Default::default() });
            prop_assert!(likely.input <= most.input && likely.rerank_search <= most.rerank_search);
        }
    }
}
