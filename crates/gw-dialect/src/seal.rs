//! Whose a sealed thought is, and signatures that ride on the ids of tool calls.
//!
//! A signature is worth something to the provider that made it and is refused by all others. Formats
//! whose thoughts go through clients of other formats mark them with their name; an encoder leaves
//! out what another format marked. What bears no mark is taken for the encoder's own.
//!
//! Google signs tool calls, and refuses them back without the signature. The one field of a call that
//! every client of every format returns unchanged is its id, so the signature is appended to it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gw_core::seam::DialectId;

/// Formats that mark their seals.
const MARKING: [DialectId; 2] = [DialectId::Gemini, DialectId::OpenAiResponses];

/// Between an id and a signature that was standard base64: its bytes follow.
const BYTES: &str = "__gsig_";

/// Between an id and a signature that was some other text: the text's bytes follow.
const TEXT: &str = "__gsigt_";

/// A signature or sealed thought under the name of its format.
pub(crate) fn mark(maker: DialectId, seal: &str) -> String {
    format!("{maker}:{seal}")
}

/// What the format sealed, where it is its own.
pub(crate) fn own(maker: DialectId, marked: &str) -> Option<&str> {
    marked.strip_prefix(maker.as_str())?.strip_prefix(':')
}

/// True where another format marked it as its own: `reader` cannot use it.
pub(crate) fn is_foreign(reader: DialectId, marked: &str) -> bool {
    MARKING.iter().any(|maker| *maker != reader && own(*maker, marked).is_some())
}

/// The id of a call with its signature, in the alphabet that ids of every format keep to.
pub(crate) fn sign_call_id(id: &str, signature: &str) -> String {
    let bytes = STANDARD.decode(signature).ok().filter(|it| STANDARD.encode(it) == signature);
    match bytes {
        Some(bytes) => format!("{id}{BYTES}{}", URL_SAFE_NO_PAD.encode(bytes)),
        None => format!("{id}{TEXT}{}", URL_SAFE_NO_PAD.encode(signature)),
    }
}

/// The id of a call as its provider or client chose it, and the signature that rode on it.
pub(crate) fn split_call_id(id: &str) -> (&str, Option<String>) {
    if let Some((bare, code)) = id.split_once(BYTES)
        && let Ok(bytes) = URL_SAFE_NO_PAD.decode(code)
    {
        return (bare, Some(STANDARD.encode(bytes)));
    }
    if let Some((bare, code)) = id.split_once(TEXT)
        && let Some(text) =
            URL_SAFE_NO_PAD.decode(code).ok().and_then(|it| String::from_utf8(it).ok())
    {
        return (bare, Some(text));
    }
    (id, None)
}

/// The id without a signature, for providers that bound its length.
pub(crate) fn bare_call_id(id: &str) -> &str {
    split_call_id(id).0
}

#[cfg(test)]
mod tests {
    use gw_core::seam::DialectId;

    use super::{bare_call_id, is_foreign, mark, own, sign_call_id, split_call_id};

    #[test]
    fn a_signature_rides_on_an_id_and_comes_back() {
        for signature in ["CiQBEU0y+/A=", "skip_thought_signature_validator", "é", "", "AAA"] {
            let id = sign_call_id("call_1", signature);
            assert!(id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-'));
            assert_eq!(split_call_id(&id), ("call_1", Some(signature.to_owned())));
            assert_eq!(bare_call_id(&id), "call_1");
        }
        assert_eq!(split_call_id("toolu_1"), ("toolu_1", None));
        assert_eq!(split_call_id("a__gsig_%"), ("a__gsig_%", None));
    }

    #[test]
    fn a_mark_names_the_maker() {
        let marked = mark(DialectId::Gemini, "x:y");
        assert_eq!(own(DialectId::Gemini, &marked), Some("x:y"));
        assert!(is_foreign(DialectId::AnthropicMessages, &marked));
        assert!(!is_foreign(DialectId::Gemini, &marked));
        assert!(!is_foreign(DialectId::Gemini, "ErUB"));
    }
}
