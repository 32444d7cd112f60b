//! A question whose model the router picks: layer first, then the task's list, then the rank.

use std::sync::Arc;

use gw_catalog::{Offering, Resolution};
use gw_core::task::TaskType;
use gw_core::{Layer, ProviderId, Result};

use crate::asked::ModelField;
use crate::layers::next_layer;
use crate::options::TaskModels;
use crate::plan::draft::{Draft, Why, Words};
use crate::plan::learned::Weighed;
use crate::plan::scope::{Mode, Scope};
use crate::plan::screen::{Bounds, Screen, Verdict, standing};
use crate::plan::{Plan, Question, Snapshot, learned, refusal, stand_in};

/// Candidates kept free for stand-ins when a layer has many models.
const PLACES_FOR_STAND_INS: usize = 2;

/// What an entry of the task's list means here.
struct Entry {
    /// Its place in the list, from 1.
    number: usize,
    offerings: Vec<Arc<Offering>>,
}

/// The layer that a question is answered in, and how it was found.
struct Choice {
    layer: Layer,
    is_listed: bool,
}

pub(super) fn plan(
    question: &Question<'_>,
    snapshot: &Snapshot<'_>,
    failed: &[Arc<Offering>],
    field: &ModelField,
) -> Result<Plan> {
    let scope = Scope::of(question, snapshot, field)?;
    let mut draft = Draft::new(Screen { question, snapshot, failed });
    let list = task_list(&mut draft);
    if let Some(advice) = snapshot.learned
        && scope.may_climb()
        && list.is_empty()
        && let Some(weighed) = learned::offer(&mut draft, &scope, advice)
    {
        return by_learning(draft, &scope, weighed);
    }
    let Some(choice) = choose(&draft, &scope, &list) else {
        return Err(refusal::no_model(&draft.screen, &scope));
    };
    note_passed(&mut draft, &scope, &list, choice.layer);
    offer_listed(&mut draft, &list, choice.layer, None);
    let stand_ins = match first_provider(&draft, choice.layer) {
        Some(failing) => stand_in::for_routed(&mut draft, &failing),
        None => Vec::new(),
    };
    let may_climb = scope.may_climb() && snapshot.options.enable_auto_escalate;
    let kept = stand_ins.len().min(PLACES_FOR_STAND_INS) + usize::from(may_climb);
    let places = draft.room().saturating_sub(kept).max(2);
    offer_pool(&mut draft, choice.layer, places);
    stand_in::offer(&mut draft, stand_ins, scope.stand_ins);
    if may_climb {
        offer_next_layer(&mut draft, &scope, &list, choice.layer);
    }
    // Places kept for others who are not there.
    let room = draft.room();
    offer_pool(&mut draft, choice.layer, room);
    let summary = match scope.mode {
        Mode::Auto | Mode::Range => ("Single model", ""),
        Mode::Layer => ("Direct layer selection", ""),
        Mode::Free => ("Budget enforcement", ", free tier only"),
    };
    let words = Words { summary, reason: reason(question, snapshot, &scope, &choice, &list) };
    draft.finish(&words).ok_or_else(|| refusal::nothing_left(snapshot))
}

/// Fills the places that are left, and words a plan whose models were weighed.
fn by_learning(mut draft: Draft<'_>, scope: &Scope, weighed: Weighed) -> Result<Plan> {
    let Screen { question, snapshot, .. } = draft.screen;
    if let Some(first) = draft.picks.first().map(|pick| Arc::clone(&pick.offering)) {
        let stand_ins = stand_in::for_routed(&mut draft, &first.provider);
        stand_in::offer(&mut draft, stand_ins, scope.stand_ins);
        let room = draft.room();
        offer_pool(&mut draft, standing(&first), room);
    }
    let (task, quality) = (question.task(), question.quality());
    let Bounds { floor, ceiling } = scope.wanted;
    let count = weighed.models.len();
    let words = Words {
        summary: ("Single model", ""),
        reason: format!(
            "auto: task {task}, quality {quality}, {count} models of {floor}-{ceiling} weighed, a good \
             answer is worth ${}",
            weighed.value.to_usd_string()
        ),
    };
    let plan = draft.finish(&words).ok_or_else(|| refusal::nothing_left(snapshot))?;
    Ok(Plan { weighed: Some(weighed), ..plan })
}

/// The task's list, looked up; entries that nobody offers are noted and left out.
fn task_list(draft: &mut Draft<'_>) -> Vec<Entry> {
    let Screen { question, snapshot, .. } = draft.screen;
    let mut entries = Vec::new();
    for (at, name) in snapshot.options.task_models.of(question.task().group()).iter().enumerate() {
        match snapshot.catalog.resolve(name, snapshot.providers) {
            Resolution::Found { candidates, .. } => {
                entries.push(Entry { number: at + 1, offerings: candidates });
            }
            Resolution::NotFound { .. } => draft.pass(name.clone(), None, Verdict::Unknown),
        }
    }
    entries
}

/// The layer to answer in: the nearest one with a model of the list, else the nearest with any.
fn choose(draft: &Draft<'_>, scope: &Scope, list: &[Entry]) -> Option<Choice> {
    let screen = &draft.screen;
    let is_there = |offering: &Arc<Offering>, layer: Layer| {
        screen.admits(offering, Bounds::only(layer)).is_ok()
    };
    for stage in scope.stages(&screen.snapshot.options.layers_enabled) {
        for &layer in &stage {
            let mut listed = list.iter().flat_map(|entry| &entry.offerings);
            if listed.any(|offering| is_there(offering, layer)) {
                return Some(Choice { layer, is_listed: true });
            }
        }
        for &layer in &stage {
            let pool = screen.snapshot.catalog.layer(layer, screen.snapshot.providers);
            if pool.iter().any(|offering| is_there(offering, layer)) {
                return Some(Choice { layer, is_listed: false });
            }
        }
    }
    None
}

/// Notes what is not in the chosen layer: models of the list, and those of layers passed on the way.
fn note_passed(draft: &mut Draft<'_>, scope: &Scope, list: &[Entry], chosen: Layer) {
    let snapshot = draft.screen.snapshot;
    let mut looked_at: Vec<Arc<Offering>> =
        list.iter().flat_map(|entry| entry.offerings.iter().cloned()).collect();
    for layer in scope.stages(&snapshot.options.layers_enabled).concat() {
        if layer == chosen {
            break;
        }
        looked_at.extend(snapshot.catalog.layer(layer, snapshot.providers));
    }
    for offering in looked_at {
        let layer = standing(&offering);
        if layer != chosen {
            let verdict = draft.screen.admits(&offering, scope.allowed);
            let verdict = verdict.err().unwrap_or(Verdict::OtherLayer);
            draft.pass(offering.id(), Some(layer), verdict);
        }
    }
}

/// The list's models of a layer: one for each entry in order, then their other providers.
fn offer_listed(draft: &mut Draft<'_>, list: &[Entry], layer: Layer, why: Option<&Why>) {
    let setting = TaskModels::setting(draft.screen.question.task().group());
    let mut others: Vec<(usize, &Arc<Offering>)> = Vec::new();
    for entry in list {
        let mut is_served = false;
        for offering in &entry.offerings {
            if standing(offering) != layer {
                continue;
            }
            if is_served {
                others.push((entry.number, offering));
                continue;
            }
            let why = why.cloned().unwrap_or(Why::Listed { setting, entry: entry.number });
            is_served = draft.offer(offering, why, Bounds::only(layer));
        }
    }
    for (entry, offering) in others {
        let why = why.cloned().unwrap_or(Why::Listed { setting, entry });
        draft.offer(offering, why, Bounds::only(layer));
    }
}

/// Models of a layer by rank, those made for the task first. The second candidate of the plan comes
/// from another provider if it can; snapshots of models that are there already come last.
fn offer_pool(draft: &mut Draft<'_>, layer: Layer, places: usize) {
    let mut pool = pool(draft, layer);
    let why = |draft: &Draft<'_>| {
        if draft.picks.is_empty() { Why::Ranked(layer) } else { Why::Peer(layer) }
    };
    while draft.picks.len() < places {
        let is_fresh = |offering: &Arc<Offering>| {
            let is_admitted = || draft.screen.admits(offering, Bounds::only(layer)).is_ok();
            !draft.holds_twin(offering) && is_admitted()
        };
        let is_apart = |offering: &Arc<Offering>| {
            !draft.holds_provider(&offering.provider) && is_fresh(offering)
        };
        let wants_other_provider = draft.picks.len() == 1;
        let apart = if wants_other_provider { pool.iter().position(is_apart) } else { None };
        let Some(at) = apart.or_else(|| pool.iter().position(is_fresh)) else { break };
        let offering = pool.remove(at);
        draft.offer(&offering, why(draft), Bounds::only(layer));
    }
    for offering in pool {
        if draft.holds(&offering) {
            continue;
        }
        if draft.picks.len() < places {
            draft.offer(&offering, why(draft), Bounds::only(layer));
        } else {
            let verdict = draft.screen.admits(&offering, Bounds::only(layer));
            draft.pass(offering.id(), Some(layer), verdict.err().unwrap_or(Verdict::NoRoom));
        }
    }
}

/// A layer's models by rank; those made for the task, and those that surely have the room, first.
fn pool(draft: &Draft<'_>, layer: Layer) -> Vec<Arc<Offering>> {
    let Screen { question, snapshot, .. } = draft.screen;
    let task = question.task();
    let mut pool = snapshot.catalog.layer(layer, snapshot.providers);
    pool.sort_by_key(|offering| {
        (!draft.screen.surely_fits(offering), !is_made_for(offering, task))
    });
    pool
}

/// System A's filter: code wants a model good at code, reasoning one that reasons.
fn is_made_for(offering: &Offering, task: TaskType) -> bool {
    let capabilities = &offering.capabilities;
    match task {
        TaskType::Code | TaskType::Debug | TaskType::Refactor | TaskType::Test => capabilities.code,
        TaskType::Analyze | TaskType::Reasoning => capabilities.reasoning,
        TaskType::CreateProject => capabilities.code && capabilities.reasoning,
        TaskType::General => true,
    }
}

/// One model of the next layer up (all listed ones where the task's list has some there), for when
/// everything in this one fails or rests; from a provider that is not there yet if it can.
fn offer_next_layer(draft: &mut Draft<'_>, scope: &Scope, list: &[Entry], from: Layer) {
    let enabled = draft.screen.snapshot.options.layers_enabled;
    let before = draft.picks.len();
    let mut layer = from;
    while let Some(next) = next_layer(layer, &enabled, scope.allowed.ceiling) {
        offer_listed(draft, list, next, Some(&Why::NextLayer(next)));
        if draft.picks.len() > before {
            return;
        }
        let mut pool = pool(draft, next);
        pool.sort_by_key(|offering| draft.holds_provider(&offering.provider));
        for offering in pool {
            if draft.offer(&offering, Why::NextLayer(next), Bounds::only(next)) {
                return;
            }
        }
        layer = next;
    }
}

/// The provider whose failure the stand-ins are for: that of the first candidate.
fn first_provider(draft: &Draft<'_>, layer: Layer) -> Option<ProviderId> {
    if let Some(first) = draft.picks.first() {
        return Some(first.offering.provider.clone());
    }
    let mut pool = pool(draft, layer).into_iter();
    pool.find(|offering| draft.screen.admits(offering, Bounds::only(layer)).is_ok())
        .map(|offering| offering.provider.clone())
}

/// The reason up to the choice of the model: `auto: task code, complexity high, quality high => L1`.
fn reason(
    question: &Question<'_>,
    snapshot: &Snapshot<'_>,
    scope: &Scope,
    choice: &Choice,
    list: &[Entry],
) -> String {
    let (task, start, layer) = (question.task(), scope.start, choice.layer);
    let (complexity, quality) = (question.complexity(), question.quality());
    let mut text = match scope.mode {
        Mode::Layer => format!("layer {start} asked for, task {task}"),
        Mode::Free => format!("budget 0: free models of {start} only, task {task}"),
        Mode::Auto | Mode::Range => {
            let Bounds { floor, ceiling } = scope.allowed;
            let word = match scope.mode {
                Mode::Range => format!("auto within {floor}-{ceiling}"),
                _ => "auto".to_owned(),
            };
            format!("{word}: task {task}, complexity {complexity}, quality {quality} => {start}")
        }
    };
    if question.features.is_sensitive && scope.may_climb() {
        text.push_str(" (words of security make quality critical)");
    }
    let group = task.group();
    let setting = TaskModels::setting(group);
    if layer != start {
        let cause = if choice.is_listed {
            format!("no usable model of {setting} in {start}")
        } else if snapshot.options.is_enabled(start) {
            format!("no usable model in {start}")
        } else {
            format!("{start} is switched off")
        };
        let way = if layer > start { "up" } else { "down" };
        text.push_str(&format!("; {cause}, {way} to {layer}"));
    }
    let is_list_set = !snapshot.options.task_models.of(group).is_empty();
    if is_list_set && !choice.is_listed {
        let what = if list.is_empty() { "known model" } else { "usable model in an allowed layer" };
        text.push_str(&format!("; {setting} names no {what}"));
    }
    text
}
