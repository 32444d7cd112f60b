use super::{BUCKETS, PIECES_MAX, Signals, TaskClass, WORDS_MAX};

#[test]
fn the_same_text_gives_the_same_pieces_in_reused_buffers() {
    let mut reused = Signals::of("something else entirely, 42", None);
    reused.read("What is the capital of France?", None);
    let fresh = Signals::of("What is the capital of France?", None);
    assert_eq!(reused.pieces, fresh.pieces);
    assert_eq!(reused.words, fresh.words);
    assert_eq!(fresh.class, TaskClass::Question);
}

#[test]
fn a_huge_request_is_read_within_bounds() {
    for text in ["word ".repeat(20_000), "é".repeat(30_000), "a1+".repeat(30_000), String::new()] {
        let signals = Signals::of(&text, None);
        assert!(signals.pieces.len() <= PIECES_MAX);
        assert!(signals.words.len() <= WORDS_MAX);
        assert!(signals.pieces.iter().all(|piece| (piece.bucket as usize) < BUCKETS));
        assert!(signals.pieces.iter().all(|piece| piece.weight.is_finite()));
    }
}

#[test]
fn kinds_of_work_are_told_apart_by_what_can_be_counted() {
    for (text, wanted) in [
        ("What is it?\nA. one\nB. two\nC. three", TaskClass::Choice),
        ("def f(x):\n    return x\n\nimport os\nfix this", TaskClass::Code),
        ("Ann has 3 apples and buys 4 more. How many?", TaskClass::Maths),
        ("Find $\\frac{1}{2} + \\sqrt{x}$.", TaskClass::Notation),
        ("Who wrote Hamlet?", TaskClass::Question),
    ] {
        assert_eq!(Signals::of(text, None).class, wanted, "{text}");
    }
}
