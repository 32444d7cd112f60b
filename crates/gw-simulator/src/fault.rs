//! Faults by name: what can go wrong with an answer, and how to ask for it.
//!
//! A specification is one or several parts joined by `+`: `429-retry-after=1`,
//! `slow=200+reset=3`. [`Fault::parse_all`] has the whole list.

mod rewrite;

use std::fmt;

pub(crate) use rewrite::rewrite;

/// How a refusal says when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// It does not.
    Absent,
    /// `Retry-After` in seconds.
    Seconds(u64),
    /// `retry-after-ms`, beside `Retry-After` in whole seconds, as OpenAI sends them.
    Millis(u64),
    /// `Retry-After` as an HTTP date, given in seconds since 1970.
    UnixSeconds(i64),
}

/// Where an answer is cut. A body that is no stream counts as frames of 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// After so many frames.
    Frames(usize),
    /// After so many bytes of the body.
    Bytes(usize),
}

/// One thing that goes wrong. Its [`fmt::Display`] is the specification that reads back as it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `429`, `500-retry-after=1`, `429-retry-after-ms=1500`, `503-retry-after-date=1790000000`: a
    /// refusal with this status.
    Status(u16, RetryAfter),
    /// `bad-key`: 401.
    BadKey,
    /// `unknown-model`: 404.
    UnknownModel,
    /// `context-overflow`: 400 for a prompt that is too long.
    ContextOverflow,
    /// `overloaded`: 529 on the Anthropic surface, else 503.
    Overloaded,
    /// `rate-limit=N`: each key has N requests, then 429 with `Retry-After: 1`.
    RateLimit(u64),
    /// `slow=MS`: nothing at all for so long.
    Slow(u64),
    /// `pace=MS`: a pause before every frame but the first.
    Pace(u64),
    /// `never`: no answer, the connection stays open.
    Never,
    /// `stall=K`, `stall-bytes=K`: silence after the cut, the connection stays open.
    Stall(Cut),
    /// `reset=K`, `reset-bytes=K`: a TCP reset after the cut.
    Reset(Cut),
    /// `close=K`, `close-bytes=K`: the connection is closed after the cut, the body unfinished.
    Close(Cut),
    /// `end=K`, `end-bytes=K`: the body ends after the cut as if it were whole.
    End(Cut),
    /// `split=N`: delivered in pieces of N bytes (`split=1`: byte by byte).
    Split(usize),
    /// `malformed`: JSON that is none, in the body or in one event of the stream.
    Malformed,
    /// `truncated`: the body breaks off in the middle of JSON, and ends as if it were whole.
    Truncated,
    /// `html`: a web page with status 200.
    Html,
    /// `oversized=MB`: so many megabytes of answer.
    Oversized(u32),
    /// `empty`: status 200 and no body.
    Empty,
    /// `stream-error`: an error inside a 200 answer, half way through a stream.
    InBandError,
    /// `usage-twice`: usage is reported twice.
    UsageTwice,
    /// `no-usage`: usage is not reported.
    NoUsage,
    /// `no-done`: the stream lacks its last event (`[DONE]`, `message_stop`).
    NoDone,
}

impl Fault {
    /// Reads a specification.
    ///
    /// # Errors
    /// A sentence that names the part that is not understood.
    pub fn parse_all(spec: &str) -> Result<Vec<Self>, String> {
        spec.split('+').map(str::trim).filter(|part| !part.is_empty()).map(Self::parse).collect()
    }

    fn parse(part: &str) -> Result<Self, String> {
        let wrong = || format!("`{part}` is no fault");
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (part, None),
        };
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Self::parse_status(name, value).ok_or_else(wrong);
        }
        let number = || value.and_then(|value| value.parse::<u64>().ok()).ok_or_else(wrong);
        let size = || value.and_then(|value| value.parse::<usize>().ok()).ok_or_else(wrong);
        let cut = || {
            let size = size()?;
            Ok::<_, String>(if name.ends_with("-bytes") {
                Cut::Bytes(size)
            } else {
                Cut::Frames(size)
            })
        };
        let fault = match name {
            "rate-limit" => return Ok(Self::RateLimit(number()?)),
            "slow" => return Ok(Self::Slow(number()?)),
            "pace" => return Ok(Self::Pace(number()?)),
            "stall" | "stall-bytes" => return Ok(Self::Stall(cut()?)),
            "reset" | "reset-bytes" => return Ok(Self::Reset(cut()?)),
            "close" | "close-bytes" => return Ok(Self::Close(cut()?)),
            "end" | "end-bytes" => return Ok(Self::End(cut()?)),
            "split" => return Ok(Self::Split(size()?.max(1))),
            "oversized" => {
                let megabytes = u32::try_from(number()?).map_err(|_| wrong())?;
                return Ok(Self::Oversized(megabytes));
            }
            "bad-key" => Self::BadKey,
            "unknown-model" => Self::UnknownModel,
            "context-overflow" => Self::ContextOverflow,
            "overloaded" => Self::Overloaded,
            "never" => Self::Never,
            "malformed" => Self::Malformed,
            "truncated" => Self::Truncated,
            "html" => Self::Html,
            "empty" => Self::Empty,
            "stream-error" => Self::InBandError,
            "usage-twice" => Self::UsageTwice,
            "no-usage" => Self::NoUsage,
            "no-done" => Self::NoDone,
            _ => return Err(wrong()),
        };
        if value.is_some() { Err(wrong()) } else { Ok(fault) }
    }

    fn parse_status(name: &str, value: Option<&str>) -> Option<Self> {
        let (status, rest) = name.split_once('-').unwrap_or((name, ""));
        let status = status.parse().ok().filter(|status| (200..=599).contains(status))?;
        let retry_after = match (rest, value) {
            ("", None) => RetryAfter::Absent,
            ("retry-after", Some(value)) => RetryAfter::Seconds(value.parse().ok()?),
            ("retry-after-ms", Some(value)) => RetryAfter::Millis(value.parse().ok()?),
            ("retry-after-date", Some(value)) => RetryAfter::UnixSeconds(value.parse().ok()?),
            _ => return None,
        };
        Some(Self::Status(status, retry_after))
    }

    /// Splits faults off a model name: `fault:503`, `fault:slow=50+503/gpt-x`, `gpt-x@fault:503`.
    /// `None` where the name holds none.
    pub(crate) fn from_model(name: &str) -> Option<(Result<Vec<Self>, String>, String)> {
        let at = name.find("fault:")?;
        let before = name[..at].trim_end_matches(['@', ':', '/', '-']);
        let rest = &name[at + "fault:".len()..];
        let (spec, after) = rest.split_once('/').unwrap_or((rest, ""));
        let model = if before.is_empty() { after } else { before };
        Some((Self::parse_all(spec), model.to_owned()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = |f: &mut fmt::Formatter<'_>, name: &str, cut: &Cut| match cut {
            Cut::Frames(count) => write!(f, "{name}={count}"),
            Cut::Bytes(count) => write!(f, "{name}-bytes={count}"),
        };
        match self {
            Self::Status(status, RetryAfter::Absent) => write!(f, "{status}"),
            Self::Status(status, RetryAfter::Seconds(s)) => write!(f, "{status}-retry-after={s}"),
            Self::Status(status, RetryAfter::Millis(ms)) => {
                write!(f, "{status}-retry-after-ms={ms}")
            }
            Self::Status(status, RetryAfter::UnixSeconds(s)) => {
                write!(f, "{status}-retry-after-date={s}")
            }
            Self::BadKey => f.write_str("bad-key"),
            Self::UnknownModel => f.write_str("unknown-model"),
            Self::ContextOverflow => f.write_str("context-overflow"),
            Self::Overloaded => f.write_str("overloaded"),
            Self::RateLimit(count) => write!(f, "rate-limit={count}"),
            Self::Slow(ms) => write!(f, "slow={ms}"),
            Self::Pace(ms) => write!(f, "pace={ms}"),
            Self::Never => f.write_str("never"),
            Self::Stall(at) => cut(f, "stall", at),
            Self::Reset(at) => cut(f, "reset", at),
            Self::Close(at) => cut(f, "close", at),
            Self::End(at) => cut(f, "end", at),
            Self::Split(bytes) => write!(f, "split={bytes}"),
            Self::Malformed => f.write_str("malformed"),
            Self::Truncated => f.write_str("truncated"),
            Self::Html => f.write_str("html"),
            Self::Oversized(megabytes) => write!(f, "oversized={megabytes}"),
            Self::Empty => f.write_str("empty"),
            Self::InBandError => f.write_str("stream-error"),
            Self::UsageTwice => f.write_str("usage-twice"),
            Self::NoUsage => f.write_str("no-usage"),
            Self::NoDone => f.write_str("no-done"),
        }
    }
}

#[cfg(test)]
mod tests;
