use super::{PIECES_MAX, Signals, TaskClass};

#[test]
fn the_same_text_gives_the_same_pieces_in_reused_buffers() {
    let mut reused = Signals::of("something else entirely, 42", None);
    reused.read("What is the capital of France?", None);
    let fresh = Signals::of("What is the capital of France?", None);
    assert_eq!(reused.pieces, fresh.pieces);
    assert_eq!(reused.words, fresh.words);
    assert_eq!(fresh.class, TaskClass::Question);
}
