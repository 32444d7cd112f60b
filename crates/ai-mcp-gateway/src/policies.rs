//! Policies of the configuration as the engine takes them: rules, experiments, and projects, which
//! are rules for their own calls.

use gw_config::Settings;
use gw_config::section::policy::{Experiment, Project, Rule, Unit, When, basis_points, dollars};
use gw_engine::{Policies, Trial};
use gw_routing::{experiment, policy};

/// What configuration decides about calls.
pub(crate) fn policies(settings: &Settings) -> Policies {
    let routing = &settings.routing;
    let named = routing.rules.iter().enumerate().map(|(at, rule)| policy::Rule {
        name: name(rule, at),
        when: when(&rule.when),
        then: then(rule),
    });
    let projects = settings.projects.iter().flat_map(|(name, project)| of_project(name, project));
    Policies {
        rules: named.chain(projects).collect(),
        trials: routing.experiments.iter().map(trial).collect(),
        utc_offset_minutes: routing.utc_offset_minutes,
    }
}

fn name(rule: &Rule, at: usize) -> String {
    if rule.name.is_empty() { format!("rule {}", at + 1) } else { rule.name.clone() }
}

fn when(when: &When) -> policy::When {
    policy::When {
        tasks: when.tasks.clone(),
        complexity: when.complexity.clone(),
        files: when.files.clone(),
        keys: when.keys.clone(),
        teams: when.teams.clone(),
        users: when.users.clone(),
        projects: when.projects.clone(),
        doors: when.doors.clone(),
        hours: when.hours.map(|hours| policy::Hours { from: hours.from, until: hours.until }),
        budget_below: dollars(when.budget_below_usd),
        input_tokens_from: when.input_tokens_from,
    }
}

fn then(rule: &Rule) -> policy::Then {
    let shadow = rule.shadow_model.as_ref().map(|model| policy::Shadow {
        model: model.clone(),
        share_bp: basis_points(rule.shadow_share),
    });
    policy::Then {
        min_layer: rule.min_layer,
        max_layer: rule.max_layer,
        cross_check: rule.cross_check,
        auto_escalate: rule.auto_escalate,
        quality: rule.quality,
        task: rule.task,
        models: rule.models.clone(),
        deny_models: rule.deny_models.clone(),
        cost_max: dollars(rule.max_cost_usd),
        input_tokens_max: rule.max_context_tokens,
        cache: None,
        shadow,
    }
}

fn trial(experiment: &Experiment) -> Trial {
    Trial {
        experiment: experiment::Experiment {
            name: experiment.name.clone(),
            treatment_bp: basis_points(experiment.share),
            exposure_bp: basis_points(experiment.exposure),
        },
        unit: match experiment.unit {
            Unit::Key => gw_engine::Unit::Key,
            Unit::User => gw_engine::Unit::User,
            Unit::Project => gw_engine::Unit::Project,
            Unit::Conversation => gw_engine::Unit::Conversation,
        },
        when: when(&experiment.when),
        then: then(&experiment.treatment),
        cost_rise_max: experiment.max_cost_rise,
    }
}

/// A project's rules: what its files and its work ask for goes before what holds for all of it.
fn of_project(name: &str, project: &Project) -> Vec<policy::Rule> {
    let of_it = || policy::When { projects: vec![name.to_owned()], ..policy::When::default() };
    let routing = &project.routing;
    let by_file = routing.file_patterns.iter().map(|(pattern, file)| policy::Rule {
        name: format!("project {name}: files {pattern}"),
        when: policy::When { files: vec![pattern.clone()], ..of_it() },
        then: policy::Then {
            models: file.preferred_models.clone(),
            max_layer: file.max_layer,
            task: file.task_type,
            ..policy::Then::default()
        },
    });
    let by_task = routing.task_overrides.iter().filter_map(|(task, changed)| {
        Some(policy::Rule {
            name: format!("project {name}: task {task}"),
            when: policy::When { tasks: vec![task.parse().ok()?], ..of_it() },
            then: policy::Then {
                max_layer: changed.max_layer,
                cross_check: changed.cross_check,
                ..policy::Then::default()
            },
        })
    });
    let whole = policy::Rule {
        name: format!("project {name}"),
        when: of_it(),
        then: policy::Then {
            min_layer: routing.default_layer,
            max_layer: routing.max_layer,
            cost_max: dollars(routing.max_cost_per_request),
            input_tokens_max: routing.max_context_tokens,
            cross_check: project.features.enable_cross_check,
            auto_escalate: project.features.enable_auto_escalate,
            ..policy::Then::default()
        },
    };
    by_file.chain(by_task).chain(std::iter::once(whole)).collect()
}
