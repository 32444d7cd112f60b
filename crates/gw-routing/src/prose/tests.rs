use gw_core::Layer;

use super::{Split, Words, count_words, layer_in_message, small, words_of};

#[test]
fn a_message_asks_for_a_layer_in_plain_words_only() {
    let check = |text: &str, expected: Option<Layer>| {
        assert_eq!(layer_in_message(text), expected, "{text:?}");
    };
    check("use L2", Some(Layer::L2));
    check("Use layer L3 for this, please", Some(Layer::L3));
    check("answer WITH l1", Some(Layer::L1));
    check("run it on layer L0.", Some(Layer::L0));
    check("at L2: why is the sky blue", Some(Layer::L2));
    check("use L1, then use L3", Some(Layer::L1));
    check("hello", None);
    check("L2", None);
    check("use L4", None);
    check("because L2 is better", None);
    check("useL2", None);
    check("don't use L3", None);
    check("don\u{2019}t use L3", None);
    check("do not use layer L3", None);
    check("don't use L3, use L1", Some(Layer::L1));
    check("train with L2 regularization", None);
    check("train with L1/L2 regularisation", None);
    check("a miss on L2 cache", None);
    check("```\nuse L3\n```\nwhat does this do", None);
    check("~~~\nuse L3\n~~~", None);
    check("what does `use L3` mean", None);
    check("    use L3\nindented", None);
    check("it's a `tick, use L1", Some(Layer::L1));
    check("```js\nlet x\n```\nuse L1", Some(Layer::L1));
}

#[test]
fn fences_part_code_from_prose() {
    let split = Split::of("look:\n```rust\nlet x = 1;\n```\ndone\n");
    assert_eq!((split.prose.as_str(), split.code.as_str()), ("look:\ndone\n", "let x = 1;\n"));
    assert!(split.has_fence);
    let open = Split::of("a\n```\nnever closed");
    assert_eq!((open.prose.as_str(), open.code.as_str()), ("a\n", "never closed"));
    let inline = Split::of("a\n```x```\nb");
    assert_eq!(inline.prose, "a\nb");
    assert!(!Split::of("a ` b").has_fence);
}

#[test]
fn words_have_boundaries() {
    let text = small("Don\u{2019}t check_password, it's 'fine'");
    let words: Vec<&str> = words_of(&text).collect();
    assert_eq!(words, ["don't", "check", "password", "it's", "fine"]);
    let text = small("The Author of stack  trace analysis: \u{5206}\u{6790}\u{4ee3}\u{7801}");
    let words = Words::of(&text);
    assert!(!words.has("auth"));
    assert!(words.has("stack trace"));
    assert!(!words.has("trace stack"));
    assert!(words.has("\u{4ee3}\u{7801}"));
}

#[test]
fn scripts_without_spaces_have_words_too() {
    assert_eq!(count_words("one two  three\n"), 3);
    assert_eq!(count_words(""), 0);
    assert_eq!(count_words("\u{4f60}\u{597d}"), 1);
    assert_eq!(count_words(&"\u{5206}".repeat(120)), 60);
    assert_eq!(count_words("API \u{5206}\u{6790}"), 2);
}
