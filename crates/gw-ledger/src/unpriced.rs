//! What to do with a model whose price is not known: let it pass and say so, reckon it at a ceiling,
//! or refuse it. Never: take it for free.

use gw_core::money::CostSource;
use gw_core::{Cost, Error, Kind, Money, Rate, Result, Usage};

/// The policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unpriced {
    /// Calls pass; their cost stays unknown and budgets in dollars do not see them.
    Allow,
    /// Every token, read or written, counts at this rate at least until a price is known.
    Ceiling(Rate),
    /// Calls are refused.
    #[default]
    Deny,
}

impl Unpriced {
    /// The worst case to reserve for a model of this name.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] where unpriced models are refused.
    pub fn worst_case(
        self,
        worst: Option<Money>,
        worst_tokens: u64,
        model_id: &str,
    ) -> Result<Option<Money>> {
        match (worst, self) {
            (Some(worst), _) => Ok(Some(worst)),
            (None, Self::Allow) => Ok(None),
            (None, Self::Ceiling(rate)) => Ok(Some(rate.times(worst_tokens))),
            (None, Self::Deny) => {
                Err(Error::new(Kind::Forbidden, format!("model `{model_id}` has no known price"))
                    .with_hint(
                        "Give it a price under [[models]] in gateway.toml, or set cost.unpriced = \
                         \"allow\".",
                    ))
            }
        }
    }

    /// The cost to book: an unpriced one becomes an estimate where there is a ceiling.
    pub fn cost(self, cost: Cost, usage: &Usage) -> Cost {
        match (cost, self) {
            (Cost::Unpriced { .. }, Self::Ceiling(rate)) => {
                let tokens = usage.total_input().saturating_add(usage.total_output());
                Cost::Priced { amount: rate.times(tokens), source: CostSource::Estimated }
            }
            (cost, _) => cost,
        }
    }
}

#[cfg(test)]
mod tests {
    use gw_core::{Cost, Kind, Money, Rate, Usage};

    use super::Unpriced;

    #[test]
    fn unknown_is_never_free() {
        let ceiling = Unpriced::Ceiling(Rate::from_pico_per_unit(3));
        let known = Some(Money::from_pico(5));
        for policy in [Unpriced::Allow, ceiling, Unpriced::Deny] {
            assert_eq!(policy.worst_case(known, 10, "m").expect("known"), known);
        }
        assert_eq!(Unpriced::Allow.worst_case(None, 10, "m").expect("allowed"), None);
        let held = ceiling.worst_case(None, 10, "m").expect("a ceiling");
        assert_eq!(held, Some(Money::from_pico(30)));
        let error = Unpriced::Deny.worst_case(None, 10, "m").expect_err("denied");
        assert_eq!(error.kind(), Kind::Forbidden);
        let usage = Usage { input: 4, reasoning: 2, ..Usage::default() };
        let unknown = Cost::Unpriced { reason: "x".into() };
        assert_eq!(ceiling.cost(unknown.clone(), &usage).amount(), Some(Money::from_pico(18)));
        assert_eq!(Unpriced::Allow.cost(unknown.clone(), &usage), unknown);
    }
}
