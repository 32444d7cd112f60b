use gw_core::chat::{ChatRequest, Message, Role};

use super::{model_identity, opening_of, said, thread_of};

fn request(turns: &[(Role, &str)]) -> ChatRequest {
    let messages = turns.iter().map(|(role, text)| Message::text(*role, *text)).collect();
    ChatRequest { messages, ..ChatRequest::default() }
}

#[test]
fn names_of_data_and_of_catalogues_meet() {
    for (data, catalogue) in [
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "Mixtral-8x7B-Instruct-v0.1"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("claude-3-haiku-20240307", "anthropic/claude-3-haiku"),
        ("Llama-3.1-405B-Inst-fp8@together", "Llama-3.1-405B-Inst-fp8"),
    ] {
        assert_eq!(model_identity(data), model_identity(catalogue));
    }
}

#[test]
fn the_last_thing_a_user_said_is_the_prompt() {
    let turns = [
        (Role::System, "be brief"),
        (Role::User, "first"),
        (Role::Assistant, "answer"),
        (Role::User, "second"),
        (Role::User, " "),
    ];
    assert_eq!(said(&request(&turns)), "second");
    assert_eq!(said(&request(&[])), "");
}

#[test]
fn a_conversation_is_known_by_its_beginning() {
    let begun = request(&[(Role::User, "first")]);
    let on = request(&[(Role::User, "first"), (Role::Assistant, "a"), (Role::User, "b")]);
    assert_eq!(thread_of(&begun, "key"), None);
    assert_eq!(thread_of(&on, "key"), Some(opening_of(&begun, "key")));
    assert_ne!(thread_of(&on, "key"), thread_of(&on, "other"));
}
