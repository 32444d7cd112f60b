//! Takes a whole answer apart into the events it would have streamed as: the reverse of
//! [`crate::fold`].

use crate::chat::Part;
use crate::event::{PartDelta, PartHead, StreamEvent};
use crate::reply::ChatReply;

/// The events that add up to `reply`, ended properly.
pub fn unfold(reply: &ChatReply) -> Vec<StreamEvent> {
    let mut events = vec![StreamEvent::Start {
        id: reply.id.clone(),
        model: reply.model.clone(),
        created_s: reply.created_s,
    }];
    for choice in &reply.choices {
        let index = choice.index;
        let known = choice.parts.iter().filter_map(|part| head(part).map(|head| (part, head)));
        for (at, (part, head)) in (0_u32..).zip(known) {
            events.push(StreamEvent::PartStart { choice: index, part: at, head });
            for delta in deltas(part) {
                events.push(StreamEvent::PartDelta { choice: index, part: at, delta });
            }
            events.push(StreamEvent::PartStop { choice: index, part: at });
        }
        if let Some(value) = &choice.logprobs {
            events.push(StreamEvent::Logprobs { choice: index, value: value.clone() });
        }
        if let Some(stop) = &choice.stop {
            events.push(StreamEvent::Stop { choice: index, stop: stop.clone() });
        }
    }
    events.push(StreamEvent::Usage(reply.usage.clone()));
    events.push(StreamEvent::End);
    events
}

/// What a part streams as; `None` for parts that only requests have.
pub fn head(part: &Part) -> Option<PartHead> {
    Some(match part {
        Part::Text { .. } => PartHead::Text,
        Part::Refusal { .. } => PartHead::Refusal,
        Part::Thinking { .. } => PartHead::Thinking,
        Part::RedactedThinking { data } => PartHead::RedactedThinking { data: data.clone() },
        Part::ToolCall { id, name, .. } => {
            PartHead::ToolCall { id: id.clone(), name: name.clone() }
        }
        Part::Opaque { dialect, value } => {
            PartHead::Opaque { dialect: *dialect, value: value.clone() }
        }
        Part::Image { .. }
        | Part::Document { .. }
        | Part::Audio { .. }
        | Part::ToolResult { .. } => return None,
    })
}

/// What a part streams as after its head.
pub fn deltas(part: &Part) -> Vec<PartDelta> {
    match part {
        Part::Text { text, citations, .. } => std::iter::once(PartDelta::Text(text.clone()))
            .chain(citations.iter().cloned().map(PartDelta::Citation))
            .collect(),
        Part::Refusal { text } => vec![PartDelta::Text(text.clone())],
        Part::Thinking { text, signature } => std::iter::once(PartDelta::Thinking(text.clone()))
            .chain(signature.iter().cloned().map(PartDelta::Signature))
            .collect(),
        Part::ToolCall { arguments, .. } => vec![PartDelta::Arguments(arguments.clone())],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::unfold;
    use crate::chat::Part;
    use crate::fold::Fold;
    use crate::reply::{ChatReply, Choice, StopReason};

    #[test]
    fn the_sum_of_the_parts_is_the_whole() {
        let reply = ChatReply {
            id: "r".into(),
            model: "m".into(),
            choices: vec![Choice {
                parts: vec![
                    Part::Thinking { text: "hm".into(), signature: Some("sig".into()) },
                    Part::text("hello"),
                    Part::ToolCall {
                        id: "c".into(),
                        name: "t".into(),
                        arguments: "{}".into(),
                        cache: None,
                    },
                ],
                stop: Some(StopReason::ToolUse.into()),
                ..Choice::default()
            }],
            ..ChatReply::default()
        };
        let mut fold = Fold::default();
        unfold(&reply).iter().for_each(|event| fold.push(event));
        assert!(fold.has_ended());
        assert_eq!(fold.into_reply(), reply);
    }
}
