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
    /// Pictures seen, where the provider counts them apart.
    InputImage,
    /// Pictures seen, served from the prompt cache.
    CacheReadImage,
    /// Text written, thinking excluded.
    Output,
    /// Thinking, where the provider counts it apart.
    Reasoning,
    /// Audio spoken.
    OutputAudio,
    /// Pictures made, where the provider counts them apart.
    OutputImage,
    /// Searches made by the provider's own web search tool (a count, not tokens).
    WebSearch,
    /// Searches of a rerank model: what Cohere calls search units (a count, not tokens).
    RerankSearch,
    /// Pages read by a document model (a count, not tokens).
    Page,
    /// Pictures made by a model that is paid by the picture (a count, not tokens).
    Image,
    /// Characters spoken by a model that is paid by the character (a count, not tokens).
    Character,
    /// Seconds heard by a model that is paid by the second (a count, not tokens).
    Second,
}

impl TokenClass {
    /// All classes, inputs first.
    pub const ALL: [Self; 18] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWriteLong,
        Self::InputAudio,
        Self::CacheReadAudio,
        Self::InputImage,
        Self::CacheReadImage,
        Self::Output,
        Self::Reasoning,
        Self::OutputAudio,
        Self::OutputImage,
        Self::WebSearch,
        Self::RerankSearch,
        Self::Page,
        Self::Image,
        Self::Character,
        Self::Second,
    ];

    /// The word in files and in JSON: `cache_read`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::CacheWriteLong => "cache_write_long",
            Self::InputAudio => "input_audio",
            Self::CacheReadAudio => "cache_read_audio",
            Self::InputImage => "input_image",
            Self::CacheReadImage => "cache_read_image",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::OutputAudio => "output_audio",
            Self::OutputImage => "output_image",
            Self::WebSearch => "web_search",
            Self::RerankSearch => "rerank_search",
            Self::Page => "page",
            Self::Image => "image",
            Self::Character => "character",
            Self::Second => "second",
        }
    }

    /// Where it stands on a bill.
    pub const fn side(self) -> Side {
        match self {
            Self::Input
            | Self::CacheRead
            | Self::CacheWrite
            | Self::CacheWriteLong
            | Self::InputAudio
            | Self::CacheReadAudio
            | Self::InputImage
            | Self::CacheReadImage => Side::Read,
            Self::Output | Self::Reasoning | Self::OutputAudio | Self::OutputImage => Side::Written,
            Self::WebSearch
            | Self::RerankSearch
            | Self::Page
            | Self::Image
            | Self::Character
            | Self::Second => Side::Fee,
        }
    }
}

/// Where a class of units stands on a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Tokens read.
    Read,
    /// Tokens written.
    Written,
    /// Counted by the piece: no tokens.
    Fee,
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
    /// See [`TokenClass::InputImage`].
    pub input_image: u64,
    /// See [`TokenClass::CacheReadImage`].
    pub cache_read_image: u64,
    /// See [`TokenClass::Output`].
    pub output: u64,
    /// See [`TokenClass::Reasoning`].
    pub reasoning: u64,
    /// See [`TokenClass::OutputAudio`].
    pub output_audio: u64,
    /// See [`TokenClass::OutputImage`].
    pub output_image: u64,
    /// See [`TokenClass::WebSearch`].
    pub web_search: u64,
    /// See [`TokenClass::RerankSearch`].
    pub rerank_search: u64,
    /// See [`TokenClass::Page`].
    pub page: u64,
    /// See [`TokenClass::Image`].
    pub image: u64,
    /// See [`TokenClass::Character`].
    pub character: u64,
    /// See [`TokenClass::Second`].
    pub second: u64,
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
            TokenClass::InputImage => self.input_image,
            TokenClass::CacheReadImage => self.cache_read_image,
            TokenClass::Output => self.output,
            TokenClass::Reasoning => self.reasoning,
            TokenClass::OutputAudio => self.output_audio,
            TokenClass::OutputImage => self.output_image,
            TokenClass::WebSearch => self.web_search,
            TokenClass::RerankSearch => self.rerank_search,
            TokenClass::Page => self.page,
            TokenClass::Image => self.image,
            TokenClass::Character => self.character,
            TokenClass::Second => self.second,
        }
    }

    /// The place of a class.
    fn slot(&mut self, class: TokenClass) -> &mut u64 {
        match class {
            TokenClass::Input => &mut self.input,
            TokenClass::CacheRead => &mut self.cache_read,
            TokenClass::CacheWrite => &mut self.cache_write,
            TokenClass::CacheWriteLong => &mut self.cache_write_long,
            TokenClass::InputAudio => &mut self.input_audio,
            TokenClass::CacheReadAudio => &mut self.cache_read_audio,
            TokenClass::InputImage => &mut self.input_image,
            TokenClass::CacheReadImage => &mut self.cache_read_image,
            TokenClass::Output => &mut self.output,
            TokenClass::Reasoning => &mut self.reasoning,
            TokenClass::OutputAudio => &mut self.output_audio,
            TokenClass::OutputImage => &mut self.output_image,
            TokenClass::WebSearch => &mut self.web_search,
            TokenClass::RerankSearch => &mut self.rerank_search,
            TokenClass::Page => &mut self.page,
            TokenClass::Image => &mut self.image,
            TokenClass::Character => &mut self.character,
            TokenClass::Second => &mut self.second,
        }
    }

    /// Adds units of a class, held at the end of the range.
    pub fn add(&mut self, class: TokenClass, units: u64) {
        let slot = self.slot(class);
        *slot = slot.saturating_add(units);
    }

    /// Forgets everything that is counted by the piece.
    pub fn leave_out_fees(&mut self) {
        for class in TokenClass::ALL.into_iter().filter(|class| class.side() == Side::Fee) {
            *self.slot(class) = 0;
        }
    }

    /// Units of all classes of one side.
    fn total(&self, side: Side) -> u64 {
        let classes = TokenClass::ALL.into_iter().filter(|class| class.side() == side);
        classes.map(|class| self.of(class)).fold(0, u64::saturating_add)
    }

    /// All tokens the model read, cached or not.
    pub fn total_input(&self) -> u64 {
        self.total(Side::Read)
    }

    /// All tokens the model wrote, thinking included.
    pub fn total_output(&self) -> u64 {
        self.total(Side::Written)
    }

    /// Tokens served from the provider's prompt cache, of every kind.
    pub fn total_cache_read(&self) -> u64 {
        self.cache_read.saturating_add(self.cache_read_audio).saturating_add(self.cache_read_image)
    }

    /// The sum of both, class by class.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        for class in TokenClass::ALL {
            sum.add(class, other.of(class));
        }
        sum
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
