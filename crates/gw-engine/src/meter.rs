//! Counts what a provider delivers, for answers whose provider does not say, or not to the end.

use gw_core::chat::Part;
use gw_core::event::{PartDelta, PartHead, StreamEvent};
use gw_core::fold::Fold;
use gw_core::limits::REMEMBERED_TEXT_BYTES_MAX;
use gw_core::reply::ChatReply;
use gw_core::unfold::unfold;
use gw_core::{Usage, UsageReport};

/// Bytes of text reckoned as one token.
const BYTES_PER_TOKEN: u64 = 4;

/// Counts the events of one answer, and adds them up where it is to be remembered.
pub(crate) struct Meter {
    reported: Option<UsageReport>,
    model: String,
    has_stopped: bool,
    written_bytes: u64,
    fold: Option<Fold>,
    folded_bytes: usize,
    is_fold_cut: bool,
}

impl Meter {
    /// `wants_fold` keeps what is said, up to [`REMEMBERED_TEXT_BYTES_MAX`].
    pub(crate) fn new(wants_fold: bool) -> Self {
        Self {
            reported: None,
            model: String::new(),
            has_stopped: false,
            written_bytes: 0,
            fold: wants_fold.then(Fold::default),
            folded_bytes: 0,
            is_fold_cut: false,
        }
    }

    /// Counts what one frame says.
    pub(crate) fn observe(&mut self, events: &[StreamEvent]) {
        for event in events {
            self.written_bytes += written(event) as u64;
            match event {
                StreamEvent::Usage(report) if says_something(report) => {
                    self.reported = Some(report.clone());
                }
                StreamEvent::Start { model, .. } => self.model.clone_from(model),
                StreamEvent::Stop { .. } => self.has_stopped = true,
                _ => {}
            }
            self.keep(event);
        }
    }

    fn keep(&mut self, event: &StreamEvent) {
        let Some(fold) = &mut self.fold else { return };
        if !self.is_fold_cut {
            self.folded_bytes = self.folded_bytes.saturating_add(weight(event));
            self.is_fold_cut = self.folded_bytes > REMEMBERED_TEXT_BYTES_MAX;
        }
        if !self.is_fold_cut {
            fold.push(event);
        }
    }

    /// The model that the provider says it answers with; empty where it says nothing.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    /// True where not all that was said was kept.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_fold_cut
    }

    /// What was said, where it was to be kept: cut at the limit, and then without a last tool call,
    /// whose arguments would be half.
    pub(crate) fn into_reply(self) -> Option<ChatReply> {
        let mut reply = self.fold?.into_reply();
        if self.is_fold_cut
            && let Some(choice) = reply.choices.first_mut()
            && matches!(choice.parts.last(), Some(Part::ToolCall { .. } | Part::Opaque { .. }))
        {
            choice.parts.pop();
        }
        Some(reply)
    }

    /// What the provider reported, completed by what was seen where it said nothing or was cut off
    /// before its own last count.
    pub(crate) fn report(&self, input_tokens_estimate: u64, is_whole: bool) -> UsageReport {
        let mut report = self.reported.clone().unwrap_or_default();
        if self.reported.is_some() && (is_whole || self.has_stopped) {
            return report;
        }
        report.is_estimate = true;
        if report.usage.total_input() == 0 {
            report.usage.input = input_tokens_estimate;
        }
        let seen = self.written_bytes.div_ceil(BYTES_PER_TOKEN);
        let missing = seen.saturating_sub(report.usage.total_output());
        report.usage = report.usage.plus(&Usage { output: missing, ..Usage::default() });
        report
    }
}

/// What a whole answer consumed: as reported, or reckoned where its provider does not say.
pub(crate) fn of_reply(reply: &ChatReply, input_tokens_estimate: u64) -> UsageReport {
    if says_something(&reply.usage) {
        return reply.usage.clone();
    }
    let mut meter = Meter::new(false);
    meter.observe(&unfold(reply));
    meter.report(input_tokens_estimate, true)
}

fn says_something(report: &UsageReport) -> bool {
    report.usage != Usage::default() || report.reported_cost.is_some()
}

/// Bytes of an event that the model wrote.
fn written(event: &StreamEvent) -> usize {
    match event {
        StreamEvent::PartDelta { delta, .. } => match delta {
            PartDelta::Text(text) | PartDelta::Thinking(text) | PartDelta::Arguments(text) => {
                text.len()
            }
            PartDelta::Signature(_) | PartDelta::Citation(_) | PartDelta::Opaque(_) => 0,
        },
        StreamEvent::PartStart { head: PartHead::ToolCall { name, .. }, .. } => name.len(),
        _ => 0,
    }
}

/// Bytes that an event adds to what is kept.
fn weight(event: &StreamEvent) -> usize {
    match event {
        StreamEvent::PartDelta { delta, .. } => match delta {
            PartDelta::Text(text)
            | PartDelta::Thinking(text)
            | PartDelta::Arguments(text)
            | PartDelta::Signature(text) => text.len(),
            PartDelta::Citation(value) | PartDelta::Opaque(value) => value.to_string().len(),
        },
        StreamEvent::PartStart { head, .. } => match head {
            PartHead::ToolCall { id, name } => id.len() + name.len(),
            PartHead::RedactedThinking { data } => data.len(),
            PartHead::Opaque { value, .. } => value.to_string().len(),
            PartHead::Text | PartHead::Thinking | PartHead::Refusal => 0,
        },
        StreamEvent::Logprobs { value, .. } => value.to_string().len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
