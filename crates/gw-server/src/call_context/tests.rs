use gw_core::principal::Principal;
use gw_core::task::{Quality, TaskType};
use gw_core::{Kind, Layer};
use gw_engine::{CallContext, Door, Recall};
use http::{HeaderMap, HeaderName, HeaderValue};

fn read(door: Door, pairs: &[(&str, &str)]) -> Result<CallContext, gw_core::Error> {
    let headers: HeaderMap = pairs
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        })
        .collect();
    super::read(&headers, door, &Principal::default())
}

#[test]
fn steering_headers_are_read() {
    let context = read(
        Door::OpenAiChat,
        &[
            ("x-gateway-quality", "high"),
            ("x-gateway-layer", "l1"),
            ("x-gateway-max-layer", "L2"),
            ("x-gateway-task", "code"),
            ("x-gateway-budget-zero", "true"),
        ],
    )
    .expect("well formed");
    assert_eq!(context.quality, Some(Quality::High));
    assert_eq!(context.preferred_layer, Some(Layer::L1));
    assert_eq!(context.max_layer, Some(Layer::L2));
    assert_eq!(context.task, Some(TaskType::Code));
    assert!(context.is_free_only);
}

#[test]
fn a_wrong_word_names_its_header() {
    for (name, value) in [
        ("x-gateway-quality", "superb"),
        ("x-gateway-layer", "L4"),
        ("x-gateway-max-layer", "high"),
        ("x-gateway-task", "poetry"),
        ("x-gateway-budget-zero", "maybe"),
        ("x-gateway-metadata", "[1]"),
        ("x-gateway-metadata", "{\"a\":{}}"),
        ("x-gateway-conversation-id", "größe"),
        ("x-gateway-recall", "all"),
        ("x-gateway-recall", "history"),
    ] {
        let error = read(Door::OpenAiChat, &[(name, value)]).expect_err(name);
        assert_eq!(error.kind(), Kind::InvalidRequest, "{name}");
        assert_eq!(error.field(), Some(name));
    }
    let long = "x".repeat(257);
    assert!(read(Door::OpenAiChat, &[("x-conversation-id", &long)]).is_err());
}

#[test]
fn a_named_conversation_goes_before_a_session() {
    let id = |pairs: &[(&str, &str)]| {
        let context = read(Door::AnthropicMessages, pairs).expect("well formed");
        (
            context.conversation.map(|conversation| conversation.id.as_str().to_owned()),
            context.metadata.get("session_id").and_then(|id| id.as_str()).map(str::to_owned),
        )
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(id(&[]), (None, None));
    assert_eq!(id(&[("x-conversation-id", "c")]), (some("c"), None));
    assert_eq!(id(&[("X-Claude-Code-Session-Id", "s")]), (some("s"), some("s")));
    assert_eq!(
        id(&[("session-id", "s"), ("x-gateway-conversation-id", "c")]),
        (some("c"), some("s"))
    );
    assert_eq!(id(&[("x-session-id", &"s".repeat(300))]), (None, None));
}

#[test]
fn only_the_dialects_own_betas_are_forwarded() {
    let pairs = [
        ("anthropic-beta", "a,b"),
        ("anthropic-version", "2023-06-01"),
        ("openai-beta", "x"),
        ("openai-organization", "org"),
        ("authorization", "Bearer k"),
        ("x-api-key", "k"),
        ("cookie", "c"),
    ];
    let names = |door| -> Vec<String> {
        let context = read(door, &pairs).expect("well formed");
        context.forward_headers.keys().map(|name| name.as_str().to_owned()).collect()
    };
    assert_eq!(names(Door::AnthropicMessages), ["anthropic-beta", "anthropic-version"]);
    assert_eq!(names(Door::OpenAiChat), ["openai-beta"]);
    assert!(names(Door::Route).is_empty());
}

#[test]
fn metadata_is_kept_within_bounds() {
    let context = read(Door::OpenAiChat, &[("x-gateway-metadata", "{\"team\":\"a\",\"n\":1}")]);
    assert_eq!(context.expect("well formed").metadata["team"], "a");
    let many: Vec<String> = (0..17).map(|at| format!("\"k{at}\":1")).collect();
    let many = format!("{{{}}}", many.join(","));
    assert!(read(Door::OpenAiChat, &[("x-gateway-metadata", &many)]).is_err());
}

#[test]
fn history_is_recalled_where_it_is_asked_for() {
    let named = ("x-gateway-conversation-id", "c1");
    let recall =
        |pairs: &[(&str, &str)]| read(Door::OpenAiChat, pairs).expect("well formed").recall;
    assert_eq!(recall(&[named]), Recall::Nothing);
    assert_eq!(recall(&[named, ("x-gateway-recall", "nothing")]), Recall::Nothing);
    assert_eq!(recall(&[named, ("x-gateway-recall", "history")]), Recall::History);
}

#[test]
fn sessions_and_tags_in_bodies_are_found() {
    use gw_core::chat::{ChatRequest, Extra};
    use serde_json::json;
    let found = |request: &ChatRequest, pairs: &[(&str, &str)]| {
        let mut context = read(Door::OpenAiChat, pairs).expect("well formed");
        super::read_body(request, &Principal::default(), &mut context);
        context.conversation.map(|conversation| conversation.id.as_str().to_owned())
    };
    let of_user =
        |user: &str| ChatRequest { user: Some(user.to_owned()), ..ChatRequest::default() };
    let some = |text: &str| Some(text.to_owned());
    let claude = of_user(r#"{"device_id":"d","account_uuid":"","session_id":"s-1"}"#);
    assert_eq!(found(&claude, &[]), some("s-1"));
    assert_eq!(found(&claude, &[("x-session-id", "h")]), some("h"));
    assert_eq!(found(&of_user("user_ab_account__session_s-2"), &[]), some("s-2"));
    assert_eq!(found(&of_user("ada"), &[]), None);
    assert_eq!(found(&of_user("{"), &[]), None);
    let map = |value: serde_json::Value| value.as_object().cloned().unwrap_or_default();
    let litellm = ChatRequest {
        extra: Extra {
            dialect: Some(gw_core::seam::DialectId::OpenAiChat),
            fields: map(json!({"litellm_session_id": "s-3"})),
        },
        metadata: map(json!({"tags": ["a", "b"]})),
        ..ChatRequest::default()
    };
    assert_eq!(found(&litellm, &[]), some("s-3"));
    let mut context = CallContext::default();
    super::read_body(&litellm, &Principal::default(), &mut context);
    assert_eq!(context.metadata["tags"], "a,b");
    let context = read(Door::OpenAiChat, &[("x-litellm-tags", "c"), ("x-litellm-session-id", "s")]);
    let context = context.expect("well formed");
    assert_eq!(context.metadata["tags"], "c");
    assert_eq!(context.conversation.map(|it| it.id.as_str().to_owned()), some("s"));
}
