//! Layers: bands of price in which the router climbs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A layer of models: L0 free, L1 cheap, L2 mid, L3 premium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Layer {
    /// Free models, local ones included.
    L0,
    /// Cheap models.
    L1,
    /// Mid-priced models.
    L2,
    /// Premium models.
    L3,
}

impl Layer {
    /// All layers, cheapest first.
    pub const ALL: [Self; 4] = [Self::L0, Self::L1, Self::L2, Self::L3];

    /// `L0` to `L3`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::L0 => "L0",
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
        }
    }

    /// Position in [`Layer::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not `L0`, `L1`, `L2` or `L3` (in either case).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a layer; use L0, L1, L2 or L3")]
pub struct NotALayer(pub String);

impl FromStr for Layer {
    type Err = NotALayer;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|layer| layer.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| NotALayer(text.to_owned()))
    }
}
