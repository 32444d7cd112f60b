//! What the `model` field of a request asks for.

use gw_core::Layer;

/// What the `model` field says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelField {
    /// A model by one of its names, or an alias; the catalogue knows which.
    Named(String),
    /// `L0` to `L3`.
    Layer(Layer),
    /// `auto:L0-L2`: the router decides within these, both included.
    Range(Layer, Layer),
    /// `auto`, empty or absent: the router decides.
    Auto,
}

/// Reads the `model` field. Case does not count, except in names, and `auto:L2-L0` means what
/// `auto:L0-L2` means; whatever is neither a layer nor a range is a name.
pub fn parse_model_field(text: &str) -> ModelField {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("auto") {
        return ModelField::Auto;
    }
    if let Ok(layer) = text.parse() {
        return ModelField::Layer(layer);
    }
    let range = text.split_once(':').filter(|(word, _)| word.trim().eq_ignore_ascii_case("auto"));
    match range.and_then(|(_, range)| layers_of(range)) {
        Some((low, high)) if low == high => ModelField::Layer(low),
        Some((low, high)) => ModelField::Range(low, high),
        None => ModelField::Named(text.to_owned()),
    }
}

fn layers_of(range: &str) -> Option<(Layer, Layer)> {
    let (first, second) = range.split_once('-').unwrap_or((range, range));
    let (first, second): (Layer, Layer) = (first.parse().ok()?, second.parse().ok()?);
    Some((first.min(second), first.max(second)))
}

#[cfg(test)]
mod tests {
    use super::{ModelField, parse_model_field};
    use gw_core::Layer;

    #[test]
    fn the_model_field_names_a_model_a_layer_a_range_or_nothing() {
        let named = |name: &str| ModelField::Named(name.to_owned());
        for (text, expected) in [
            ("", ModelField::Auto),
            (" ", ModelField::Auto),
            ("auto", ModelField::Auto),
            ("Auto", ModelField::Auto),
            ("L2", ModelField::Layer(Layer::L2)),
            ("l0", ModelField::Layer(Layer::L0)),
            ("auto:L0-L2", ModelField::Range(Layer::L0, Layer::L2)),
            ("AUTO:l3-l1", ModelField::Range(Layer::L1, Layer::L3)),
            ("auto:L1", ModelField::Layer(Layer::L1)),
            ("auto:L1-L1", ModelField::Layer(Layer::L1)),
            ("L4", named("L4")),
            ("auto:best", named("auto:best")),
            ("openrouter/auto", named("openrouter/auto")),
            ("gpt-5.6", named("gpt-5.6")),
            (" llama3:8b ", named("llama3:8b")),
        ] {
            assert_eq!(parse_model_field(text), expected, "{text:?}");
        }
    }
}
