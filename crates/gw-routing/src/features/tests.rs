use gw_core::chat::{ChatRequest, Message, Part, ResponseFormat, Role, Source, Tool};
use gw_core::task::{Complexity, TaskType};
use proptest::prelude::{any, prop_assert, proptest};
use serde_json::json;

use super::{Features, Need, words};
use crate::prose::{Words, small};

fn of(text: &str) -> Features {
    Features::of(&ChatRequest {
        messages: vec![Message::text(Role::User, text)],
        ..ChatRequest::default()
    })
}

fn of_parts(parts: Vec<Part>) -> Features {
    Features::of(&ChatRequest {
        messages: vec![Message { role: Role::User, parts, name: None, extra: Default::default() }],
        ..ChatRequest::default()
    })
}

fn function(name: &str) -> Tool {
    Tool::Function {
        name: name.to_owned(),
        description: Some("does something".to_owned()),
        parameters: Some(json!({"type": "object", "properties": {"a": {"type": "string"}}})),
        strict: None,
        cache: None,
        extra: Default::default(),
    }
}

#[test]
fn complexity_reads_whole_words() {
    let fifty = vec!["word"; 50].join(" ");
    let check = |text: &str, expected: Complexity| {
        assert_eq!(of(text).complexity, expected, "{text:?}");
    };
    check("", Complexity::Low);
    check("hi", Complexity::Low);
    check("one two three four five", Complexity::Low);
    check("one two three four five six", Complexity::Medium);
    check("explain x", Complexity::High);
    check("Compare: a, b", Complexity::High);
    check("an important letter", Complexity::Low);
    check("is this variable an important letter to you", Complexity::Medium);
    check("let me know when the train leaves tonight", Complexity::Medium);
    check("a company of redesignated classics, constantly", Complexity::Medium);
    check("let x = 5;", Complexity::High);
    check("import os", Complexity::High);
    check("what does ```x``` do", Complexity::High);
    check("```\nx\n```", Complexity::High);
    check(&fifty, Complexity::Medium);
    check(&format!("{fifty} more"), Complexity::High);
    check("erkl\u{e4}re mir das", Complexity::High);
    check("gi\u{1ea3}i th\u{ed}ch x", Complexity::High);
    check("\u{89e3}\u{91ca}\u{4e00}\u{4e0b}", Complexity::High);
    check("\u{4f60}\u{597d}", Complexity::Low);
}

#[test]
fn the_task_is_read_from_the_words() {
    let check = |text: &str, expected: TaskType| assert_eq!(of(text).task, expected, "{text:?}");
    check("hi", TaskType::General);
    check("what is the capital of France", TaskType::General);
    check("my test at school was hard", TaskType::General);
    check("write a function that reverses a string in python", TaskType::Code);
    check("implement quicksort", TaskType::Code);
    check("please debug this: it crashes", TaskType::Debug);
    check("fix the bug in main.rs", TaskType::Debug);
    check("I get a TypeError, why?\n```js\nfoo()\n```", TaskType::Debug);
    check("refactor this class to be smaller", TaskType::Refactor);
    check("write unit tests for this module", TaskType::Test);
    check("test this\n```python\ndef f(): pass\n```", TaskType::Test);
    check("compare the pros and cons of trains and planes", TaskType::Analyze);
    check("explain the French revolution", TaskType::Analyze);
    check("prove that the square root of two is irrational", TaskType::Reasoning);
    check("solve the equation x^2 = 4", TaskType::Reasoning);
    check("create a new project with a REST API", TaskType::CreateProject);
    check("scaffold a react app", TaskType::CreateProject);
    check("```\nfn main() {}\n```", TaskType::Code);
    check("Schreibe Tests f\u{fc}r diese Funktion", TaskType::Test);
    check("\u{91cd}\u{6784}\u{8fd9}\u{6bb5}\u{4ee3}\u{7801}", TaskType::Refactor);
}

#[test]
fn tools_of_a_coding_agent_mean_code() {
    let mut request = ChatRequest {
        messages: vec![Message::text(Role::User, "go on")],
        tools: vec![function("Bash")],
        ..ChatRequest::default()
    };
    assert_eq!(Features::of(&request).task, TaskType::Code);
    request.tools = vec![function("get_weather")];
    assert_eq!(Features::of(&request).task, TaskType::General);
}

#[test]
fn only_the_last_thing_the_user_said_is_read() {
    let mut request = ChatRequest {
        messages: vec![
            Message::text(Role::System, "You explain passwords and write tests."),
            Message::text(Role::User, "refactor my code"),
            Message::text(Role::Assistant, "Done; explain more?"),
            Message::text(Role::User, "thanks"),
        ],
        ..ChatRequest::default()
    };
    let features = Features::of(&request);
    assert_eq!((features.task, features.complexity), (TaskType::General, Complexity::Low));
    assert!(!features.is_sensitive);
    assert_eq!(features.turns, 3);
    // A turn of tool results says nothing itself: the question before it still stands.
    request.messages.truncate(2);
    request.messages.push(Message {
        role: Role::Assistant,
        parts: vec![Part::ToolCall {
            id: "1".to_owned(),
            name: "read".to_owned(),
            arguments: "{}".to_owned(),
            cache: None,
        }],
        name: None,
        extra: Default::default(),
    });
    request.messages.push(Message {
        role: Role::User,
        parts: vec![Part::ToolResult {
            call_id: "1".to_owned(),
            parts: vec![Part::text("password=1")],
            is_error: false,
            cache: None,
        }],
        name: None,
        extra: Default::default(),
    });
    let features = Features::of(&request);
    assert_eq!(features.task, TaskType::Refactor);
    assert!(!features.is_sensitive);
    assert!(features.needs.tools);
}

#[test]
fn reminders_of_a_coding_client_are_not_the_users_words() {
    let reminder = "<system-reminder>Refuse work against security.</system-reminder>";
    assert!(!of_parts(vec![Part::text(reminder), Part::text("hi")]).is_sensitive);
    assert!(of_parts(vec![Part::text("reset my password")]).is_sensitive);
}

#[test]
fn words_of_security_make_a_request_sensitive() {
    for text in [
        "check the auth flow",
        "my PASSWORD",
        "check_password()",
        "OAuth2 login",
        "encrypt it",
        "mot de passe oubli\u{e9}",
        "\u{5bc6}\u{7801}",
    ] {
        assert!(of(text).is_sensitive, "{text:?}");
    }
    for text in ["the author wrote", "authentic food", "an authority", "secure a table", "hi"] {
        assert!(!of(text).is_sensitive, "{text:?}");
    }
}

#[test]
fn long_texts_are_read_at_both_ends() {
    let filling = "\u{e9}t\u{e9} ".repeat(100_000);
    assert!(of(&format!("check the password\n{filling}")).is_sensitive);
    assert_eq!(of(&format!("{filling}\nplease refactor this")).task, TaskType::Refactor);
    assert!(!of(&format!("{filling} password {filling}")).is_sensitive);
    let parts = vec![Part::text("refactor"), Part::text(filling), Part::text("the password")];
    let features = of_parts(parts);
    assert!(features.is_sensitive && features.task == TaskType::Refactor);
}

#[test]
fn needs_are_found_wherever_they_stand() {
    let image = || Part::Image {
        source: Source::Url { url: "https://example.com/a.png".to_owned() },
        detail: None,
        cache: None,
    };
    let document = |source| Part::Document {
        source,
        title: None,
        context: None,
        citations: false,
        cache: None,
    };
    let base64 = |media_type: &str| Source::Base64 {
        media_type: media_type.to_owned(),
        data: "AAAA".to_owned(),
    };
    let result = |part| Part::ToolResult {
        call_id: "1".to_owned(),
        parts: vec![part],
        is_error: false,
        cache: None,
    };
    let check = |part: Part, expected: &[Need]| {
        let found: Vec<Need> = of_parts(vec![part.clone()]).needs.list().collect();
        assert_eq!(found, expected, "{part:?}");
    };
    check(Part::text("hi"), &[]);
    check(image(), &[Need::Vision]);
    check(result(image()), &[Need::Vision, Need::Tools]);
    check(document(base64("application/pdf")), &[Need::Pdf]);
    check(document(base64("image/png")), &[Need::Vision]);
    check(document(base64("text/plain")), &[]);
    check(document(Source::File { id: "f".to_owned() }), &[Need::Pdf]);
    check(document(Source::Text { text: "x".to_owned() }), &[]);
    check(document(Source::Parts { parts: vec![image()] }), &[Need::Vision]);
    check(Part::Audio { data: "AAAA".to_owned(), format: "wav".to_owned() }, &[Need::Audio]);
    let mut request = ChatRequest {
        response_format: Some(ResponseFormat::JsonSchema {
            name: None,
            description: None,
            schema: json!({}),
            strict: None,
        }),
        ..ChatRequest::default()
    };
    assert!(Features::of(&request).needs.structured_output);
    request.response_format = Some(ResponseFormat::JsonObject);
    assert!(!Features::of(&request).needs.structured_output);
}

#[test]
fn sizes_stand_on_both_sides_of_the_truth() {
    // What the tokenizers cl100k_base and o200k_base make of these, the larger figure.
    for (text, times, real) in [
        ("The quick brown fox jumps over the lazy dog. ", 40, 401),
        ("for i in range(10):\n    print(i)\n", 40, 440),
        ("1234567890 ", 40, 200),
        ("<div class=\"a b\"><p>Hi</p></div>\n", 100, 1_400),
        ("Все люди рождаются свободными и равными в своем достоинстве и правах. ", 20, 701),
        (
            "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
            20,
            1_000,
        ),
        ("มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ", 20, 1_320),
        ("😀🚀👩\u{200d}💻🇩🇪", 40, 720),
    ] {
        let features = of(&text.repeat(times));
        let (likely, most) = (features.likely_input_tokens, features.input_tokens);
        assert!((real..=real * 3).contains(&most), "{text}: {most} for {real}");
        assert!((real / 2..=real * 2).contains(&likely), "{text}: {likely} for {real}");
    }
    let pdf = |bytes: usize| {
        of_parts(vec![Part::Document {
            source: Source::Base64 {
                media_type: "application/pdf".to_owned(),
                data: "A".repeat(bytes / 3 * 4),
            },
            title: None,
            context: None,
            citations: false,
            cache: None,
        }])
        .input_tokens
    };
    assert!((5_000..6_000).contains(&pdf(300)));
    assert!((250_000..260_000).contains(&pdf(1_000_000)));
}

#[test]
fn tools_and_schemas_count_with_their_json() {
    let none = Features::of(&ChatRequest::default()).input_tokens;
    let tools = vec![function("get_weather"); 10];
    let with = Features::of(&ChatRequest { tools, ..ChatRequest::default() });
    assert!(with.input_tokens > none + 800 + 10 * 40);
    assert!(with.needs.tools);
}

#[test]
fn the_word_lists_are_written_as_they_are_looked_up() {
    let lists =
        words::TASKS.iter().map(|(_, _, list)| *list).chain([words::HARD, words::SENSITIVE]);
    for phrase in lists.flatten() {
        assert!(Words::of(&small(phrase)).has(phrase), "{phrase:?} can never be found");
    }
}

proptest! {
    #[test]
    fn any_text_is_read(text in any::<String>()) {
        let features = of(&text);
        prop_assert!(features.input_tokens >= features.likely_input_tokens);
        let _ = crate::layer_in_message(&text);
    }

    #[test]
    fn a_longer_prompt_is_never_smaller(first in ".{0,200}", more in ".{0,200}") {
        let longer = of(&format!("{first}{more}"));
        prop_assert!(longer.input_tokens >= of(&first).input_tokens);
    }
}
