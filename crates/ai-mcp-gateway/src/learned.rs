//! What was learned, from a file or as it comes with the program, made ready for calls.

use std::path::Path;
use std::sync::Arc;

use gw_config::Settings;
use gw_config::section::routing::Policy;
use gw_core::{Error, Kind, Money, Result};
use gw_engine::Learning;
use gw_routing::estimate::Estimator;
use gw_routing::learned::Learned;

/// Largest file of `route learn` that is read, in bytes.
const LEARNED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What public outcome data says, made by `cargo run -p xtask -- prior`; its sources stand in
/// `data/prior.md`.
const PRIOR: &[u8] = include_bytes!("../data/prior.bin");

/// How calls use what was learned.
///
/// # Errors
/// [`Kind::NotConfigured`] for a file that cannot be read or is none of `route learn`.
pub(crate) fn learning(settings: &Settings) -> Result<Learning> {
    let routing = &settings.routing;
    let options = &routing.learned;
    let learned = match routing.policy {
        Policy::Layers => None,
        Policy::Learned => Some(Arc::new(match &options.file {
            Some(file) => from_file(file, "routing.learned.file")?,
            None => prior()?,
        })),
    };
    let spend = options.spend_usd_per_hour;
    Ok(Learning {
        learned,
        answer_value: options.answer_value_usd,
        spend_per_hour: (spend > Money::ZERO).then_some(spend),
        explore_ppm: options.explore_per_thousand.saturating_mul(1_000),
        keeps_prompts: options.keep_prompts,
    })
}

/// What a file of `route learn` holds. `field` names what named the file.
///
/// # Errors
/// [`Kind::NotConfigured`].
pub(crate) fn from_file(file: &Path, field: &str) -> Result<Learned> {
    let bad = |what: String| {
        Error::new(Kind::NotConfigured, format!("{}: {what}", file.display()))
            .with_field(field)
            .with_hint("Write it with `ai-mcp-gateway route learn --out FILE`.")
    };
    let size = std::fs::metadata(file).map_err(|error| bad(error.to_string()))?;
    if size.len() > LEARNED_BYTES_MAX {
        return Err(bad("is too large".to_owned()));
    }
    let bytes = std::fs::read(file).map_err(|error| bad(error.to_string()))?;
    let estimator = Estimator::from_bytes(&bytes).map_err(|error| bad(error.full_message()))?;
    Ok(Learned::new(estimator, file.display().to_string()))
}

/// The prior that comes with the program.
///
/// # Errors
/// [`Kind::Internal`] where the program was built with a prior of another version.
pub(crate) fn prior() -> Result<Learned> {
    let estimator = Estimator::from_bytes(PRIOR)
        .map_err(|error| Error::internal("the shipped prior cannot be read").with_source(error))?;
    Ok(Learned::new(estimator, "the shipped prior"))
}

#[cfg(test)]
mod tests {
    use super::prior;

    #[test]
    fn the_shipped_prior_is_of_this_version_and_knows_models_that_are_sold() {
        let prior = prior().expect("made again after signals changed: `xtask prior`");
        let catalog = gw_catalog::Catalog::build(&gw_catalog::CatalogOptions::default())
            .expect("the embedded catalogue");
        let known = catalog.offerings().iter().filter(|it| prior.place(it).is_some()).count();
        assert!(known >= 20, "{known}");
    }
}
