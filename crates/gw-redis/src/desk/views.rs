//! How budgets and limits stand, as far as this instance knows: its own part exactly, the others'
//! by the last answer of Redis.

use super::{Amount, BudgetStatus, Definition, Desk, LimitStatus, Room, Scope};
use crate::account::Course;
use gw_ledger::window::resets_at_ms;

impl Desk {
    /// What is left for a call of these scopes.
    pub(crate) fn room(&self, scopes: &[Scope], at_ms: i64) -> Room {
        let mut room = Room::default();
        for place in self.budgets_of(scopes) {
            let Some(status) = self.budget_status(place, at_ms) else { continue };
            if let Some(layer) = status.budget.max_layer {
                room.max_layer = Some(room.max_layer.map_or(layer, |lowest| lowest.min(layer)));
            }
            if !status.budget.is_hard {
                continue;
            }
            match status.remaining() {
                Amount::Dollars(left) => {
                    room.dollars = Some(room.dollars.map_or(left, |least| least.min(left)));
                }
                Amount::Tokens(left) => {
                    room.tokens = Some(room.tokens.map_or(left, |least| least.min(left)));
                }
            }
        }
        room
    }

    /// All budgets, by id.
    pub(crate) fn budgets(&self, at_ms: i64) -> Vec<BudgetStatus> {
        let places = 0..self.rules.len();
        let mut all: Vec<_> = places.filter_map(|at| self.budget_status(at, at_ms)).collect();
        all.sort_by(|a, b| a.budget.id.cmp(&b.budget.id));
        all
    }

    /// Limits of these scopes, or all of them, by id.
    pub(crate) fn limits(&self, scopes: Option<&[Scope]>, now_ms: u64) -> Vec<LimitStatus> {
        let places = match scopes {
            Some(scopes) => self.rules_of(scopes),
            None => (0..self.rules.len()).collect(),
        };
        let mut all: Vec<_> =
            places.into_iter().filter_map(|at| self.limit_status(at, now_ms)).collect();
        all.sort_by(|a, b| a.limit.id.cmp(&b.limit.id));
        all
    }

    /// Has all budgets in use at this instant looked up in Redis with the next messages.
    pub(crate) fn touch_budgets(&mut self, at_ms: i64, now_ms: u64) {
        for place in 0..self.rules.len() {
            if matches!(&self.rules[place], Some(rule) if matches!(rule.definition, Definition::Budget(_)))
            {
                let share = self.share_at(place, at_ms, now_ms);
                if let Some(share) = &mut self.shares[share] {
                    share.is_dirty = true;
                }
            }
        }
    }

    fn budget_status(&self, place: usize, at_ms: i64) -> Option<BudgetStatus> {
        let rule = self.rules.get(place)?.as_ref()?;
        let Definition::Budget(budget) = &rule.definition else { return None };
        let share = rule.shares.iter().find(|(span, _)| span.contains(at_ms));
        let share = share.and_then(|(_, share)| self.shares[*share].as_ref());
        let (spent, held) = share.map_or((0, 0), |share| {
            // Of what is held in Redis, this instance's lease is known to be less in truth.
            let others = (share.held_all - share.lease_told).max(0);
            (share.spent_all + share.unreported(), others + share.reserved)
        });
        Some(BudgetStatus {
            spent: budget.cap.with_number(spent),
            reserved: budget.cap.with_number(held),
            resets_at_ms: resets_at_ms(budget.window, at_ms),
            budget: budget.clone(),
        })
    }

    fn limit_status(&self, place: usize, now_ms: u64) -> Option<LimitStatus> {
        let rule = self.rules.get(place)?.as_ref()?;
        let Definition::Limit(limit) = &rule.definition else { return None };
        let share = rule.shares.first().and_then(|(_, share)| self.shares[*share].as_ref());
        let used = share.map_or(0, |share| {
            let others = (share.held_all - share.lease_told).max(0);
            share.spent_all + others + share.unreported() + share.reserved
        });
        let left = (i128::from(limit.max) - used).max(0);
        let reset_ms = match share {
            Some(share) if share.course == Course::Minute && used > 0 => {
                // Where only others counted, nobody here knows when: a minute at most.
                let leaves_ms = share.last_slot().map(|slot| slot.saturating_add(61) * 1_000);
                let left_ms = leaves_ms.map_or(60_000, |at_ms| at_ms - self.redis_ms(now_ms));
                u64::try_from(left_ms).unwrap_or(0)
            }
            _ => 0,
        };
        Some(LimitStatus {
            limit: limit.clone(),
            remaining: u64::try_from(left).unwrap_or(u64::MAX),
            reset_ms,
        })
    }
}
