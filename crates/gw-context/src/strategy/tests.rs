use gw_core::chat::{Message, Part, Role};
use proptest::prelude::{ProptestConfig, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::{Known, Options, Strategy, compose, shorten};
use crate::summary::Summary;
use crate::worth::Prices;
use crate::{tokens, units};

fn talk(turns: usize) -> Vec<Message> {
    (0..turns)
        .map(|at| {
            let role = if at % 2 == 0 { Role::User } else { Role::Assistant };
            Message::text(role, format!("This is turn {at} of our long and quiet talk about rain."))
        })
        .collect()
}

fn known<'a>(summary: Option<&'a Summary>, turns: &'a [Message]) -> Known<'a> {
    Known { summary, turns, older: &[], new: &[], room: None, prices: None }
}

#[test]
fn fifty_messages_are_sent_whole_and_fifty_one_are_not() {
    let options = Options::default();
    let fifty = compose(&known(None, &talk(50)), &options);
    assert_eq!((fifty.messages.len(), fifty.absorbed), (50, 0));
    let more = compose(&known(None, &talk(51)), &options);
    assert_eq!((more.messages.len(), more.absorbed), (1 + 11, 40), "the user's turn comes first");
    assert_eq!(more.messages[0].role, Role::System);
    assert_eq!(more.messages[1..], talk(51)[40..]);
}

#[test]
fn a_summary_stays_for_as_many_turns_as_it_is_meant_to() {
    let options = Options::default();
    let first = compose(&known(None, &talk(51)), &options);
    let summary = first.summary.expect("made");
    let all = talk(51 + options.refresh_every + 1);
    for turns in 51..51 + options.refresh_every {
        let later = compose(&known(Some(&summary), &all[40..turns]), &options);
        assert_eq!(later.absorbed, 0, "at {turns}");
        assert_eq!(later.messages[..12], first.messages[..12], "the prefix is not the same");
    }
    let moved = compose(&known(Some(&summary), &all[40..]), &options);
    assert!(moved.absorbed > 0);
}

#[test]
fn a_full_window_is_reason_enough_and_a_dear_change_is_none() {
    let turns = talk(30);
    let options = Options::default();
    let used = tokens::of_messages(&turns);
    let over = Known { room: Some(used / 2), ..known(None, &turns) };
    assert_eq!(compose(&over, &options).absorbed, 20);
    let many = talk(51);
    let prices = Prices { input: 100, cache_read: 1, cache_write: 125 };
    let dear = Known { prices: Some(prices), ..known(None, &many) };
    assert_eq!(compose(&dear, &options).absorbed, 0);
}

#[test]
fn spans_bring_back_what_the_question_is_about() {
    let mut turns = talk(80);
    turns[7] =
        Message::text(Role::Assistant, "The vault of the bank in Lyon opens with code 4711.");
    let new = [Message::text(Role::User, "How did we open the vault of the bank?")];
    let options = Options { strategy: Strategy::SpanRetrieval, ..Options::default() };
    let found = compose(&Known { new: &new, ..known(None, &turns) }, &options);
    assert!(found.messages[1].joined_text().contains("code 4711"), "{:?}", found.messages[1]);
}

#[test]
fn histories_of_stateless_clients_begin_alike() {
    let options = Options::default();
    let all = talk(200);
    let mut beginnings: Vec<Message> = Vec::new();
    for turns in 60..120 {
        let made = shorten(&all[..turns], None, &options).expect("too long");
        assert!(made.messages.len() <= 1 + options.keep_recent + options.refresh_every);
        beginnings.push(made.messages[0].clone());
    }
    beginnings.dedup();
    assert_eq!(beginnings.len(), 6, "60 turns, 12 at a time");
    assert!(shorten(&all[..50], None, &options).is_none());
}

#[test]
fn words_of_strategies_come_back() {
    for strategy in Strategy::ALL {
        assert_eq!(strategy.as_str().parse::<Strategy>().expect("known"), strategy);
    }
    assert!("newest".parse::<Strategy>().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_tool_call_is_cut_off_from_its_result(
        kinds in prop::collection::vec(0_u8..4, 12..120),
        keep_recent in 1_usize..12,
        strategy in prop::sample::select(Strategy::ALL.to_vec()),
    ) {
        let turns = tool_talk(&kinds);
        let options = Options { keep_recent, strategy, trigger_messages: 12, ..Options::default() };
        for sent in [
            compose(&known(None, &turns), &options).messages,
            shorten(&turns, None, &options).map_or(Vec::new(), |made| made.messages),
        ] {
            let mut called = Vec::new();
            for part in sent.iter().flat_map(|turn| &turn.parts) {
                match part {
                    Part::ToolCall { id, .. } => called.push(id.clone()),
                    Part::ToolResult { call_id, .. } => {
                        prop_assert!(called.contains(call_id), "a result without its call");
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn the_last_turns_are_always_whole(
        turns in 1_usize..200,
        strategy in prop::sample::select(Strategy::ALL.to_vec()),
    ) {
        let all = talk(turns);
        let options = Options { strategy, ..Options::default() };
        let made = compose(&known(None, &all), &options);
        let kept = options.keep_recent.min(turns);
        prop_assert_eq!(&made.messages[made.messages.len() - kept..], &all[turns - kept..]);
        prop_assert!(units::boundaries(&all).len() == turns + 1);
    }
}

/// Calls (1), results of the last call (2), text (0, 3).
fn tool_talk(kinds: &[u8]) -> Vec<Message> {
    let mut open: Option<String> = None;
    let mut turns = Vec::new();
    for (at, kind) in kinds.iter().enumerate() {
        let mut turn = Message::text(Role::User, format!("turn {at}"));
        match (kind, open.take()) {
            (2, Some(call_id)) => {
                turn.parts = vec![Part::ToolResult {
                    call_id,
                    parts: vec![Part::text("done")],
                    is_error: false,
                    cache: None,
                }];
            }
            (1, _) => {
                turn.role = Role::Assistant;
                turn.parts = vec![Part::ToolCall {
                    id: format!("c{at}"),
                    name: "look".to_owned(),
                    arguments: "{}".to_owned(),
                    cache: None,
                }];
                open = Some(format!("c{at}"));
            }
            (_, still) => open = still,
        }
        turns.push(turn);
    }
    turns
}
