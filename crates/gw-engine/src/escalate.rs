//! The escalation ladder: an answer is checked, and stands, or a higher layer is asked or offered.
//!
//! Every further question is a branch of the call: held before it is sent, billed and recorded with
//! its purpose, and never above the caps that the plan was made under. Where a further question gives
//! no answer, the answer so far stands.

use std::sync::Arc;

use gw_catalog::Offering;
use gw_core::limits::OPTIONAL_CALLS_MAX;
use gw_core::record::Purpose;
use gw_core::reservation::Reservation;
use gw_core::task::Quality;
use gw_core::{Error, Layer, Money, Result};
use gw_routing::Candidate;
use gw_routing::ladder::{
    DISPUTED_SUCCESS, FAULTY_SUCCESS, Rung, Step, next_step, usual_success, worth,
};
use gw_routing::review;

use crate::answer::{CheckReport, Escalation};
use crate::call::Call;
use crate::check::Verdict;
use crate::exchange::Outcome;
use crate::head::adopt;
use crate::held::{self, Held};
use crate::inbound::Inbound;
use crate::plan::Planned;
use crate::watch::{Climb, Watch, is_typed, watch};
use crate::{attempt, confirm, rungs};

/// Candidates that one further question may fall back to.
const FALLBACKS_MAX: usize = 2;

/// A call on its way up.
pub(crate) struct Ladder<'a> {
    pub(crate) planned: &'a Planned,
    hold: &'a Arc<Reservation>,
    pub(crate) watch: Watch,
    /// Every answer so far, in order.
    pub(crate) heard: Vec<Held>,
    /// Where the answers of the layer that is being judged begin.
    pub(crate) rung_start: usize,
    /// Models that were asked.
    pub(crate) asked: Vec<Arc<Offering>>,
    pub(crate) report: CheckReport,
    calls_left: usize,
}

/// Answers the call: as it comes, or checked and from as high as it takes.
pub(crate) async fn answer(
    call: &mut Call,
    planned: &Planned,
    hold: &Arc<Reservation>,
) -> Result<Outcome> {
    let Some(watch) = watch(call, planned) else {
        return attempt::attempt(call, planned, hold).await;
    };
    // Boxed, so that calls which go straight through stay small.
    Box::pin(climb_and_answer(call, Ladder::new(planned, hold, watch))).await
}

async fn climb_and_answer(call: &mut Call, mut ladder: Ladder<'_>) -> Result<Outcome> {
    ladder.begin(call).await?;
    if let [only] = ladder.heard.as_slice()
        && !only.is_whole
    {
        return ladder.pass_on();
    }
    let (chosen, offer) = ladder.climb(call).await;
    ladder.finish(call, chosen, offer)
}

impl<'a> Ladder<'a> {
    fn new(planned: &'a Planned, hold: &'a Arc<Reservation>, watch: Watch) -> Self {
        let report = CheckReport {
            method: "validators",
            reason: watch.reason.to_owned(),
            ..CheckReport::default()
        };
        Self {
            planned,
            hold,
            watch,
            heard: Vec::new(),
            rung_start: 0,
            asked: Vec::new(),
            report,
            calls_left: OPTIONAL_CALLS_MAX,
        }
    }

    /// The first answer, or the first few at once where they are free and can be compared.
    async fn begin(&mut self, call: &mut Call) -> Result<()> {
        let voters = self.voters(call);
        if !voters.is_empty() && self.vote(call, voters).await.is_ok() {
            return Ok(());
        }
        let first = held::hear(call, self.planned, self.hold).await?;
        self.note(first);
        Ok(())
    }

    pub(crate) fn note(&mut self, held: Held) {
        self.asked.push(Arc::clone(&held.offering));
        self.heard.push(held);
    }

    /// Judges the answers so far and climbs until one stands or there is no way on. Gives the place of
    /// the answer and what is offered beside it.
    async fn climb(&mut self, call: &mut Call) -> (usize, Option<Escalation>) {
        loop {
            let at = match self.judge(call).await {
                Verdict::Stands(at) => return (at, None),
                Verdict::Falls(at) => at,
            };
            let chance = match self.heard[at].is_sound() {
                true => DISPUTED_SUCCESS,
                false => FAULTY_SUCCESS,
            };
            let ways = self.ways(call);
            match self.watch.climb {
                Climb::Never => return (self.resolved(call, at).await, None),
                _ if ways.is_empty() => return (self.resolved(call, at).await, None),
                Climb::Confirm => return (at, Some(self.offer(call, at, chance, &ways))),
                Climb::Auto => {}
            }
            if !self.go_up(call, at, chance, ways).await {
                return (self.resolved(call, at).await, None);
            }
        }
    }

    fn ways(&self, call: &Call) -> Vec<(Layer, Vec<Candidate>)> {
        let layer = self.layer();
        rungs::above(call, self.planned, layer, self.watch.ceiling, &self.asked)
    }

    /// The highest layer that was heard so far.
    pub(crate) fn layer(&self) -> Layer {
        self.heard.iter().map(|held| held.layer).max().unwrap_or(Layer::L0)
    }

    /// Asks the layer that is worth the most; false where none is worth its price or none answers.
    async fn go_up(
        &mut self,
        call: &mut Call,
        at: usize,
        chance: f64,
        mut ways: Vec<(Layer, Vec<Candidate>)>,
    ) -> bool {
        while !ways.is_empty() {
            let step = self.step(call, at, chance, &ways);
            let place = match step {
                // What is of no use at all is not kept to save money.
                Step::Stop if self.heard[at].is_sound() => {
                    self.report.reason.push_str("; a higher layer is not worth its price");
                    return false;
                }
                Step::Stop | Step::Next => 0,
                Step::Top => ways.len() - 1,
            };
            let (layer, candidates) = ways.remove(place);
            let inbound = self.handed_over(call, at, layer);
            match self.ask(call, Purpose::Escalation, inbound, candidates).await {
                Ok(held) => {
                    self.rung_start = self.heard.len();
                    self.report.escalated_from.get_or_insert(self.heard[0].layer);
                    self.note(held);
                    return true;
                }
                Err(error) => {
                    let point = format!("{layer} gave no answer: {}", error.message());
                    self.report.conflicts.push(point);
                    ways.retain(|(other, _)| *other > layer);
                }
            }
        }
        false
    }

    /// The request for a higher layer, with what is known so far. What must come back in a form is
    /// asked again as it is: agreement needs answers to the same question.
    fn handed_over(&self, call: &Call, at: usize, layer: Layer) -> (Inbound, bool) {
        let mut inbound = call.inbound.clone();
        let is_edited = !is_typed(call);
        if is_edited {
            let held = &self.heard[at];
            let answer = shown(held);
            let conflicts = &self.report.conflicts;
            confirm::hand_over(&mut inbound.request, held.layer, layer, &answer, conflicts);
        }
        (inbound, is_edited)
    }

    fn step(&self, call: &Call, at: usize, chance: f64, ways: &[(Layer, Vec<Candidate>)]) -> Step {
        let output = self.heard[at].attempt.usage.total_output();
        let rung = |(layer, candidates): &(Layer, Vec<Candidate>)| -> Option<Rung> {
            let first = candidates.first()?;
            Some(rungs::rung(call, *layer, &first.offering, Some(output)))
        };
        let next = ways.first().and_then(rung);
        let top = if ways.len() > 1 { ways.last().and_then(rung) } else { None };
        next_step(&worth(answer_value(call), Some(chance), next, top))
    }

    fn offer(
        &self,
        call: &Call,
        at: usize,
        chance: f64,
        ways: &[(Layer, Vec<Candidate>)],
    ) -> Escalation {
        let place = match self.step(call, at, chance, ways) {
            Step::Stop | Step::Next => 0,
            Step::Top => ways.len() - 1,
        };
        let (layer, candidates) = &ways[place];
        let held = &self.heard[at];
        let answer = shown(held);
        let conflicts = &self.report.conflicts;
        let output = held.attempt.usage.total_output();
        let first = candidates.first();
        let expected_cost =
            first.and_then(|first| rungs::probable_cost(call, &first.offering, Some(output)));
        let (token, expires_at_ms) = confirm::offer(call, held.layer, *layer, &answer, conflicts);
        let task = task_text(call);
        let reason = match conflicts.as_slice() {
            [] => "the answer may not stand".to_owned(),
            some => some.join("; "),
        };
        Escalation {
            current_layer: held.layer,
            suggested_layer: *layer,
            reason,
            optimized_prompt: review::optimized_prompt(
                held.layer.as_str(),
                layer.as_str(),
                &task,
                &answer,
                conflicts,
            ),
            expected_gain_ppm: ppm(usual_success(*layer) - chance),
            expected_cost,
            token,
            expires_at_ms,
        }
    }

    /// Asks one further question, where one more is allowed. What it gives is whole.
    ///
    /// # Errors
    /// What kept it from an answer; the budget that cannot pay.
    pub(crate) async fn ask(
        &mut self,
        call: &mut Call,
        purpose: Purpose,
        (inbound, is_edited): (Inbound, bool),
        mut candidates: Vec<Candidate>,
    ) -> Result<Held> {
        if self.calls_left == 0 {
            return Err(Error::internal("this call has asked often enough"));
        }
        candidates.truncate(FALLBACKS_MAX);
        let planned = self.planned.of(candidates);
        let planned = planned.ok_or_else(|| Error::internal("nobody is there to ask"))?;
        self.calls_left -= 1;
        let mut branch = call.branch(purpose, inbound, is_edited);
        let held = hear_whole(&mut branch, &planned, self.hold).await;
        drop(branch);
        call.absorb();
        if held.is_err() {
            // Who just failed is not asked again in this call.
            let tried = planned.plan.candidates.iter().map(|it| Arc::clone(&it.offering));
            self.asked.extend(tried);
        }
        held
    }

    /// The first few answers at once: all free, so that nothing is lost by asking more than one. Two
    /// that agree end the vote.
    async fn vote(&mut self, call: &mut Call, voters: Vec<Planned>) -> Result<()> {
        use futures_util::stream::{FuturesUnordered, StreamExt};
        let mut running = FuturesUnordered::new();
        for (place, planned) in voters.into_iter().enumerate() {
            let purpose = if place == 0 { Purpose::Answer } else { Purpose::CrossCheck };
            self.asked
                .extend(planned.plan.candidates.iter().take(1).map(|it| Arc::clone(&it.offering)));
            let mut branch = call.branch(purpose, call.inbound.clone(), false);
            let hold = Arc::clone(self.hold);
            running.push(async move {
                let held = hear_whole(&mut branch, &planned, &hold).await;
                (place, held)
            });
            self.calls_left = self.calls_left.saturating_sub(1);
        }
        let mut heard: Vec<(usize, Held)> = Vec::new();
        let mut refused: Option<Error> = None;
        while let Some((place, held)) = running.next().await {
            match held {
                Ok(held) => heard.push((place, held)),
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
            if self.has_agreement(call, &heard) {
                break;
            }
        }
        drop(running);
        call.absorb();
        // Whoever was quicker: the first answer stands first in the record.
        call.attempts.sort_by_key(|attempt| attempt.purpose != Purpose::Answer);
        if heard.is_empty() {
            return Err(refused.unwrap_or_else(|| Error::internal("a vote of nobody")));
        }
        heard.sort_by_key(|(place, _)| *place);
        for (_, held) in heard {
            self.note(held);
        }
        Ok(())
    }

    fn pass_on(mut self) -> Result<Outcome> {
        let held = self.heard.pop().ok_or_else(|| Error::internal("a ladder without an answer"))?;
        Ok(held.outcome)
    }

    /// Gives the chosen answer, and says in its head what was done.
    fn finish(
        mut self,
        call: &mut Call,
        chosen: usize,
        escalation: Option<Escalation>,
    ) -> Result<Outcome> {
        call.absorb();
        self.observe_saving(call, chosen);
        if chosen >= self.heard.len() {
            return Err(Error::internal("the chosen answer is not there"));
        }
        if self.report.escalated_from == Some(self.heard[chosen].layer) {
            self.report.escalated_from = None;
        }
        let summary = self.summary(chosen, escalation.is_some());
        let mut held = self.heard.swap_remove(chosen);
        let is_worth_telling = self.report.performed
            || !self.report.conflicts.is_empty()
            || self.report.escalated_from.is_some()
            || self.watch.wants_check;
        let report = is_worth_telling.then(|| Box::new(self.report));
        let attempt = held.attempt.clone();
        let head = held.head();
        if let Some(summary) = summary {
            head.summary = summary;
        }
        if let Some(from) = report.as_ref().and_then(|report| report.escalated_from) {
            head.reason
                .push_str(&format!("; the answer of {from} did not stand, {} asked", head.layer));
        }
        head.check = report;
        head.escalation = escalation.map(Box::new);
        remember(call, head);
        call.answered = Some(attempt);
        adopt(call, &held.head().clone());
        call.first_token_ms = Some(call.elapsed_ms());
        Ok(held.outcome)
    }

    /// System A's line for a call that was checked or climbed; `None` leaves the plan's. The layer in it
    /// is the answer's.
    fn summary(&self, chosen: usize, is_offered: bool) -> Option<String> {
        let report = &self.report;
        let answer = self.heard.get(chosen)?;
        let mut text = if report.performed {
            let names = report.models.join(", ");
            format!(
                "Cross-check ({} models): {names} (layer {})",
                report.models.len(),
                answer.layer
            )
        } else if is_offered || report.escalated_from.is_some() {
            format!("Single model: {} (layer {})", answer.offering.id(), answer.layer)
        } else {
            return None;
        };
        if let Some(from) = report.escalated_from {
            text.push_str(&format!(" (escalated from {from})"));
        } else if is_offered {
            text.push_str(" (conflicts detected - escalation available)");
        } else if report.arbitrated {
            text.push_str(" (conflicts resolved with arbitrator)");
        } else if report.agreed == Some(true) {
            text.push_str(" (no conflicts)");
        }
        Some(text)
    }

    /// Notes what the check saved against asking the top at once, where it was made to save.
    fn observe_saving(&self, call: &Call, chosen: usize) {
        if !self.report.performed || self.watch.is_forced {
            return;
        }
        let Some(top) = self.top(call) else { return };
        let output = self.heard.get(chosen).map(|held| held.attempt.usage.total_output());
        let Some(price) = rungs::probable_cost(call, &top, output) else { return };
        let spent: Money = call.attempts.iter().map(|it| it.cost.amount_or_zero()).sum();
        let saved = price.saturating_sub(spent);
        // An answer that did not stand saved nothing: what was spent on it is lost.
        let stands = self.report.agreed == Some(true);
        let saved = if stands { saved } else { Money::ZERO.saturating_sub(spent) };
        call.engine.paying.observe(self.watch.tag, saved.pico());
    }

    /// The first model of the highest layer that this call may reach.
    pub(crate) fn top(&self, call: &Call) -> Option<Arc<Offering>> {
        let first = self.planned.plan.layer;
        let ways = rungs::above(call, self.planned, first, self.watch.ceiling, &[]);
        let (_, candidates) = ways.last()?;
        candidates.first().map(|candidate| Arc::clone(&candidate.offering))
    }
}

/// An answer that is whole.
async fn hear_whole(call: &mut Call, planned: &Planned, hold: &Reservation) -> Result<Held> {
    let held = held::hear(call, planned, hold).await?;
    if held.is_whole {
        return Ok(held);
    }
    Err(Error::new(gw_core::Kind::ProviderTooLarge, "the answer is too long to be checked"))
}

/// What a good answer to this call is worth, in pico-dollars.
#[expect(clippy::cast_precision_loss, reason = "worths are compared, never booked")]
fn answer_value(call: &Call) -> f64 {
    let quality = call.inbound.context.quality.or(call.ruling.quality);
    let [normal, high, critical] = call.snapshot.engine.answer_values;
    let value = match quality.unwrap_or(Quality::Normal) {
        Quality::Normal => normal,
        Quality::High => high,
        Quality::Critical => critical,
    };
    value.pico() as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held in range")]
fn ppm(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * 1e6).round() as u32
}

/// What was asked last, in words.
pub(crate) fn task_text(call: &Call) -> String {
    let messages = call.inbound.request.messages.iter().rev();
    let mut asked = messages.filter(|message| message.role == gw_core::chat::Role::User);
    asked.find_map(|it| Some(it.joined_text()).filter(|text| !text.is_empty())).unwrap_or_default()
}

/// An answer as another model is shown it: its text, and its calls of tools.
pub(crate) fn shown(held: &Held) -> String {
    let mut text = held.reply.text();
    for part in held.parts() {
        if let gw_core::chat::Part::ToolCall { name, arguments, .. } = part {
            text.push_str(&format!("\n[calls {name}({arguments})]"));
        }
    }
    text
}

/// Keeps what was done with the call's record.
fn remember(call: &mut Call, head: &crate::answer::Head) {
    let metadata = &mut call.inbound.context.metadata;
    if let Some(report) = &head.check
        && let Ok(value) = serde_json::to_value(report)
    {
        metadata.insert("crossCheck".to_owned(), value);
    }
    if let Some(offer) = &head.escalation {
        let value = serde_json::json!({
            "suggestedLayer": offer.suggested_layer,
            "reason": offer.reason,
            "expectedGainPpm": offer.expected_gain_ppm,
        });
        metadata.insert("escalationOffered".to_owned(), value);
    }
}
