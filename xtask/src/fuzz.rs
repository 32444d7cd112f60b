//! `fuzz`: changed bytes for every decoder and every reader of streams, for a while. No panic, and
//! memory in proportion to the input.
//!
//! Seeds are the bodies of recordings (any folder in their shape) and what the encoders write. The
//! draw is from a seeded generator, so that a finding comes back with its number.

mod seeds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::Args;
use gw_core::seam::{Dialect, Edits, Quirks, StreamDecoder, Target};
use http::HeaderMap;
use peak_alloc::PeakAlloc;

/// Counts what is allocated.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that a reader may hold for each byte of input: values of JSON take many times their text.
const BYTES_PER_BYTE_MAX: usize = 512;

/// Bytes that a reader may hold besides.
const BYTES_FREE: usize = 4 * 1024 * 1024;

/// Longest input that is made.
const INPUT_BYTES_MAX: usize = 256 * 1024;

/// Options of the fuzzer.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How long to go on.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Folder of recordings to begin from, besides what the encoders write.
    #[arg(long)]
    seeds: Option<PathBuf>,
    /// Number of the run: the same number makes the same inputs.
    #[arg(long, default_value_t = 1)]
    run: u64,
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Request,
    Pass,
    Reply,
    Refusal,
    Stream,
    Usage,
}

const READERS: [Reader; 6] =
    [Reader::Request, Reader::Pass, Reader::Reply, Reader::Refusal, Reader::Stream, Reader::Usage];

/// A generator of numbers (xorshift64*), good enough to change bytes.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `most`; 0 where that is 0.
    fn below(&mut self, most: usize) -> usize {
        let most = u64::try_from(most.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % most).unwrap_or(0)
    }
}

/// Runs the fuzzer.
#[expect(clippy::disallowed_methods, reason = "a chore of people, as long as their clock says")]
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let seeds = seeds::all(options.seeds.as_deref())?;
    let mut draw = Draw(options.run.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let end = Instant::now() + Duration::from_secs(options.seconds);
    // Panics are findings, not noise.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (mut inputs, mut findings, mut worst) = (0_u64, Vec::new(), 0_usize);
    while Instant::now() < end && findings.len() < 20 {
        let input = change(&seeds, &mut draw);
        for dialect in gw_dialect::all() {
            for reader in READERS {
                inputs += 1;
                let (outcome, held) = try_one(&**dialect, reader, &input, &mut draw);
                worst = worst.max(held.saturating_sub(BYTES_FREE) / input.len().max(1));
                let limit = BYTES_FREE + BYTES_PER_BYTE_MAX * input.len();
                if !outcome || held > limit {
                    let what = if outcome { format!("held {held} bytes") } else { "panic".into() };
                    let text = STANDARD.encode(&input);
                    findings.push(format!("{} {reader:?}: {what}: {text}", dialect.id()));
                }
            }
        }
    }
    std::panic::set_hook(hook);
    for finding in &findings {
        println!("FAILED {finding}");
    }
    println!(
        "{} seeds, {inputs} readings in {} s, {} findings; at worst {worst} bytes held for a byte \
         beyond {BYTES_FREE}",
        seeds.len(),
        options.seconds,
        findings.len(),
    );
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether a reader came through, and the bytes it held at most.
fn try_one(dialect: &dyn Dialect, reader: Reader, input: &[u8], draw: &mut Draw) -> (bool, usize) {
    let pieces = cuts(input.len(), draw);
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let outcome = catch_unwind(AssertUnwindSafe(|| read(dialect, reader, input, &pieces)));
    let held = MEMORY.peak_usage().saturating_sub(before);
    (outcome.is_ok(), held)
}

fn read(dialect: &dyn Dialect, reader: Reader, input: &[u8], pieces: &[usize]) {
    let quirks = Quirks::default();
    let target = Target { model: "model", quirks: &quirks, max_output_tokens: Some(8_000) };
    match reader {
        Reader::Request => {
            if let Ok(request) = dialect.decode_request(input) {
                for other in gw_dialect::all() {
                    drop(other.encode_request(&request, &target));
                }
            }
        }
        Reader::Pass => {
            let edits = Edits { target, wants_usage: true, is_stream: true };
            drop(dialect.pass_request(&Bytes::copy_from_slice(input), &edits));
        }
        Reader::Reply => {
            if let Ok(reply) = dialect.decode_reply(input) {
                for other in gw_dialect::all() {
                    drop(other.encode_reply(&reply, &gw_core::seam::ClientStream::default()));
                }
            }
        }
        Reader::Refusal => {
            let body = Bytes::copy_from_slice(input);
            let error = dialect.decode_error(400, &HeaderMap::new(), &body);
            for other in gw_dialect::all() {
                drop(other.encode_error(&error));
            }
        }
        Reader::Stream => read_stream(dialect.stream_decoder(), input, pieces),
        Reader::Usage => {
            if let Ok(value) = serde_json::from_slice(input) {
                drop(gw_dialect::usage::decode(&value));
            }
        }
    }
}

/// Reads a stream in pieces and writes what it says in every format.
fn read_stream(mut decoder: Box<dyn StreamDecoder>, input: &[u8], pieces: &[usize]) {
    let mut frames = Vec::new();
    let mut start = 0;
    for end in pieces {
        if decoder.push(&input[start..*end], &mut frames).is_err() {
            return;
        }
        start = *end;
    }
    if decoder.push(&input[start..], &mut frames).is_ok() {
        drop(decoder.finish(&mut frames));
    }
    for dialect in gw_dialect::all() {
        let mut encoder = dialect.stream_encoder(gw_core::seam::ClientStream::default());
        let mut out = Vec::new();
        for event in frames.iter().flat_map(|frame| &frame.events) {
            encoder.push(event, &mut out);
        }
    }
}

fn cuts(length: usize, draw: &mut Draw) -> Vec<usize> {
    let count = draw.below(6);
    let mut cuts: Vec<usize> = (0..count).map(|_| draw.below(length + 1)).collect();
    cuts.sort_unstable();
    cuts
}

/// Pieces of text that readers stumble over.
const HARD: [&str; 18] = [
    "null",
    "-1",
    "1e999",
    "18446744073709551616",
    "\"\"",
    "[]",
    "{}",
    "\"\\ud800\"",
    "\u{feff}",
    "\r\n\r\n",
    "data: ",
    "event: error\n",
    "[DONE]",
    "\u{0}",
    "true",
    "0.5",
    "\"\u{1f600}\"",
    "}",
];

/// A changed seed.
fn change(seeds: &[Vec<u8>], draw: &mut Draw) -> Vec<u8> {
    let mut bytes = seeds[draw.below(seeds.len())].clone();
    for _ in 0..=draw.below(8) {
        let at = draw.below(bytes.len() + 1);
        match draw.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << draw.below(8),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => {
                let end = (at + 1 + draw.below(64)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                let hard = HARD[draw.below(HARD.len())];
                bytes.splice(at..at, hard.bytes());
            }
            4 => replace_token(&mut bytes, at, draw),
            5 => {
                let other = &seeds[draw.below(seeds.len())];
                let from = draw.below(other.len() + 1);
                let length = draw.below(2_048).min(other.len() - from);
                bytes.splice(at..at, other[from..from + length].iter().copied());
            }
            6 => {
                let end = (at + draw.below(512)).min(bytes.len());
                let copy = bytes[at.min(end)..end].to_vec();
                let times = 1 + draw.below(16);
                bytes.splice(at..at, copy.repeat(times));
            }
            _ => {
                let depth = draw.below(300);
                let open = if draw.below(2) == 0 { "[" } else { "{\"a\":" };
                bytes.splice(at..at, open.repeat(depth).into_bytes());
            }
        }
        bytes.truncate(INPUT_BYTES_MAX);
    }
    bytes
}

/// Puts something hard in the place of a word of JSON.
fn replace_token(bytes: &mut Vec<u8>, at: usize, draw: &mut Draw) {
    let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b'\n');
    let Some(colon) = bytes[at..].iter().position(|it| *it == b':') else { return };
    let start = at + colon + 1;
    let length = bytes[start..].iter().position(is_end).unwrap_or(0);
    let hard = HARD[draw.below(HARD.len())];
    bytes.splice(start..start + length, hard.bytes());
}
