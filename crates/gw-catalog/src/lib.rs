//! Models: what they are, who offers them, what they cost, and in which layer they stand.
//!
//! Knows no HTTP and no store: an embedded data file plus overrides from configuration.

pub mod offering;
pub mod price;

pub mod identity;
pub mod price_text;
pub mod rules;

pub mod embedded;
pub mod layers;

pub mod assemble;
pub mod catalog;
pub mod options;

pub mod discover;
pub mod listing;
pub mod resolve;

pub use catalog::Catalog;
pub use layers::Bands;
pub use offering::{Capabilities, Modality, Offering};
pub use options::{CatalogOptions, Decimal, ModelOverride, ModelPrices};
pub use price::{DatedPrice, PriceTable};
pub use resolve::{MatchedBy, Resolution};
