//! Forms (`multipart/form-data`, RFC 7578): what their parts are called, and one part's value written
//! anew while every other byte stays.

use bytes::Bytes;
use gw_core::{Error, Kind, Result};

/// Parts of one form.
const PARTS_MAX: usize = 256;

/// A part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// The name of its file, where it is one.
    pub file_name: Option<String>,
    /// Its content type, where it says one.
    pub content_type: Option<String>,
    /// Its bytes.
    pub bytes: Bytes,
    /// Where they begin in the body.
    start: usize,
}

impl Part {
    /// Its value as text; empty where it is none.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).map(str::trim).unwrap_or_default()
    }
}

/// The boundary that a content type of a form names.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_boundary = name.trim().eq_ignore_ascii_case("boundary");
        let value = value.trim().trim_matches('"');
        (is_boundary && (1..=200).contains(&value.len())).then_some(value)
    })
}

/// The parts of a form.
///
/// # Errors
/// [`Kind::InvalidRequest`] for a body that is not cut as its content type says.
pub fn parts(content_type: &str, body: &Bytes) -> Result<Vec<Part>> {
    let wrong = |text: &str| Error::new(Kind::InvalidRequest, format!("the form {text}"));
    let boundary = boundary(content_type).ok_or_else(|| {
        Error::new(Kind::UnsupportedMediaType, "a form is wanted, with the boundary of its parts")
            .with_field("Content-Type")
            .with_hint("send multipart/form-data; boundary=...")
    })?;
    let mark = format!("--{boundary}").into_bytes();
    let mut at = find(body, &mark, 0).ok_or_else(|| wrong("does not hold its own boundary"))?;
    let mut found = Vec::new();
    loop {
        at += mark.len();
        if body[at..].starts_with(b"--") {
            return Ok(found);
        }
        let line_end = find(body, b"\r\n", at).ok_or_else(|| wrong("ends too early"))?;
        let head_start = line_end + 2;
        // A part without headers begins with the empty line itself.
        let head_end = if body[head_start..].starts_with(b"\r\n") {
            head_start
        } else {
            find(body, b"\r\n\r\n", head_start).ok_or_else(|| wrong("ends too early"))? + 2
        };
        let start = head_end + 2;
        let (end, next) = next_mark(body, &mark, start).ok_or_else(|| wrong("ends too early"))?;
        if found.len() >= PARTS_MAX {
            return Err(wrong(&format!("has more than {PARTS_MAX} parts")));
        }
        found.push(part(&body[head_start..head_end], body.slice(start..end), start));
        at = next;
    }
}

/// Where a part ends, before the line break that belongs to the next mark, and where that mark begins.
fn next_mark(body: &[u8], mark: &[u8], start: usize) -> Option<(usize, usize)> {
    let mut from = start.checked_sub(2)?;
    loop {
        let end = find(body, b"\r\n--", from)?;
        if body[end + 2..].starts_with(mark) {
            return Some((end.max(start), end + 2));
        }
        from = end + 2;
    }
}

fn part(head: &[u8], bytes: Bytes, start: usize) -> Part {
    let head = String::from_utf8_lossy(head);
    let header = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    let disposition = header("content-disposition").unwrap_or_default();
    let parameter = |wanted: &str| {
        disposition.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let value = value.trim().trim_matches('"').replace("%22", "\"");
            name.trim().eq_ignore_ascii_case(wanted).then_some(value)
        })
    };
    Part {
        name: parameter("name").unwrap_or_default(),
        file_name: parameter("filename"),
        content_type: header("content-type"),
        bytes,
        start,
    }
}

/// The form with the value of every part of a name written anew.
///
/// # Errors
/// Those of [`parts`].
pub fn with_value(content_type: &str, body: &Bytes, name: &str, value: &str) -> Result<Bytes> {
    let mut whole = Vec::with_capacity(body.len() + value.len());
    let mut copied = 0;
    for part in parts(content_type, body)?.iter().filter(|part| part.name == name) {
        whole.extend_from_slice(&body[copied..part.start]);
        whole.extend_from_slice(value.as_bytes());
        copied = part.start + part.bytes.len();
    }
    whole.extend_from_slice(&body[copied..]);
    Ok(Bytes::from(whole))
}

fn find(body: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let rest = body.get(from..)?;
    let first = *wanted.first()?;
    let mut at = 0;
    while let Some(step) = rest[at..].iter().position(|byte| *byte == first) {
        at += step;
        if rest[at..].starts_with(wanted) {
            return Some(from + at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{boundary, parts, with_value};

    const TYPE: &str = "multipart/form-data; boundary=\"b-1\"";

    #[test]
    fn parts_and_their_heads_are_read() {
        let body = Bytes::from_static(
            b"--b-1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
              --b-1\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a b.wav\"\r\n\
              Content-Type: audio/wav\r\n\r\nRIFF\r\n--b-2\r\n\r\n--b-1--\r\n",
        );
        let found = parts(TYPE, &body).expect("a form");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].text()), ("model", "whisper-1"));
        assert_eq!(found[1].file_name.as_deref(), Some("a b.wav"));
        assert_eq!(found[1].content_type.as_deref(), Some("audio/wav"));
        assert_eq!(&found[1].bytes[..], b"RIFF\r\n--b-2\r\n");
        let renamed = with_value(TYPE, &body, "model", "x").expect("a form");
        let again = parts(TYPE, &renamed).expect("a form");
        assert_eq!((again[0].text(), &again[1].bytes), ("x", &found[1].bytes));
    }

    #[test]
    fn what_is_no_form_is_refused() {
        assert_eq!(boundary("application/json"), None);
        assert_eq!(boundary("multipart/form-data; boundary="), None);
        for body in ["", "--b-1", "--b-1\r\n", "--b-1\r\nx: y\r\n\r\nno end", "--b-2--"] {
            assert!(parts(TYPE, &Bytes::from_static(body.as_bytes())).is_err(), "{body:?}");
        }
    }

    proptest! {
        /// Any bytes: an answer, never a panic; and what was put in comes out.
        #[test]
        fn nothing_is_lost(bytes in any::<Vec<u8>>(), model in "[a-z]{0,9}") {
            let _ = parts(TYPE, &Bytes::from(bytes.clone()));
            let mut body = format!(
                "--b-1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n\
                 --b-1\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n",
            ).into_bytes();
            body.extend_from_slice(&bytes);
            body.extend_from_slice(b"\r\n--b-1--");
            let held = bytes.windows(7).any(|it| it == b"\r\n--b-1") || bytes.starts_with(b"--b-1");
            if !held {
                let found = parts(TYPE, &Bytes::from(body)).expect("a form");
                prop_assert_eq!(found[0].text(), model);
                prop_assert_eq!(&found[1].bytes[..], &bytes[..]);
            }
        }
    }
}
