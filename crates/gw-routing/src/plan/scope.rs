//! Between which layers a question without a named model is answered, and where it begins.

use gw_core::task::Quality;
use gw_core::{Error, Kind, Layer, Result};

use crate::asked::ModelField;
use crate::layers::{search_order, select_initial_layer};
use crate::plan::screen::Bounds;
use crate::plan::{Question, Snapshot};

/// How a question came to its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The router decides.
    Auto,
    /// The router decides within layers that the caller gave.
    Range,
    /// The caller gave the layer.
    Layer,
    /// Nothing may be spent.
    Free,
}

/// Where a question may be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    pub(super) mode: Mode,
    /// Where it begins.
    pub(super) start: Layer,
    /// Where it should be answered.
    pub(super) wanted: Bounds,
    /// Where it is answered if need be: what is below `wanted` comes last.
    pub(super) allowed: Bounds,
    /// Where stand-ins may come from.
    pub(super) stand_ins: Bounds,
}

impl Scope {
    pub(super) fn of(
        question: &Question<'_>,
        snapshot: &Snapshot<'_>,
        field: &ModelField,
    ) -> Result<Self> {
        let options = snapshot.options;
        if question.is_free_only {
            require_enabled(Layer::L0, snapshot)?;
            return Ok(Self::fixed(Mode::Free, Layer::L0));
        }
        let select = |default: Layer| {
            let preferred = question.preferred_layer;
            select_initial_layer(preferred, question.quality(), question.complexity(), default)
        };
        match *field {
            ModelField::Layer(layer) => {
                require_allowed(layer, question)?;
                require_enabled(layer, snapshot)?;
                Ok(Self::fixed(Mode::Layer, layer))
            }
            ModelField::Range(low, high) => {
                require_allowed(low, question)?;
                let high = high.min(question.max_layer);
                let bounds = Bounds { floor: low, ceiling: high };
                let start = select(options.default_layer).clamp(low, high);
                Ok(Self {
                    mode: Mode::Range,
                    start,
                    wanted: bounds,
                    allowed: bounds,
                    stand_ins: bounds,
                })
            }
            ModelField::Auto | ModelField::Named(_) => {
                let ceiling = options.ceiling().min(question.max_layer);
                let start = select(options.default_layer).min(ceiling);
                let is_critical = question.quality() == Quality::Critical;
                let floor = if is_critical { start.min(Layer::L2) } else { Layer::L0 };
                let allowed = Bounds { floor: Layer::L0, ceiling };
                let wanted = Bounds { floor, ceiling };
                Ok(Self { mode: Mode::Auto, start, wanted, allowed, stand_ins: allowed })
            }
        }
    }

    fn fixed(mode: Mode, layer: Layer) -> Self {
        let only = Bounds::only(layer);
        let stand_ins = Bounds { floor: Layer::L0, ceiling: layer };
        Self { mode, start: layer, wanted: only, allowed: only, stand_ins }
    }

    /// The layers to search, in order, and those to search when these have nothing.
    pub(super) fn stages(&self, enabled: &[bool; 4]) -> [Vec<Layer>; 2] {
        let first = search_order(self.start, self.wanted.floor, self.wanted.ceiling, enabled);
        let all = search_order(self.start, self.allowed.floor, self.allowed.ceiling, enabled);
        let rest = all.into_iter().filter(|layer| !first.contains(layer)).collect();
        [first, rest]
    }

    /// True where the router may leave the layer it began in for a higher one.
    pub(super) fn may_climb(&self) -> bool {
        matches!(self.mode, Mode::Auto | Mode::Range)
    }
}

fn require_allowed(layer: Layer, question: &Question<'_>) -> Result<()> {
    if layer <= question.max_layer {
        return Ok(());
    }
    let message = format!(
        "layer {layer} is above {}, the highest layer that this caller may use",
        question.max_layer
    );
    Err(Error::new(Kind::Forbidden, message)
        .with_hint(format!("Ask for {} or lower, or for `auto`.", question.max_layer)))
}

fn require_enabled(layer: Layer, snapshot: &Snapshot<'_>) -> Result<()> {
    if snapshot.options.is_enabled(layer) {
        return Ok(());
    }
    Err(Error::new(Kind::Forbidden, format!("layer {layer} is switched off"))
        .with_hint(format!("Set LAYER_{layer}_ENABLED=true, or ask for another layer.")))
}
