use gw_core::chat::Part;
use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::limits::REMEMBERED_TEXT_BYTES_MAX;
use gw_core::reply::{ChatReply, Choice, StopReason};
use gw_core::{Money, Usage, UsageReport};

use super::{Meter, of_reply};

fn text(text: &str) -> StreamEvent {
    let delta = PartDelta::Text(text.to_owned());
    StreamEvent::PartDelta { choice: 0, part: 0, delta }
}

fn start(head: PartHead) -> StreamEvent {
    StreamEvent::PartStart { choice: 0, part: 0, head }
}

fn usage(input: u64, output: u64) -> UsageReport {
    UsageReport { usage: Usage { input, output, ..Usage::default() }, ..UsageReport::default() }
}

fn stop() -> StreamEvent {
    StreamEvent::Stop { choice: 0, stop: StopReason::EndTurn.into() }
}

#[test]
fn a_report_is_believed_once_the_answer_is_whole() {
    let mut meter = Meter::new(false);
    meter.observe(&[text("12345678"), StreamEvent::Usage(usage(7, 1))]);
    assert_eq!(meter.report(99, true), usage(7, 1));
}

#[test]
fn an_early_report_is_completed_by_what_was_seen() {
    let mut meter = Meter::new(false);
    meter.observe(&[StreamEvent::Usage(usage(7, 1)), text("12345678"), text("9")]);
    let report = meter.report(99, false);
    assert_eq!((report.usage.input, report.usage.output, report.is_estimate), (7, 3, true));
}

#[test]
fn a_report_after_the_stop_is_the_last_one_even_if_the_client_left() {
    let mut meter = Meter::new(false);
    meter.observe(&[text("123456789"), stop(), StreamEvent::Usage(usage(7, 1))]);
    assert_eq!(meter.report(99, false), usage(7, 1));
}

#[test]
fn zeros_are_no_report() {
    let mut meter = Meter::new(false);
    meter.observe(&[text("12345678"), stop(), StreamEvent::Usage(usage(0, 0))]);
    let report = meter.report(99, true);
    assert_eq!((report.usage.input, report.usage.output, report.is_estimate), (99, 2, true));
    let nothing_but_cost =
        UsageReport { reported_cost: Some(Money::from_pico(5)), ..UsageReport::default() };
    meter.observe(&[StreamEvent::Usage(nothing_but_cost.clone())]);
    assert_eq!(meter.report(99, true), nothing_but_cost);
}

#[test]
fn a_whole_answer_without_usage_is_reckoned() {
    let choice = Choice { parts: vec![Part::text("12345678")], ..Choice::default() };
    let reply = ChatReply { choices: vec![choice], ..ChatReply::default() };
    let report = of_reply(&reply, 11);
    assert_eq!((report.usage.input, report.usage.output, report.is_estimate), (11, 2, true));
}

#[test]
fn what_is_kept_is_bounded_whatever_it_is_made_of() {
    let big = "x".repeat(REMEMBERED_TEXT_BYTES_MAX / 2);
    let mut meter = Meter::new(true);
    meter.observe(&[start(PartHead::Text), text(&big), text(&big), text("over"), stop()]);
    let reply = meter.into_reply().expect("is kept");
    assert_eq!(reply.text().len(), REMEMBERED_TEXT_BYTES_MAX / 2 * 2);

    let mut meter = Meter::new(true);
    let citation = PartDelta::Citation(serde_json::Value::String(big));
    let citation = StreamEvent::PartDelta { choice: 0, part: 0, delta: citation };
    meter.observe(&[start(PartHead::Text), citation.clone(), citation.clone(), citation]);
    let reply = meter.into_reply().expect("is kept");
    let Some(Part::Text { citations, .. }) = reply.choices[0].parts.first() else {
        panic!("{:?}", reply.choices.len());
    };
    assert_eq!(citations.len(), 1, "quotes count too");
}

#[test]
fn half_a_tool_call_is_not_kept() {
    let call = start(PartHead::ToolCall { id: "c".into(), name: "f".into() });
    let arguments = PartDelta::Arguments("x".repeat(REMEMBERED_TEXT_BYTES_MAX));
    let mut meter = Meter::new(true);
    meter.observe(&[call, StreamEvent::PartDelta { choice: 0, part: 0, delta: arguments }]);
    assert!(meter.into_reply().expect("is kept").choices[0].parts.is_empty());
}
