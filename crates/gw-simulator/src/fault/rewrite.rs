//! Faults of content: an answer becomes another answer. How it is delivered is not known here.

use bytes::Bytes;
use http::header::{HeaderName, RETRY_AFTER};
use serde_json::{Value, json};

use super::{Fault, RetryAfter};
use crate::answer::{Speech, WireAnswer, anthropic_error, openai_error};
use crate::model::event_frame;

/// Applies what a fault does to the content; faults of delivery change nothing.
pub(crate) fn rewrite(answer: WireAnswer, fault: &Fault, speech: Speech) -> WireAnswer {
    match fault {
        Fault::Status(status, retry_after) => refusal(*status, *retry_after, speech),
        Fault::BadKey => speech.error(401, "incorrect API key provided"),
        Fault::UnknownModel => speech.error(404, "the model does not exist"),
        Fault::ContextOverflow => context_overflow(speech),
        Fault::Overloaded => match speech {
            Speech::Anthropic => speech.error(529, "Overloaded"),
            _ => speech.error(503, "the server is overloaded, try again later"),
        },
        Fault::Malformed => malformed(answer),
        Fault::Truncated => truncated(answer),
        Fault::Html => WireAnswer::whole(
            200,
            "text/html; charset=utf-8",
            "<!doctype html><html><head><title>Gateway</title></head>\
             <body><h1>Welcome to the login page</h1></body></html>",
        ),
        Fault::Oversized(megabytes) => oversized(&answer, *megabytes, speech),
        Fault::Empty => WireAnswer { frames: Vec::new(), ..answer },
        Fault::InBandError => in_band_error(answer, speech),
        Fault::UsageTwice => usage_twice(answer),
        Fault::NoUsage => without_usage(answer),
        Fault::NoDone => without_done(answer),
        Fault::RateLimit(_)
        | Fault::Slow(_)
        | Fault::Pace(_)
        | Fault::Never
        | Fault::Stall(_)
        | Fault::Reset(_)
        | Fault::Close(_)
        | Fault::End(_)
        | Fault::Split(_) => answer,
    }
}

fn refusal(status: u16, retry_after: RetryAfter, speech: Speech) -> WireAnswer {
    let answer = speech.error(status, &format!("simulated failure with status {status}"));
    match retry_after {
        RetryAfter::Absent => answer,
        RetryAfter::Seconds(seconds) => answer.with_header(RETRY_AFTER, &seconds.to_string()),
        RetryAfter::Millis(ms) => answer
            .with_header(HeaderName::from_static("retry-after-ms"), &ms.to_string())
            .with_header(RETRY_AFTER, &ms.div_ceil(1_000).to_string()),
        RetryAfter::UnixSeconds(seconds) => match http_date(seconds) {
            Some(date) => answer.with_header(RETRY_AFTER, &date),
            None => answer,
        },
    }
}

fn http_date(unix_s: i64) -> Option<String> {
    let timestamp = jiff::Timestamp::from_second(unix_s).ok()?;
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&timestamp).ok()
}

fn context_overflow(speech: Speech) -> WireAnswer {
    match speech {
        Speech::OpenAi => {
            let message = "This model's maximum context length is 8192 tokens. However, your \
                           messages resulted in 9001 tokens. Please reduce the length of the messages.";
            let mut body =
                openai_error(message, "invalid_request_error", Some("context_length_exceeded"));
            body["error"]["param"] = json!("messages");
            WireAnswer::json(400, &body)
        }
        Speech::Anthropic => {
            let message = "prompt is too long: 209000 tokens > 200000 maximum";
            WireAnswer::json(400, &anthropic_error(message, "invalid_request_error"))
        }
        Speech::Cohere => speech.error(400, "too many tokens: size limit exceeded by 809 tokens"),
        Speech::Bedrock => speech.error(400, "Input is too long for requested model."),
    }
}

/// The JSON of a frame of a stream, or of a whole body.
fn data_of(frame: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(frame).ok()?;
    match text.lines().find_map(|line| line.strip_prefix("data:")) {
        Some(data) => serde_json::from_str(data.trim()).ok(),
        None => serde_json::from_str(text).ok(),
    }
}

/// The frame with other data; its event name stays.
fn with_data(frame: &[u8], data: &str) -> Bytes {
    let text = String::from_utf8_lossy(frame);
    if !text.lines().any(|line| line.starts_with("data:")) {
        return Bytes::from(data.to_owned());
    }
    let mut changed = String::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with("data:")) {
        changed.push_str(line);
        changed.push('\n');
    }
    Bytes::from(format!("{changed}data: {data}\n\n"))
}

fn malformed(mut answer: WireAnswer) -> WireAnswer {
    const NO_JSON: &str = "{\"id\": nope, \"choices\": [}";
    let middle = answer.frames.len() / 2;
    match answer.frames.get_mut(middle) {
        Some(frame) => *frame = with_data(frame, NO_JSON),
        None => answer.frames.push(Bytes::from_static(NO_JSON.as_bytes())),
    }
    answer
}

fn truncated(mut answer: WireAnswer) -> WireAnswer {
    let keep = (answer.frames.len() / 2).max(1);
    answer.frames.truncate(keep);
    if let Some(last) = answer.frames.last_mut() {
        *last = last.slice(..last.len() / 2);
    }
    answer
}

fn oversized(answer: &WireAnswer, megabytes: u32, speech: Speech) -> WireAnswer {
    const BLOCK: &[u8] = &[b'x'; 64 * 1024];
    let (before, after) = match (speech, answer.is_stream()) {
        (Speech::OpenAi | Speech::Cohere | Speech::Bedrock, false) => (
            "{\"id\":\"big\",\"object\":\"chat.completion\",\"created\":0,\"model\":\"big\",\
             \"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
            "\"},\"finish_reason\":\"stop\"}]}",
        ),
        (Speech::OpenAi | Speech::Cohere | Speech::Bedrock, true) => (
            "data: {\"id\":\"big\",\"object\":\"chat.completion.chunk\",\"created\":0,\
             \"model\":\"big\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"",
            "\"},\"finish_reason\":null}]}\n\ndata: [DONE]\n\n",
        ),
        (Speech::Anthropic, false) => (
            "{\"id\":\"big\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"big\",\
             \"stop_reason\":\"end_turn\",\"stop_sequence\":null,\
             \"usage\":{\"input_tokens\":1,\"output_tokens\":1},\
             \"content\":[{\"type\":\"text\",\"text\":\"",
            "\"}]}",
        ),
        (Speech::Anthropic, true) => (
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"big\",\
             \"type\":\"message\",\"role\":\"assistant\",\"model\":\"big\",\"content\":[],\
             \"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n\
             event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\
             \"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
             event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
             \"delta\":{\"type\":\"text_delta\",\"text\":\"",
            "\"}}\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
             event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ),
    };
    let blocks = usize::try_from(megabytes).unwrap_or(0).saturating_mul(16);
    let mut frames = vec![Bytes::from_static(before.as_bytes())];
    frames.extend(std::iter::repeat_n(Bytes::from_static(BLOCK), blocks));
    frames.push(Bytes::from_static(after.as_bytes()));
    WireAnswer { status: 200, headers: answer.headers.clone(), frames }
}

fn in_band_error(mut answer: WireAnswer, speech: Speech) -> WireAnswer {
    let message = "simulated failure inside the answer";
    let body = match speech {
        Speech::OpenAi => openai_error(message, "server_error", Some("server_error")),
        Speech::Anthropic => anthropic_error(message, "overloaded_error"),
        Speech::Cohere | Speech::Bedrock => json!({ "message": message }),
    };
    if !answer.is_stream() {
        return WireAnswer::json(200, &body);
    }
    answer.frames.truncate(answer.frames.len() / 2);
    answer.frames.push(match speech {
        Speech::OpenAi => Bytes::from(format!("data: {body}\n\n")),
        Speech::Anthropic => Bytes::from(format!("event: error\ndata: {body}\n\n")),
        Speech::Cohere => {
            let delta = json!({"finish_reason": "ERROR", "error": message});
            let data = json!({"type": "message-end", "delta": delta});
            Bytes::from(format!("event: message-end\ndata: {data}\n\n"))
        }
        Speech::Bedrock => {
            let names = (":exception-type", "serviceUnavailableException", "exception");
            event_frame(names, &body)
        }
    });
    answer
}

fn reports_usage(frame: &[u8]) -> bool {
    data_of(frame).is_some_and(|data| data.get("usage").is_some_and(Value::is_object))
}

fn usage_twice(mut answer: WireAnswer) -> WireAnswer {
    let Some(at) = answer.frames.iter().rposition(|frame| reports_usage(frame)) else {
        return answer;
    };
    let frame = answer.frames[at].clone();
    if answer.is_stream() {
        answer.frames.insert(at, frame);
        return answer;
    }
    // In a whole body the field itself stands twice, which JSON allows and parsers differ on.
    if let Some(usage) = data_of(&frame).and_then(|data| data.get("usage").cloned()) {
        let text = String::from_utf8_lossy(&frame);
        if let Some(open) = text.trim_end().strip_suffix('}') {
            answer.frames[at] = Bytes::from(format!("{open},\"usage\":{usage}}}"));
        }
    }
    answer
}

fn without_usage(mut answer: WireAnswer) -> WireAnswer {
    answer.frames.retain_mut(|frame| {
        let Some(mut data) = data_of(frame) else { return true };
        let is_usage_only =
            data.get("choices").and_then(Value::as_array).is_some_and(Vec::is_empty);
        if is_usage_only && data.get("usage").is_some() {
            return false;
        }
        let fields = data.as_object_mut();
        let mut is_changed = fields.is_some_and(|fields| fields.shift_remove("usage").is_some());
        if let Some(fields) = data.get_mut("message").and_then(Value::as_object_mut) {
            is_changed |= fields.shift_remove("usage").is_some();
        }
        if is_changed {
            *frame = with_data(frame, &data.to_string());
        }
        true
    });
    answer
}

fn without_done(mut answer: WireAnswer) -> WireAnswer {
    answer.frames.retain(|frame| {
        let text = String::from_utf8_lossy(frame);
        let is_done = text.lines().any(|line| line.trim_end() == "data: [DONE]")
            || data_of(frame).is_some_and(|data| data["type"] == "message_stop");
        !is_done
    });
    answer
}
