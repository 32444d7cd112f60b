//! Pictures, which the format holds as bare base64: their kind is told by their first bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The kind of a picture; JPEG where its first bytes tell nothing.
pub(super) fn media_type(data: &str) -> &'static str {
    // 16 characters are 12 bytes, enough for every mark.
    let start = data.get(..16).and_then(|start| STANDARD.decode(start).ok()).unwrap_or_default();
    match start.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => "image/webp",
        [b'B', b'M', ..] => "image/bmp",
        _ => "image/jpeg",
    }
}
