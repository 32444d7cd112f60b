//! Our ledger against a provider's own account of the same days: calls, tokens and money, model by
//! model. Knows no provider's format: both sides come as plain lines.

use std::collections::BTreeMap;

use gw_core::Money;

/// What one side says of a model on a day. `None`: it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// Calls that were answered.
    pub calls: Option<u64>,
    /// Tokens read, cached ones included.
    pub input_tokens: Option<u64>,
    /// Tokens written.
    pub output_tokens: Option<u64>,
    /// What was charged.
    pub cost: Option<Money>,
}

impl Statement {
    /// The sum of both: what neither says stays unsaid.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let count = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Self {
            calls: count(self.calls, other.calls),
            input_tokens: count(self.input_tokens, other.input_tokens),
            output_tokens: count(self.output_tokens, other.output_tokens),
            cost: match (self.cost, other.cost) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            },
        }
    }
}

/// Both sides of a model on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// `2026-08-31`, UTC.
    pub day: String,
    /// The model, under one name for both sides.
    pub model: String,
    /// What we have.
    pub ours: Statement,
    /// What the provider says.
    pub theirs: Statement,
}

/// A difference that may pass, as a share of the provider's figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance(i64);

impl Tolerance {
    /// Reads per cent, such as `0.5`.
    pub fn from_percent(text: &str) -> Option<Self> {
        Money::from_usd_decimal(text).filter(|it| *it >= Money::ZERO).map(|it| Self(it.pico()))
    }

    /// True where the two are as near as that, or one of them is not known.
    fn passes(self, ours: Option<i128>, theirs: Option<i128>) -> bool {
        let (Some(ours), Some(theirs)) = (ours, theirs) else { return true };
        // Per cent in 10⁻¹² of one: |a - b| / b <= p / 100.
        let off = (ours - theirs).abs().saturating_mul(100 * 1_000_000_000_000);
        off <= theirs.abs().saturating_mul(i128::from(self.0))
    }
}

impl Line {
    /// Calls that the provider counts and we lack.
    pub fn calls_we_lack(&self) -> u64 {
        match (self.ours.calls, self.theirs.calls) {
            (ours, Some(theirs)) => theirs.saturating_sub(ours.unwrap_or(0)),
            _ => 0,
        }
    }

    /// What we have beyond the provider's figure (below zero: what we lack); `None` where one side
    /// does not say.
    pub fn cost_difference(&self) -> Option<Money> {
        Some(self.ours.cost?.saturating_sub(self.theirs.cost?))
    }

    /// The same of all tokens.
    pub fn token_difference(&self) -> Option<i128> {
        Some(tokens(&self.ours)? - tokens(&self.theirs)?)
    }

    /// True where calls, tokens and money agree as far as is tolerated.
    pub fn agrees(&self, tolerance: Tolerance) -> bool {
        let count = |of: fn(&Statement) -> Option<u64>| {
            tolerance.passes(of(&self.ours).map(i128::from), of(&self.theirs).map(i128::from))
        };
        let cost = |side: &Statement| side.cost.map(|cost| i128::from(cost.pico()));
        count(|side| side.calls)
            && count(|side| side.input_tokens)
            && count(|side| side.output_tokens)
            && tolerance.passes(cost(&self.ours), cost(&self.theirs))
    }
}

fn tokens(side: &Statement) -> Option<i128> {
    Some(i128::from(side.input_tokens?) + i128::from(side.output_tokens?))
}

/// One side's statements, by day and model.
pub type Side = BTreeMap<(String, String), Statement>;

/// Adds a statement to a side.
pub fn add(side: &mut Side, day: String, model: String, statement: &Statement) {
    let slot = side.entry((day, model)).or_default();
    *slot = slot.plus(statement);
}

/// Lays both sides beside one another. What only one side has stands against nothing: zero of
/// whatever the other one says.
pub fn reconcile(ours: &Side, theirs: &Side) -> Vec<Line> {
    let mut keys: Vec<&(String, String)> = ours.keys().chain(theirs.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let line = |key: &(String, String)| {
        let (own, other) = (ours.get(key), theirs.get(key));
        Line {
            day: key.0.clone(),
            model: key.1.clone(),
            ours: own.cloned().unwrap_or_else(|| nothing_of(other)),
            theirs: other.cloned().unwrap_or_else(|| nothing_of(own)),
        }
    };
    keys.into_iter().map(line).collect()
}

fn nothing_of(other: Option<&Statement>) -> Statement {
    let Some(other) = other else { return Statement::default() };
    Statement {
        calls: other.calls.map(|_| 0),
        input_tokens: other.input_tokens.map(|_| 0),
        output_tokens: other.output_tokens.map(|_| 0),
        cost: other.cost.map(|_| Money::ZERO),
    }
}

/// Both sides of all lines together.
pub fn total(lines: &[Line]) -> Line {
    lines.iter().fold(Line::default(), |sum, line| Line {
        ours: sum.ours.plus(&line.ours),
        theirs: sum.theirs.plus(&line.theirs),
        ..sum
    })
}

#[cfg(test)]
mod tests {
    use gw_core::Money;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{Line, Side, Statement, Tolerance, add, reconcile, total};

    fn said(calls: u64, input: u64, cost: Option<i64>) -> Statement {
        Statement {
            calls: Some(calls),
            input_tokens: Some(input),
            output_tokens: Some(0),
            cost: cost.map(Money::from_pico),
        }
    }

    fn side(lines: &[(&str, &str, Statement)]) -> Side {
        let mut side = Side::new();
        for (day, model, statement) in lines {
            add(&mut side, (*day).to_owned(), (*model).to_owned(), statement);
        }
        side
    }

    #[test]
    fn what_one_side_lacks_is_a_difference() {
        let ours = side(&[("d1", "a", said(2, 100, Some(50))), ("d1", "b", said(1, 5, Some(7)))]);
        let theirs = side(&[
            ("d1", "a", said(1, 60, Some(30))),
            ("d1", "a", said(2, 60, Some(30))),
            ("d2", "a", said(4, 1, Some(9))),
        ]);
        let lines = reconcile(&ours, &theirs);
        let seen: Vec<(&str, &str, u64, Option<i64>)> = lines
            .iter()
            .map(|line| {
                let off = line.cost_difference().map(Money::pico);
                (line.day.as_str(), line.model.as_str(), line.calls_we_lack(), off)
            })
            .collect();
        let wanted = [("d1", "a", 1, Some(-10)), ("d1", "b", 0, Some(7)), ("d2", "a", 4, Some(-9))];
        assert_eq!(seen, wanted);
        let all = total(&lines);
        assert_eq!((all.calls_we_lack(), all.cost_difference()), (4, Some(Money::from_pico(-12))));
    }

    #[test]
    fn what_nobody_says_is_no_difference() {
        let tolerance = Tolerance::from_percent("0").expect("per cent");
        let ours = said(1, 10, Some(5));
        let theirs = Statement { calls: None, cost: None, ..said(0, 10, None) };
        let line = Line { ours, theirs, ..Line::default() };
        assert!(line.agrees(tolerance));
        assert_eq!((line.cost_difference(), line.calls_we_lack()), (None, 0));
    }

    #[test]
    fn tolerance_is_a_share_of_their_figure() {
        let line = |ours, theirs| Line {
            ours: said(1, ours, None),
            theirs: said(1, theirs, None),
            ..Line::default()
        };
        let one = Tolerance::from_percent("1").expect("per cent");
        assert!(line(101, 100).agrees(one) && line(99, 100).agrees(one));
        assert!(!line(102, 100).agrees(one) && !line(1, 0).agrees(one) && line(0, 0).agrees(one));
        assert_eq!(Tolerance::from_percent("-1"), None);
    }

    proptest! {
        /// The lines' differences are the whole difference, and equal sides agree exactly.
        #[test]
        fn nothing_is_lost(counts in proptest::collection::vec(any::<(u8, u8, u32, u32)>(), 0..20)) {
            let (mut ours, mut theirs) = (Side::new(), Side::new());
            for (day, model, a, b) in counts {
                let key = || ((day % 3).to_string(), (model % 3).to_string());
                add(&mut ours, key().0, key().1, &said(1, u64::from(a), Some(i64::from(a))));
                add(&mut theirs, key().0, key().1, &said(1, u64::from(b), Some(i64::from(b))));
            }
            let lines = reconcile(&ours, &theirs);
            let sum: i128 = lines.iter().filter_map(Line::token_difference).sum();
            prop_assert_eq!(sum, total(&lines).token_difference().unwrap_or(0));
            let zero = Tolerance::from_percent("0").expect("per cent");
            prop_assert!(reconcile(&ours, &ours).iter().all(|line| line.agrees(zero)));
        }
    }
}
