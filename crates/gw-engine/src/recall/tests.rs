use gw_core::chat::{Message, Part, Role};

use super::coherent;

fn user(text: &str) -> Message {
    Message::text(Role::User, text)
}

fn model(text: &str) -> Message {
    Message::text(Role::Assistant, text)
}

fn calls(id: &str) -> Message {
    let part =
        Part::ToolCall { id: id.into(), name: "look".into(), arguments: "{}".into(), cache: None };
    Message { parts: vec![part], ..model("") }
}

fn answers(id: &str) -> Message {
    let part = Part::ToolResult {
        call_id: id.into(),
        parts: vec![Part::text("42")],
        is_error: false,
        cache: None,
    };
    Message { parts: vec![part], ..user("") }
}

#[test]
fn whole_turns_stay_as_they_are() {
    let turns = vec![user("a"), calls("1"), answers("1"), model("b")];
    assert_eq!(coherent(turns.clone(), &[user("c")]), turns);
}

#[test]
fn a_result_whose_call_is_before_the_window_goes() {
    let turns = vec![answers("1"), model("b"), user("c"), model("d")];
    assert_eq!(coherent(turns, &[user("e")]), vec![user("c"), model("d")]);
}

#[test]
fn a_call_at_the_edge_of_the_window_goes_with_its_result() {
    let turns = vec![calls("1"), answers("1"), model("b"), user("c"), model("d")];
    assert_eq!(coherent(turns, &[user("e")]), vec![user("c"), model("d")]);
}

#[test]
fn a_call_that_is_answered_now_stays() {
    let turns = vec![user("a"), calls("1")];
    assert_eq!(coherent(turns.clone(), &[answers("1")]), turns);
}

#[test]
fn a_call_that_nobody_answered_goes() {
    let turns = vec![user("a"), calls("1")];
    assert_eq!(coherent(turns, &[user("never mind")]), vec![user("a")]);
}
