//! Climbing between layers: system A's `selectInitialLayer`, `getNextLayer` and `canEscalate`.
//!
//! Unlike system A, a step over a switched-off layer never lands above the highest one allowed.

use gw_core::Layer;
use gw_core::task::{Complexity, Quality};

/// Where a question begins, before caps and switches.
pub fn select_initial_layer(
    preferred: Option<Layer>,
    quality: Quality,
    complexity: Complexity,
    default_layer: Layer,
) -> Layer {
    match (preferred, quality, complexity) {
        (Some(layer), _, _) => layer,
        (None, Quality::Critical, _) => Layer::L2,
        (None, Quality::High, Complexity::High) => Layer::L1,
        (None, _, _) => default_layer,
    }
}

/// The next layer above that is switched on and not above `max`; `None` from a layer that is
/// switched off itself.
pub fn next_layer(layer: Layer, enabled: &[bool; 4], max: Layer) -> Option<Layer> {
    if !enabled[layer.index()] {
        return None;
    }
    Layer::ALL.into_iter().find(|&next| next > layer && next <= max && enabled[next.index()])
}

/// True where a better answer may be sought one layer up.
pub fn can_escalate(layer: Layer, enabled: &[bool; 4], max: Layer, is_free_only: bool) -> bool {
    !is_free_only && next_layer(layer, enabled, max).is_some()
}

/// The order in which layers are searched for a model: `start`, upwards to `ceiling`, then from
/// `start` down to `floor`; switched-off layers are left out.
pub(crate) fn search_order(
    start: Layer,
    floor: Layer,
    ceiling: Layer,
    enabled: &[bool; 4],
) -> Vec<Layer> {
    let is_on = |layer: &Layer| enabled[layer.index()];
    let up = Layer::ALL.into_iter().filter(|&layer| layer >= start && layer <= ceiling);
    let down = Layer::ALL.into_iter().rev().filter(|&layer| layer < start && layer >= floor);
    up.chain(down).filter(is_on).collect()
}

#[cfg(test)]
mod tests;
