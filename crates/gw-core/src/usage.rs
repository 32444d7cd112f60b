//! What a call consumed, in token classes that never overlap.

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// A class of billable units. Every unit of a call falls into exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenClass {
    /// Input read at the full price: text, images and documents that carry no price of their own.
    Input,
    /// Input served from the provider's prompt cache.
    CacheRead,
    /// Input written to a cache that lives five minutes, or of unstated lifetime.
    CacheWrite,
    /// Input written to a cache that lives an hour.
    CacheWriteLong,
    /// Audio heard.
    InputAudio,
    /// Audio heard, served from the prompt cache.
    CacheReadAudio,
    /// Text written, thinking excluded.
    Output,
    /// Thinking, where the provider counts it apart.
    Reasoning,
    /// Audio spoken.
    OutputAudio,
    /// Searches made by the provider's own web search tool (a count, not tokens).
    WebSearch,
}

impl TokenClass {
    /// All classes, inputs first.
    pub const ALL: [Self; 10] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWriteLong,
        Self::InputAudio,
        Self::CacheReadAudio,
        Self::Output,
        Self::Reasoning,
        Self::OutputAudio,
        Self::WebSearch,
    ];
}

/// Units consumed by one call, by class. Classes are disjoint: their sum is the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// See [`TokenClass::Input`].
    pub input: u64,
    /// See [`TokenClass::CacheRead`].
    pub cache_read: u64,
    /// See [`TokenClass::CacheWrite`].
    pub cache_write: u64,
    /// See [`TokenClass::CacheWriteLong`].
    pub cache_write_long: u64,
    /// See [`TokenClass::InputAudio`].
    pub input_audio: u64,
    /// See [`TokenClass::CacheReadAudio`].
    pub cache_read_audio: u64,
    /// See [`TokenClass::Output`].
    pub output: u64,
    /// See [`TokenClass::Reasoning`].
    pub reasoning: u64,
    /// See [`TokenClass::OutputAudio`].
    pub output_audio: u64,
    /// See [`TokenClass::WebSearch`].
    pub web_search: u64,
}

impl Usage {
    /// Units of one class.
    pub fn of(&self, class: TokenClass) -> u64 {
        match class {
            TokenClass::Input => self.input,
            TokenClass::CacheRead => self.cache_read,
            TokenClass::CacheWrite => self.cache_write,
            TokenClass::CacheWriteLong => self.cache_write_long,
            TokenClass::InputAudio => self.input_audio,
            TokenClass::CacheReadAudio => self.cache_read_audio,
            TokenClass::Output => self.output,
            TokenClass::Reasoning => self.reasoning,
            TokenClass::OutputAudio => self.output_audio,
            TokenClass::WebSearch => self.web_search,
        }
    }

    /// All tokens the model read, cached or not.
    pub fn total_input(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_write_long)
            .saturating_add(self.input_audio)
            .saturating_add(self.cache_read_audio)
    }

    /// All tokens the model wrote, thinking included.
    pub fn total_output(&self) -> u64 {
        self.output.saturating_add(self.reasoning).saturating_add(self.output_audio)
    }

    /// The sum of both, class by class.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            cache_write_long: self.cache_write_long.saturating_add(other.cache_write_long),
            input_audio: self.input_audio.saturating_add(other.input_audio),
            cache_read_audio: self.cache_read_audio.saturating_add(other.cache_read_audio),
            output: self.output.saturating_add(other.output),
            reasoning: self.reasoning.saturating_add(other.reasoning),
            output_audio: self.output_audio.saturating_add(other.output_audio),
            web_search: self.web_search.saturating_add(other.web_search),
        }
    }
}

/// Usage as a provider reported it for one call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageReport {
    /// Units by class.
    pub usage: Usage,
    /// What the provider says it charged (OpenRouter `usage.cost`, xAI `cost_in_usd_ticks`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported_cost: Option<Money>,
    /// The service tier that really served the call, when the provider says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// True where the gateway counted because the provider did not.
    pub is_estimate: bool,
}
