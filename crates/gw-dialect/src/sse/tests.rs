use gw_core::limits::STREAM_EVENT_BYTES_MAX;
use gw_core::{Kind, Result};
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::{SseFrame, SseFramer};

fn frames_of(pieces: &[&[u8]]) -> Vec<SseFrame> {
    let mut framer = SseFramer::default();
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece, &mut frames).expect("small");
    }
    framer.finish(&mut frames);
    frames
}

#[track_caller]
fn check(input: &str, expected: &[(&str, Option<&str>)]) {
    let frames = frames_of(&[input.as_bytes()]);
    let seen: Vec<_> = frames.iter().map(|f| (f.event.as_str(), f.data.as_deref())).collect();
    assert_eq!(seen, expected, "{input:?}");
    let raw: Vec<u8> = frames.iter().flat_map(|frame| frame.raw.to_vec()).collect();
    assert_eq!(raw, input.as_bytes(), "every byte is in exactly one frame");
}

#[test]
fn fields() {
    check("data: a\n\n", &[("", Some("a"))]);
    check("data:a\ndata:  b\n\n", &[("", Some("a\n b"))]);
    check("event: x\ndata: {}\n\ndata: y\n\n", &[("x", Some("{}")), ("", Some("y"))]);
    check("data\n\n", &[("", Some(""))]);
    check(": comment\n\n", &[("", None)]);
    check(": c\ndata: a\n\n", &[("", Some("a"))]);
    check("\u{feff}data: a\n\ndata: b\n\n", &[("", Some("a")), ("", Some("b"))]);
    check("datax: a\nretry: 5\n\n", &[("", None)]);
    check("event: a\nevent: b\ndata: c\n\n", &[("b", Some("c"))]);
}

#[test]
fn line_ends() {
    check("data: a\r\n\r\ndata: b\r\n\r\n", &[("", Some("a")), ("", Some("b"))]);
    check("data: a\r\rdata: b\r\r", &[("", Some("a")), ("", Some("b"))]);
    check("data: a\n\r\ndata: b\r\n\n", &[("", Some("a")), ("", Some("b"))]);
    check("data: a\r\n\n\r\n", &[("", Some("a")), ("", None)]);
}

#[test]
fn a_last_frame_without_blank_line_is_given() {
    check("data: a\n\ndata: b", &[("", Some("a")), ("", Some("b"))]);
    check("data: a\r\n\r", &[("", Some("a"))]);
    check("", &[]);
}

#[test]
fn ids_are_kept_unless_they_hold_nul() {
    let frames = frames_of(&[b"id: 7\nid: \0\ndata: a\n\n"]);
    assert_eq!(frames[0].id.as_deref(), Some("7"));
}

#[test]
fn a_frame_over_the_bound_is_refused_however_it_is_cut() {
    let big = vec![b'a'; STREAM_EVENT_BYTES_MAX + 1];
    let push = |piece_bytes: usize| -> (usize, Result<()>) {
        let mut framer = SseFramer::default();
        let mut frames = Vec::new();
        let mut body = b"data: x\n\n".to_vec();
        body.extend_from_slice(&big);
        for piece in body.chunks(piece_bytes) {
            if let Err(error) = framer.push(piece, &mut frames) {
                return (frames.len(), Err(error));
            }
        }
        (frames.len(), Ok(()))
    };
    for piece_bytes in [usize::MAX, 1 << 20] {
        let (count, outcome) = push(piece_bytes);
        assert_eq!(count, 1);
        assert_eq!(outcome.expect_err("too large").kind(), Kind::ProviderTooLarge);
    }
}

fn sse_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"data: ".to_vec()),
        Just(b":".to_vec()),
        Just(b"event: e".to_vec()),
        Just("é€😀".as_bytes().to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn frames_do_not_depend_on_cuts(body in sse_bytes()) {
        let whole = frames_of(&[&body]);
        for at in 0..=body.len() {
            prop_assert_eq!(&frames_of(&[&body[..at], &body[at..]]), &whole);
        }
        let single: Vec<&[u8]> = body.chunks(1).collect();
        prop_assert_eq!(&frames_of(&single), &whole);
        let raw: Vec<u8> = whole.iter().flat_map(|frame| frame.raw.to_vec()).collect();
        prop_assert_eq!(raw, body);
    }
}
