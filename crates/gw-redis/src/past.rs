//! What the durable store knows and Redis does not: the base of counters that Redis never saw, and
//! what dead instances spent.

use std::collections::BTreeMap;

use gw_core::budget::{Budget, Spending, Window};
use gw_core::ids::InstanceId;
use gw_core::scope::Scope;
use gw_core::seam::{Budgets, Instances};
use gw_core::{Error, Kind, Result};

use crate::account::Definition;
use crate::desk::counter;
use crate::message::{Counter, DeadSpent, Num, SlotSum};

/// Attempts to read a base while instances write to the store.
const ATTEMPTS: usize = 5;

/// The base of a counter: of each known instance by slot, and the rest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) rest: Vec<SlotSum>,
    pub(crate) owns: Vec<(String, String, Num)>,
}

type Owns = BTreeMap<(InstanceId, i64), i128>;

/// Reads the base of a budget's counter.
///
/// The sums of a scope and those of instances are read one after the other; when the instances' own
/// are the same before and after, all are of one instant.
pub(crate) async fn base(
    budgets: &dyn Budgets,
    instances: &dyn Instances,
    budget: &Budget,
    at_ms: i64,
) -> Result<Base> {
    let definition = Definition::Budget(budget.clone());
    let mut before = owns(instances, &definition, at_ms).await?;
    let mut sums = Vec::new();
    for _ in 0..ATTEMPTS {
        sums = spent(budgets, budget, at_ms).await?;
        let after = owns(instances, &definition, at_ms).await?;
        let is_still = before == after;
        before = after;
        if is_still {
            break;
        }
    }
    // Without a quiet moment the rest may hold a little of the instances' own as well: counted
    // twice, which refuses early and never overspends.
    let mut rest: BTreeMap<i64, i128> = BTreeMap::new();
    for spending in sums {
        *rest.entry(spending.slot_ms).or_default() += definition.spent_of(&spending);
    }
    let is_lifetime = budget.window == Window::Lifetime;
    for ((_, slot), amount) in &before {
        *rest.entry(if is_lifetime { 0 } else { *slot }).or_default() -= amount;
    }
    let text = |slot: i64| slot.to_string();
    Ok(Base {
        rest: rest
            .into_iter()
            .filter(|(_, amount)| *amount > 0)
            .map(|(slot, amount)| (text(slot), Num(amount)))
            .collect(),
        owns: before
            .into_iter()
            .filter(|(_, amount)| *amount > 0)
            .map(|((id, slot), amount)| (id.as_str().to_owned(), text(slot), Num(amount)))
            .collect(),
    })
}

/// What was spent of a budget in the window of an instant, by all and for all the store knows.
pub(crate) async fn sum(budgets: &dyn Budgets, budget: &Budget, at_ms: i64) -> Result<i128> {
    let definition = Definition::Budget(budget.clone());
    let all = spent(budgets, budget, at_ms).await?;
    Ok(all.iter().map(|spending| definition.spent_of(spending)).sum())
}

async fn spent(budgets: &dyn Budgets, budget: &Budget, at_ms: i64) -> Result<Vec<Spending>> {
    let definition = Definition::Budget(budget.clone());
    if budget.window == Window::Lifetime {
        return Ok(vec![budgets.lifetime_spending(&budget.scope).await?]);
    }
    let stretch = definition.stretch(at_ms);
    let from_ms = definition.first_slot(at_ms).unwrap_or(stretch.from_ms);
    let all = budgets.spending(&budget.scope, from_ms).await?;
    Ok(all.into_iter().filter(|spending| stretch.contains(spending.slot_ms)).collect())
}

async fn owns(instances: &dyn Instances, definition: &Definition, at_ms: i64) -> Result<Owns> {
    let stretch = definition.stretch(at_ms);
    let first = definition.first_slot(at_ms).unwrap_or(i64::MIN);
    let mut owns = Owns::new();
    for instance in instances.instances().await? {
        for (scope, spending) in instances.instance_spending(&instance.id).await? {
            let counts = scope == *definition.scope()
                && stretch.contains(spending.slot_ms)
                && spending.slot_ms >= first;
            if counts {
                let amount = definition.spent_of(&spending);
                *owns.entry((instance.id.clone(), spending.slot_ms)).or_default() += amount;
            }
        }
    }
    Ok(owns)
}

/// What an instance spent, on every counter that the definitions make of it.
pub(crate) fn by_counter(
    spendings: &[(Scope, Spending)],
    definitions: &[Definition],
    at_ms: i64,
) -> Vec<DeadSpent> {
    let mut counters: BTreeMap<String, (Counter, BTreeMap<i64, i128>)> = BTreeMap::new();
    for definition in definitions {
        let Definition::Budget(budget) = definition else { continue };
        for (_, spending) in spendings.iter().filter(|(scope, _)| *scope == budget.scope) {
            let stretch = definition.stretch(spending.slot_ms);
            let key = definition.key(stretch);
            let (_, slots) = counters
                .entry(key.clone())
                .or_insert_with(|| (counter(definition, stretch, &key, at_ms), BTreeMap::new()));
            *slots.entry(spending.slot_ms).or_default() += definition.spent_of(spending);
        }
    }
    counters
        .into_values()
        .map(|(counter, slots)| DeadSpent {
            counter,
            slots: slots
                .into_iter()
                .filter(|(_, amount)| *amount > 0)
                .map(|(slot, amount)| (slot.to_string(), Num(amount)))
                .collect(),
        })
        .filter(|spent| !spent.slots.is_empty())
        .collect()
}

/// The same wait for the durable store everywhere.
pub(crate) async fn in_time<T>(what: impl Future<Output = Result<T>> + Send, ms: u64) -> Result<T> {
    match tokio::time::timeout(std::time::Duration::from_millis(ms), what).await {
        Ok(done) => done,
        Err(_) => Err(Error::new(Kind::StoreUnavailable, "the durable store is slow")),
    }
}
