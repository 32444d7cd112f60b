//! How many tokens a request is, reckoned without a tokenizer.
//!
//! Two figures from the UTF-8 bytes. `most` is above what the tokenizers in use make of ordinary
//! prose, code and non-Latin text (measured with cl100k_base and o200k_base; only random letters, such as base64 in a text, exceed it);
//! money is held back by it. `likely` is near the middle; a model is ruled out only by that one, so
//! that no request is refused which would have fitted. Pictures, documents and sound are reckoned by
//! allowances, since only their provider knows.

use std::io;

use gw_core::chat::{ChatRequest, Part, ResponseFormat, Source, Tool};
use serde_json::Value;

/// Weights are in sixtieths of a token.
const UNIT: u64 = 60;

/// (likely, most) for a turn's own frame.
const TURN: (u64, u64) = (4, 10);
/// For each tool beside its schema.
const TOOL: (u64, u64) = (8, 16);
/// For the instructions that a provider adds once where there are tools.
const TOOLS_AT_ALL: (u64, u64) = (300, 800);
/// For a picture: 4,784 tokens are the largest picture of the newest Claude models.
const IMAGE: (u64, u64) = (1_000, 5_000);
/// For a document that is not here (an address or an uploaded file): about 2 and 15 pages.
const DISTANT_DOCUMENT: (u64, u64) = (3_000, 45_000);
/// A PDF's least, one page.
const PDF_LEAST: (u64, u64) = (1_500, 5_000);
/// Bytes of a PDF that make a token: scanned pages against pages of dense text.
const PDF_BYTES: (u64, u64) = (30, 4);
/// No provider reads more pages than this many tokens stand for.
const PDF_MOST: u64 = 2_000_000;
/// Bytes of sound that make a token: 10 tokens a second of WAV or good MP3, 32 of poor MP3.
const AUDIO_BYTES: (u64, u64) = (1_600, 250);

/// Weights of single bytes, (likely, most).
const WEIGHTS: [(u8, u8); 256] = weights();

const fn weights() -> [(u8, u8); 256] {
    let mut table = [(0, 0); 256];
    let mut byte = 0_u8;
    loop {
        let weight = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b' ' => (14, 24),
            b'0'..=b'9' => (25, 60),
            b'\t' | b'\n' | b'\r' => (15, 30),
            0..0x80 => (40, 60),
            // Later bytes and beginnings of characters of two or three bytes.
            0x80..0xf0 => (20, 40),
            // Beginnings of four-byte characters (emoji): up to four tokens each.
            0xf0.. => (40, 120),
        };
        table[byte as usize] = weight;
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

/// Tokens of a request, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    likely: u64,
    most: u64,
}

impl Size {
    pub(super) fn of(request: &ChatRequest) -> Self {
        let mut size = Self::default();
        for message in &request.messages {
            size.allow(TURN);
            size.parts(&message.parts);
        }
        if !request.tools.is_empty() {
            size.allow(TOOLS_AT_ALL);
        }
        for tool in &request.tools {
            size.allow(TOOL);
            size.tool(tool);
        }
        if let Some(ResponseFormat::JsonSchema { schema, .. }) = &request.response_format {
            size.json(schema);
        }
        size
    }

    /// Tokens as they will probably be.
    pub(super) fn likely(self) -> u64 {
        self.likely.div_ceil(UNIT)
    }

    /// Tokens as they will be at most.
    pub(super) fn most(self) -> u64 {
        self.most.div_ceil(UNIT)
    }

    fn allow(&mut self, (likely, most): (u64, u64)) {
        self.likely = self.likely.saturating_add(likely.saturating_mul(UNIT));
        self.most = self.most.saturating_add(most.saturating_mul(UNIT));
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let (mut likely, mut most) = (0_u64, 0_u64);
        for byte in bytes {
            let weight = WEIGHTS[usize::from(*byte)];
            likely += u64::from(weight.0);
            most += u64::from(weight.1);
        }
        self.likely = self.likely.saturating_add(likely);
        self.most = self.most.saturating_add(most);
    }

    fn json(&mut self, value: &Value) {
        // Writing to a counter cannot fail.
        let _ = serde_json::to_writer(Counter(self), value);
    }

    fn tool(&mut self, tool: &Tool) {
        match tool {
            Tool::Function { name, description, parameters, .. } => {
                self.text(name);
                self.text(description.as_deref().unwrap_or_default());
                if let Some(parameters) = parameters {
                    self.json(parameters);
                }
            }
            Tool::Hosted { value, .. } => self.json(value),
        }
    }

    fn parts(&mut self, parts: &[Part]) {
        for part in parts {
            self.part(part);
        }
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Text { text, .. } | Part::Thinking { text, .. } | Part::Refusal { text } => {
                self.text(text);
            }
            Part::Image { .. } => self.allow(IMAGE),
            Part::Document { source, title, context, .. } => {
                self.text(title.as_deref().unwrap_or_default());
                self.text(context.as_deref().unwrap_or_default());
                self.document(source);
            }
            Part::Audio { data, .. } => {
                let bytes = decoded_len(data);
                self.allow((1 + bytes / AUDIO_BYTES.0, 1 + bytes / AUDIO_BYTES.1));
            }
            Part::RedactedThinking { data } => {
                let bytes = decoded_len(data);
                self.allow((bytes / 4, bytes / 2));
            }
            Part::ToolCall { name, arguments, .. } => {
                self.allow(TOOL);
                self.text(name);
                self.text(arguments);
            }
            Part::ToolResult { parts, .. } => {
                self.allow(TOOL);
                self.parts(parts);
            }
            Part::Opaque { value, .. } => self.json(value),
        }
    }

    fn document(&mut self, source: &Source) {
        match source {
            Source::Base64 { media_type, .. } if media_type.starts_with("image/") => {
                self.allow(IMAGE);
            }
            Source::Base64 { media_type, data } if media_type.starts_with("text/") => {
                let bytes = decoded_len(data);
                self.allow((bytes / 4, bytes / 2));
            }
            Source::Base64 { data, .. } => {
                let bytes = decoded_len(data);
                let likely = (bytes / PDF_BYTES.0).clamp(PDF_LEAST.0, PDF_MOST);
                let most = (bytes / PDF_BYTES.1).clamp(PDF_LEAST.1, PDF_MOST);
                self.allow((likely, most));
            }
            Source::Url { .. } | Source::File { .. } => self.allow(DISTANT_DOCUMENT),
            Source::Text { text } => self.text(text),
            Source::Parts { parts } => self.parts(parts),
        }
    }
}

/// Bytes that base64 text stands for, about.
fn decoded_len(data: &str) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX) / 4 * 3
}

/// Reckons what is written to it and keeps nothing.
struct Counter<'a>(&'a mut Size);

impl io::Write for Counter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.bytes(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
