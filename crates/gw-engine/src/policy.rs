//! What configured policies and experiments decide about a call, before it is planned.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use gw_core::budget::Room;
use gw_core::chat::{ChatRequest, Role};
use gw_core::record::CallRecord;
use gw_core::{Error, Kind, Layer, Result};
use gw_routing::experiment::{Arm, Delivered, Experiment, GuardRail, Reading, Rules};
use gw_routing::policy::{Facts, Rule, Ruling, Shadow, Then, When, paths_in};
use gw_routing::{ModelField, parse_model_field};
use parking_lot::Mutex;
use serde_json::{Map, Value};

use crate::call::Call;
use crate::inbound::{CallContext, Door, Inbound, Recall};

/// Shadow calls under way at one time; more are not begun.
const SHADOWS_MAX: usize = 16;

/// The member of a record's metadata that names the arms.
const EXPERIMENTS: &str = "experiments";

/// Policies as configuration gives them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policies {
    /// Rules, in order.
    pub rules: Vec<Rule>,
    /// Experiments, in order. What a treatment decides goes before every rule.
    pub trials: Vec<Trial>,
    /// Where the day of rules begins, in minutes before UTC's: 60 in winter in Berlin.
    pub utc_offset_minutes: i32,
}

/// An experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Who is in which arm.
    pub experiment: Experiment,
    /// What is assigned.
    pub unit: Unit,
    /// Which calls it is about.
    pub when: When,
    /// What the treatment decides.
    pub then: Then,
    /// How much dearer the treatment's calls may surely be than the control's before everybody gets
    /// the control, as a share; `None`: any.
    pub cost_rise_max: Option<f64>,
}

/// What an experiment assigns to its arms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Callers, by key.
    Key,
    /// Users.
    User,
    /// Projects.
    Project,
    /// Conversations.
    Conversation,
}

/// Decides about a call, and refuses what no rule can allow.
///
/// # Errors
/// [`Kind::ContextTooLong`] for a prompt above a rule's limit.
pub(crate) fn decide(call: &mut Call, room: &Room) -> Result<()> {
    let engine = std::sync::Arc::clone(&call.snapshot);
    let policies = &engine.engine.policies;
    if policies.rules.is_empty() && policies.trials.is_empty() {
        return Ok(());
    }
    let files = files(call);
    let mut ruling = Ruling::default();
    let mut arms: Map<String, Value> = Map::new();
    {
        let facts = facts(call, room, &files, policies.utc_offset_minutes);
        for trial in policies.trials.iter().filter(|trial| trial.when.fits(&facts)) {
            let name = &trial.experiment.name;
            let Some(arm) = unit(call, trial.unit).and_then(|unit| trial.experiment.arm(unit))
            else {
                continue;
            };
            let is_stopped = call.engine.trials.is_stopped(trial);
            let word = match arm {
                Arm::Control => "control",
                Arm::Treatment if is_stopped => "stopped",
                Arm::Treatment => {
                    ruling.add(name, &trial.then);
                    "treatment"
                }
            };
            arms.insert(name.clone(), word.into());
        }
        for rule in policies.rules.iter().filter(|rule| rule.when.fits(&facts)) {
            ruling.add(&rule.name, &rule.then);
        }
    }
    let metadata = &mut call.inbound.context.metadata;
    if !ruling.rules.is_empty() {
        metadata.insert("policies".to_owned(), ruling.rules.clone().into());
    }
    if !arms.is_empty() {
        metadata.insert(EXPERIMENTS.to_owned(), arms.into());
    }
    let tokens = call.features.likely_input_tokens;
    if let Some(most) = ruling.input_tokens_max
        && tokens > most
    {
        let message = format!("the prompt has about {tokens} tokens; a policy allows {most}");
        return Err(Error::new(Kind::ContextTooLong, message)
            .with_hint("Send less, or ask the operator to raise `max_context_tokens`."));
    }
    call.ruling = ruling;
    Ok(())
}

fn facts<'a>(
    call: &'a Call,
    room: &Room,
    files: &'a [String],
    utc_offset_minutes: i32,
) -> Facts<'a> {
    let principal = &call.inbound.principal;
    let conversation = call.inbound.context.conversation.as_ref();
    let of_conversation = |pick: fn(&gw_core::record::ConversationRef) -> &Option<String>| {
        conversation.and_then(|it| pick(it).as_deref())
    };
    Facts {
        task: call.task(),
        complexity: call.complexity(),
        files,
        key: principal.key_id.as_deref(),
        team: principal.team.as_deref(),
        user: of_conversation(|it| &it.user_id).or(principal.user_id.as_deref()),
        // The key's own project goes before what the client says: nobody picks another's rules.
        project: principal.project_id.as_deref().or(of_conversation(|it| &it.project_id)),
        door: call.inbound.door.as_str(),
        minute_of_day: minute_of_day(call.started_at_ms(), utc_offset_minutes),
        budget_left: room.dollars,
        input_tokens: call.features.likely_input_tokens,
    }
}

fn minute_of_day(at_ms: i64, utc_offset_minutes: i32) -> u16 {
    let minutes = at_ms.div_euclid(60_000).saturating_add(i64::from(utc_offset_minutes));
    u16::try_from(minutes.rem_euclid(24 * 60)).unwrap_or_default()
}

/// Files that the request names: in its field, and in what was said last.
fn files(call: &Call) -> Vec<String> {
    let mut files = call.inbound.context.files.clone();
    let messages = &call.inbound.request.messages;
    if let Some(last) = messages.iter().rev().find(|message| message.role == Role::User) {
        files.extend(paths_in(&last.joined_text()));
    }
    files
}

fn unit(call: &Call, unit: Unit) -> Option<&str> {
    let principal = &call.inbound.principal;
    let conversation = call.inbound.context.conversation.as_ref();
    match unit {
        Unit::Key => principal.key_id.as_deref(),
        Unit::User => conversation
            .and_then(|it| it.user_id.as_deref())
            .or(principal.user_id.as_deref())
            .or(principal.key_id.as_deref()),
        Unit::Project => {
            principal.project_id.as_deref().or(conversation.and_then(|it| it.project_id.as_deref()))
        }
        Unit::Conversation => conversation.map(|it| it.id.as_str()),
    }
}

/// The request's `model` field as policies leave it: `auto` within the layers they allow. A layer or
/// model that a caller names stays; caps are put on it elsewhere.
pub(crate) fn model_field(call: &Call, cap: Layer) -> String {
    let name = call.inbound.request.model.trim();
    let Some(least) = call.ruling.min_layer else { return name.to_owned() };
    let meant = call.snapshot.catalog.alias(name).unwrap_or(name);
    let has_layer = call.inbound.context.preferred_layer.is_some();
    let (low, high) = match parse_model_field(meant) {
        ModelField::Auto if !has_layer => (Layer::L0, call.snapshot.routing.ceiling()),
        ModelField::Range(low, high) => (low, high),
        _ => return name.to_owned(),
    };
    let high = high.min(cap).max(low);
    format!("auto:{}-{high}", least.clamp(low, high))
}

/// Begins a trial of another model on this request, where a policy wants one for this call. The call
/// is not delayed: the trial is a call of its own, billed to the same accounts.
pub(crate) fn shadow(call: &Call) -> Option<Inbound> {
    if matches!(call.inbound.door, Door::Shadow | Door::Classify) {
        return None;
    }
    let Shadow { model, share_bp } = call.ruling.shadow.as_ref()?;
    let mut draw = [0_u8; 4];
    call.engine.resources.entropy.fill(&mut draw);
    let draw = u32::from_le_bytes(draw) % 10_000;
    if draw >= *share_bp || call.engine.tasks.is_closed() {
        return None;
    }
    let context = &call.inbound.context;
    let mut metadata = Map::new();
    metadata.insert("shadowOf".to_owned(), call.id.to_string().into());
    let request =
        ChatRequest { model: model.clone(), stream: false, ..call.inbound.request.clone() };
    Some(Inbound {
        door: Door::Shadow,
        request,
        raw: None,
        principal: call.inbound.principal.clone(),
        context: CallContext {
            recall: Recall::Nothing,
            task: context.task,
            complexity: context.complexity,
            quality: context.quality,
            max_layer: context.max_layer,
            metadata,
            ..CallContext::default()
        },
    })
}

/// Counts shadow calls under way.
#[derive(Debug, Default)]
pub(crate) struct Shadows(AtomicUsize);

impl Shadows {
    /// Takes a place; false where all are taken.
    pub(crate) fn enter(&self) -> bool {
        let entered = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |running| {
            (running < SHADOWS_MAX).then_some(running + 1)
        });
        entered.is_ok()
    }

    /// Gives a place back.
    pub(crate) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What the arms of experiments delivered since the process began.
#[derive(Debug, Default)]
pub(crate) struct Trials(Mutex<BTreeMap<String, Arms>>);

#[derive(Clone, Copy, Debug, Default)]
struct Arms {
    control: Delivery,
    treatment: Delivery,
}

/// What one arm delivered.
#[derive(Clone, Copy, Debug, Default)]
struct Delivery {
    /// 1 for an answer that nothing was found wrong with, else 0.
    success: Delivered,
    /// Millionths of a dollar.
    cost: Delivered,
    /// Milliseconds.
    duration: Delivered,
}

/// How an experiment stands.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialReport {
    /// Its name.
    pub name: String,
    /// Calls of the control.
    pub control: u64,
    /// Calls of the treatment.
    pub treatment: u64,
    /// Answers that nothing was found wrong with, as a share: treatment less control.
    pub success: Reading,
    /// Millionths of a dollar a call: treatment less control.
    pub cost: Reading,
    /// Milliseconds a call: treatment less control.
    pub duration: Reading,
    /// True where the treatment was stopped for its cost.
    pub is_stopped: bool,
}

impl Trials {
    /// Takes in how a call of an experiment ended.
    pub(crate) fn observe(&self, record: &CallRecord) {
        let Some(arms) = record.metadata.get(EXPERIMENTS).and_then(Value::as_object) else {
            return;
        };
        let conflicts = record.metadata.get("crossCheck").and_then(|check| check.get("agreed"));
        let is_good = record.status.is_ok() && conflicts != Some(&Value::Bool(false));
        let mut trials = self.0.lock();
        for (name, arm) in arms {
            let trial = trials.entry(name.clone()).or_default();
            let delivery = match arm.as_str() {
                Some("control") => &mut trial.control,
                Some("treatment") => &mut trial.treatment,
                _ => continue,
            };
            delivery.success.observe(f64::from(u8::from(is_good)));
            delivery.cost.observe(record.cost.amount_or_zero().as_usd_f64() * 1e6);
            #[expect(clippy::cast_precision_loss, reason = "a mean of durations")]
            delivery.duration.observe(record.duration_ms as f64);
        }
    }

    fn is_stopped(&self, trial: &Trial) -> bool {
        let Some(rise_max) = trial.cost_rise_max else { return false };
        let arms = self.0.lock().get(&trial.experiment.name).copied().unwrap_or_default();
        is_breached(rise_max, &arms)
    }

    /// How the experiments stand, in order of the configuration.
    pub(crate) fn report(&self, trials: &[Trial]) -> Vec<TrialReport> {
        let known = self.0.lock();
        let report = |trial: &Trial| {
            let arms = known.get(&trial.experiment.name).copied().unwrap_or_default();
            let Arms { control, treatment } = &arms;
            let rules = Rules::default();
            TrialReport {
                name: trial.experiment.name.clone(),
                control: control.success.count,
                treatment: treatment.success.count,
                success: rules.read(&control.success, &treatment.success),
                cost: cost_rules(control).read(&control.cost, &treatment.cost),
                duration: duration_rules(control).read(&control.duration, &treatment.duration),
                is_stopped: trial.cost_rise_max.is_some_and(|rise| is_breached(rise, &arms)),
            }
        };
        trials.iter().map(report).collect()
    }
}

fn is_breached(rise_max: f64, Arms { control, treatment }: &Arms) -> bool {
    let rail = GuardRail { rise_max, rules: cost_rules(control) };
    rail.is_breached(&control.cost, &treatment.cost)
}

/// A difference of a tenth of the control's mean is looked for.
fn cost_rules(control: &Delivery) -> Rules {
    Rules { difference: control.cost.mean.abs() / 10.0, ..Rules::default() }
}

fn duration_rules(control: &Delivery) -> Rules {
    Rules { difference: control.duration.mean.abs() / 10.0, ..Rules::default() }
}
