//! Checks answers against each other: by what they commit to where that can be compared, by a judge
//! where it cannot, and by a third model where two differ.

use std::sync::Arc;

use gw_core::Layer;
use gw_core::chat::{Message, Part, Role};
use gw_core::record::Purpose;
use gw_routing::Candidate;
use gw_routing::agree::{self, Agreement, Committed};
use gw_routing::ladder::cross_check_pays;
use gw_routing::review::{self, Review};

use crate::call::Call;
use crate::escalate::{Ladder, shown, task_text};
use crate::held::Held;
use crate::inbound::Inbound;
use crate::plan::Planned;
use crate::rungs;
use crate::watch::is_typed;

/// Voters of a first vote: two, and one more where the answer has to be good.
const VOTERS: usize = 2;
const VOTERS_OF_QUALITY: usize = 3;

/// What came of judging a layer's answers.
pub(crate) enum Verdict {
    /// This answer may be given.
    Stands(usize),
    /// This answer is the best so far, and may not stand.
    Falls(usize),
}

/// What a check said.
enum Opinion {
    /// The answer at this place is confirmed.
    Agrees(usize),
    /// It is disputed.
    Differs,
    /// Nobody could say.
    Silent,
}

impl Ladder<'_> {
    /// Plans of the voters where the first answers are asked for at once: free models of the lowest
    /// layer, for answers that can be compared. Empty where one is asked first.
    pub(crate) fn voters(&self, call: &Call) -> Vec<Planned> {
        let Some(first) = self.planned.plan.candidates.first() else { return Vec::new() };
        let is_cheap = first.layer == Layer::L0 && first.offering.is_free;
        if !self.watch.wants_check || !is_cheap || !is_typed(call) {
            return Vec::new();
        }
        if !self.watch.is_forced && !self.may_pay(call, &first.offering, &first.offering) {
            return Vec::new();
        }
        let count = if self.watch.is_forced { VOTERS_OF_QUALITY } else { VOTERS };
        let asked = [Arc::clone(&first.offering)];
        let others = rungs::reviewers(call, self.planned, first.layer, &asked);
        let mut voters = vec![self.planned.without(&[])];
        let free = others.into_iter().filter(|it| it.offering.is_free && it.layer == Layer::L0);
        voters.extend(free.take(count - 1).filter_map(|it| self.planned.of(vec![it])));
        if voters.len() < 2 { Vec::new() } else { voters }
    }

    /// True where two of these answers agree.
    pub(crate) fn has_agreement(&self, call: &Call, heard: &[(usize, Held)]) -> bool {
        let sound: Vec<&Held> =
            heard.iter().map(|(_, held)| held).filter(|held| held.is_sound()).collect();
        sound.iter().enumerate().any(|(at, one)| {
            sound[at + 1..].iter().any(|other| compare(call, one, other) == Agreement::Same)
        })
    }

    /// Judges the answers of the layer that was asked last.
    pub(crate) async fn judge(&mut self, call: &mut Call) -> Verdict {
        let Some(at) = self.sound(call).await else {
            let last = self.heard.len() - 1;
            return Verdict::Falls(last);
        };
        if let Some(same) = self.agreeing(call) {
            self.report.method = "agreement";
            self.confirm(same);
            return Verdict::Stands(same);
        }
        if !self.watch.wants_check {
            return Verdict::Stands(at);
        }
        if self.rung_start > 0 && !(self.watch.is_forced && self.has_reviewer(call)) {
            // A higher layer has spoken: where it says something else than those before, it is one
            // more opinion, and a still higher one may be worth its price.
            if self.is_contradicted(call, at) {
                self.report.agreed = Some(false);
                return Verdict::Falls(at);
            }
            self.report.agreed = None;
            return Verdict::Stands(at);
        }
        let is_disputed =
            self.heard[self.rung_start..].iter().filter(|it| it.is_sound()).count() > 1;
        let opinion = if is_disputed {
            self.note_models();
            self.disagree();
            self.arbitrate(call).await
        } else {
            self.check(call, at).await
        };
        match opinion {
            Opinion::Agrees(at) => {
                self.confirm(at);
                Verdict::Stands(at)
            }
            Opinion::Differs => {
                self.report.agreed = Some(false);
                Verdict::Falls(at)
            }
            Opinion::Silent => Verdict::Stands(at),
        }
    }

    fn has_reviewer(&self, call: &Call) -> bool {
        let layer = self.heard[self.rung_start].layer;
        !rungs::reviewers(call, self.planned, layer, &self.asked).is_empty()
    }

    /// True where an answer of a layer below surely says something else.
    fn is_contradicted(&self, call: &Call, at: usize) -> bool {
        let below = self.heard[..self.rung_start].iter().filter(|held| held.is_sound());
        let mut said = below.map(|held| compare(call, &self.heard[at], held));
        said.any(|agreement| agreement == Agreement::Different)
    }

    /// The first answer of the layer that passes the hard checks. Where none does, another model of
    /// the layer is asked once.
    async fn sound(&mut self, call: &mut Call) -> Option<usize> {
        let start = self.rung_start;
        let find = |heard: &[Held]| heard.iter().position(Held::is_sound);
        for held in &self.heard[start..] {
            if let Some(fault) = &held.fault {
                let point = format!("{}: {}", held.offering.id(), fault.describe());
                if !self.report.conflicts.contains(&point) {
                    self.report.conflicts.push(point);
                }
            }
        }
        if let Some(at) = find(&self.heard[start..]) {
            return Some(start + at);
        }
        let layer = self.heard[start].layer;
        let peers = crate::plan::peers(call, &self.planned.room, layer, &self.asked);
        // A dear second try of one layer is no better than a step up.
        let may_repeat = layer == Layer::L0 || self.watch.is_forced || !self.has_way_up(call);
        if peers.is_empty() || !may_repeat {
            return None;
        }
        let same = (call.inbound.clone(), false);
        let held = self.ask(call, Purpose::Answer, same, peers).await.ok()?;
        self.note(held);
        let last = self.heard.len() - 1;
        if let Some(fault) = &self.heard[last].fault {
            let point = format!("{}: {}", self.heard[last].offering.id(), fault.describe());
            self.report.conflicts.push(point);
            return None;
        }
        Some(last)
    }

    /// An answer of this layer that another one, of any layer, agrees with: the first of them here.
    fn agreeing(&mut self, call: &Call) -> Option<usize> {
        let start = self.rung_start;
        for at in start..self.heard.len() {
            for other in 0..self.heard.len() {
                let (one, two) = (&self.heard[at], &self.heard[other]);
                let is_pair = at != other && one.is_sound() && two.is_sound();
                if is_pair && compare(call, one, two) == Agreement::Same {
                    self.note_models();
                    return Some(at);
                }
            }
        }
        None
    }

    /// Gets a second opinion about an answer.
    async fn check(&mut self, call: &mut Call, at: usize) -> Opinion {
        let layer = self.heard[at].layer;
        let reviewers = rungs::reviewers(call, self.planned, layer, &self.asked);
        let Some(first) = reviewers.first() else {
            self.report.reason.push_str("; no second model is there");
            return Opinion::Silent;
        };
        let (answer, reviewer) =
            (Arc::clone(&self.heard[at].offering), Arc::clone(&first.offering));
        if !self.watch.is_forced && !self.may_pay(call, &answer, &reviewer) {
            self.report.reason.push_str("; a check does not pay");
            return Opinion::Silent;
        }
        if !is_comparable(call, &self.heard[at]) {
            return self.ask_judge(call, at, reviewers).await;
        }
        let same = (call.inbound.clone(), false);
        match self.ask(call, Purpose::CrossCheck, same, reviewers.clone()).await {
            Ok(second) if second.is_sound() => {
                let agreement = compare(call, &self.heard[at], &second);
                self.note(second);
                self.note_models();
                self.report.method = "agreement";
                match agreement {
                    Agreement::Same => Opinion::Agrees(at),
                    Agreement::Different => {
                        self.disagree();
                        self.arbitrate(call).await
                    }
                    Agreement::Unknown => self.ask_judge(call, at, reviewers).await,
                }
            }
            Ok(second) => {
                // An answer of no use says nothing about the other.
                self.asked.push(second.offering);
                self.report.reason.push_str("; the second answer was of no use");
                Opinion::Silent
            }
            Err(error) => {
                self.report.reason.push_str(&format!("; no second answer: {}", error.message()));
                Opinion::Silent
            }
        }
    }

    /// A third answer where two differ: the majority stands. Asked where it is much cheaper than the
    /// next layer, or where there is none.
    async fn arbitrate(&mut self, call: &mut Call) -> Opinion {
        let layer = self.heard[self.rung_start].layer;
        let mut others = rungs::reviewers(call, self.planned, layer, &self.asked);
        others.retain(|candidate| candidate.layer == layer);
        let Some(third) = others.first() else { return Opinion::Differs };
        if self.has_way_up(call) && !self.is_cheap_beside_next(call, third) {
            return Opinion::Differs;
        }
        let same = (call.inbound.clone(), false);
        let Ok(held) = self.ask(call, Purpose::Arbiter, same, others).await else {
            return Opinion::Differs;
        };
        if !held.is_sound() {
            return Opinion::Differs;
        }
        let winner = (self.rung_start..self.heard.len()).find(|at| {
            self.heard[*at].is_sound() && compare(call, &self.heard[*at], &held) == Agreement::Same
        });
        self.note(held);
        self.note_models();
        match winner {
            Some(at) => {
                self.report.arbitrated = true;
                Opinion::Agrees(at)
            }
            None => Opinion::Differs,
        }
    }

    /// Asks for a verdict about prose.
    async fn ask_judge(
        &mut self,
        call: &mut Call,
        at: usize,
        mut judges: Vec<Candidate>,
    ) -> Opinion {
        let Some(first) = judges.first() else { return Opinion::Silent };
        let is_forced = first.offering.capabilities.structured_output;
        judges.retain(|judge| judge.offering.capabilities.structured_output == is_forced);
        let request = review::question(&task_text(call), &shown(&self.heard[at]), is_forced);
        let inbound = Inbound { request, raw: None, ..call.inbound.clone() };
        let judged = self.ask(call, Purpose::Judge, (inbound, true), judges).await;
        let judged = match judged {
            Ok(judged) => judged,
            Err(error) => {
                self.report.reason.push_str(&format!("; no verdict: {}", error.message()));
                return Opinion::Silent;
            }
        };
        let Some(review) = Review::read(&judged.reply.text()) else {
            self.report.reason.push_str("; the judge gave no verdict");
            return Opinion::Silent;
        };
        self.note_models();
        self.report.models.push(judged.offering.id());
        self.asked.push(judged.offering);
        self.report.method = "judge";
        if !review.is_conflict() {
            return Opinion::Agrees(at);
        }
        let points = if review.issues.is_empty() { review.suggestions } else { review.issues };
        self.report.conflicts.extend(points);
        if self.report.conflicts.is_empty() {
            self.report.conflicts.push("the review asks for a better answer".to_owned());
        }
        Opinion::Differs
    }

    /// The best that can be done without a higher layer: for prose an arbiter writes the answer.
    pub(crate) async fn resolved(&mut self, call: &mut Call, at: usize) -> usize {
        let held = &self.heard[at];
        let is_prose = self.report.method == "judge" && held.is_sound();
        if !is_prose || self.report.agreed != Some(false) {
            return self.best(at);
        }
        let layer = held.layer;
        let mut others = crate::plan::peers(call, &self.planned.room, layer, &self.asked);
        others.retain(|candidate| candidate.layer == layer);
        let mut inbound = call.inbound.clone();
        let note = review::arbitration(&shown(held), &self.report.conflicts);
        inbound.request.messages.push(Message::text(Role::User, note));
        match self.ask(call, Purpose::Arbiter, (inbound, true), others).await {
            Ok(third) if third.is_sound() => {
                self.report.models.push(third.offering.id());
                self.report.arbitrated = true;
                self.note(third);
                self.heard.len() - 1
            }
            _ => at,
        }
    }

    /// The answer to give where none is confirmed: a sound one of the highest layer, the first of it.
    fn best(&self, at: usize) -> usize {
        let sound = |place: &usize| self.heard[*place].is_sound();
        let places = (0..self.heard.len()).filter(sound);
        places.max_by_key(|place| (self.heard[*place].layer, usize::MAX - place)).unwrap_or(at)
    }

    fn confirm(&mut self, at: usize) {
        self.report.agreed = Some(true);
        debug_assert!(at < self.heard.len(), "the place of an answer");
    }

    fn disagree(&mut self) {
        let point = "models gave different answers".to_owned();
        if !self.report.conflicts.contains(&point) {
            self.report.conflicts.push(point);
        }
    }

    fn note_models(&mut self) {
        self.report.performed = true;
        if self.report.method == "validators" {
            self.report.method = "agreement";
        }
        for held in &self.heard {
            let id = held.offering.id();
            if !self.report.models.contains(&id) {
                self.report.models.push(id);
            }
        }
    }

    fn has_way_up(&self, call: &Call) -> bool {
        use crate::watch::Climb;
        let layer = self.layer();
        self.watch.climb != Climb::Never
            && !rungs::above(call, self.planned, layer, self.watch.ceiling, &self.asked).is_empty()
    }

    fn is_cheap_beside_next(&self, call: &Call, third: &Candidate) -> bool {
        let layer = self.layer();
        let ways = rungs::above(call, self.planned, layer, self.watch.ceiling, &self.asked);
        let next = ways.first().and_then(|(_, candidates)| candidates.first());
        let output = self.heard.first().map(|held| held.attempt.usage.total_output());
        let price = |candidate: &Candidate| {
            rungs::probable_cost(call, &candidate.offering, output)
                .and_then(|cost| u64::try_from(cost.pico()).ok())
        };
        match (price(third), next.and_then(price)) {
            (Some(0), _) => true,
            (Some(third), Some(next)) => cross_check_pays(third, 0, next),
            _ => false,
        }
    }

    /// Whether a check of this answer by that model can pay, by prices and by what was seen so far.
    fn may_pay(
        &self,
        call: &Call,
        answer: &gw_catalog::Offering,
        reviewer: &gw_catalog::Offering,
    ) -> bool {
        let output = self.heard.first().map(|held| held.attempt.usage.total_output());
        let price = |offering: &gw_catalog::Offering| {
            rungs::probable_cost(call, offering, output)
                .and_then(|cost| u64::try_from(cost.pico()).ok())
        };
        let top = self.top(call);
        let prices = (price(answer), price(reviewer), top.as_deref().and_then(price));
        let (Some(answer), Some(reviewer), Some(top)) = prices else { return false };
        cross_check_pays(answer, reviewer, top) && call.engine.paying.may_check(self.watch.tag)
    }
}

/// True where an answer commits to something that a second one can be compared with.
fn is_comparable(call: &Call, held: &Held) -> bool {
    let has_call = held.parts().iter().any(|part| matches!(part, Part::ToolCall { .. }));
    let is_exact = matches!(
        agree::committed(&held.reply.text()),
        Some(Committed::Number(_) | Committed::Option(_))
    );
    is_typed(call) || has_call || is_exact
}

/// Compares two answers. Words and code of different wording may still say the same: only what is
/// exact, or was asked for in a form, can differ.
fn compare(call: &Call, one: &Held, other: &Held) -> Agreement {
    let agreement = agree::compare(one.parts(), other.parts());
    let is_sure = is_comparable(call, one) || is_comparable(call, other);
    match agreement {
        Agreement::Different if !is_sure => Agreement::Unknown,
        said => said,
    }
}
