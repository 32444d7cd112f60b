//! From the file's shape to checked settings: what follows from several keys together.

mod endpoint;
mod mcp;
mod names;
mod providers;
mod server;
mod store;

use std::collections::BTreeMap;
use std::path::PathBuf;

use gw_core::task::TaskType;
use secrecy::ExposeSecret as _;
use url::Url;

use crate::load::Purpose;
use crate::secret::Secret;
use crate::section::alerts::Webhook;
use crate::section::policy::Project;
use crate::section::routing::Routing;
use crate::settings::{Raw, Settings};
use crate::source::{Problem, Source, Warning};

/// What resolving reads beside the raw values, and what it gathers.
pub(crate) struct Resolver {
    pub(crate) purpose: Purpose,
    /// The user's data folder, where known.
    pub(crate) data_folder: Option<PathBuf>,
    pub(crate) sources: BTreeMap<String, Source>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Warning>,
}

impl Resolver {
    /// Checks what concerns several keys. Always gives settings; they count only without problems.
    pub(crate) fn settings(&mut self, mut raw: Raw) -> Settings {
        let server = self.server(raw.server);
        let store = self.store(raw.store);
        self.endpoint(&raw.endpoint, &mut raw.providers, &mut raw.defaults);
        if raw.endpoint.api_key.is_some() && raw.proxy.https.is_none() {
            // System B knew only HTTP_PROXY, and used it for https.
            raw.proxy.https.clone_from(&raw.proxy.http);
        }
        let providers = self.providers(raw.providers, raw.timeouts, &raw.defaults);
        self.check_default_provider(&raw.defaults, &providers);
        self.check_models(&raw.models, &providers);
        let aliases = self.aliases(&raw.aliases);
        self.check_layers(&raw.layers, &raw.routing);
        self.check_proxy("proxy.http", raw.proxy.http.as_ref());
        self.check_proxy("proxy.https", raw.proxy.https.as_ref());
        self.check_mcp(&raw.mcp);
        self.check_webhook(&raw.alerts.webhook);
        self.check_policies(&raw.routing, &raw.projects);
        if let Some(endpoint) = &raw.client.endpoint {
            self.check_url("client.endpoint", endpoint, "http://localhost:3000");
        }
        Settings {
            mode: raw.mode,
            server,
            log: raw.log,
            store,
            providers,
            timeouts: raw.timeouts,
            defaults: raw.defaults,
            models: raw.models,
            aliases,
            layers: raw.layers,
            routing: raw.routing,
            projects: raw.projects,
            cost: raw.cost,
            alerts: raw.alerts,
            context: raw.context,
            cache: raw.cache,
            proxy: raw.proxy,
            demo: raw.demo,
            mcp: raw.mcp,
            client: raw.client,
        }
    }

    /// Keys that are words, and names that records are told apart by.
    fn check_policies(&mut self, routing: &Routing, projects: &BTreeMap<String, Project>) {
        for (name, project) in projects {
            for task in project.routing.task_overrides.keys() {
                if let Err(words) = task.parse::<TaskType>() {
                    let key = format!("projects.{name}.routing.task_overrides.{task}");
                    self.problem(&key, words, "name a kind of work");
                }
            }
        }
        for (at, experiment) in routing.experiments.iter().enumerate() {
            let before = &routing.experiments[..at];
            if before.iter().any(|other| other.name == experiment.name) {
                let key = format!("routing.experiments.{at}.name");
                let message = format!("`{}` is the name of another experiment", experiment.name);
                self.problem(&key, message, "give each experiment a name of its own");
            }
        }
    }

    fn check_webhook(&mut self, webhook: &Webhook) {
        let Some(url) = &webhook.url else { return };
        let is_good = Url::parse(url.expose_secret())
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_good {
            self.problem(
                "alerts.webhook.url",
                "alerts.webhook.url is not an http or https address".to_owned(),
                "write it like https://alerts.example/gateway",
            );
        }
        if webhook.secret.as_ref().is_none_or(|secret| secret.expose_secret().is_empty()) {
            self.problem(
                "alerts.webhook.secret",
                "alerts.webhook.url is set, and there is no secret to sign alerts with".to_owned(),
                "set alerts.webhook.secret to a text that the receiver knows",
            );
        }
    }

    fn check_proxy(&mut self, key: &str, proxy: Option<&Secret>) {
        let Some(proxy) = proxy else { return };
        let is_good = Url::parse(proxy.expose_secret())
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_good {
            self.problem(
                key,
                format!("{key} is not the address of an HTTP proxy"),
                "write it like http://proxy.example:3128",
            );
        }
    }

    /// Reads an address of a server; the address is shown only where it cannot hold a password.
    fn check_url(&mut self, key: &str, text: &str, example: &str) -> Option<Url> {
        let shown = if text.contains('@') { String::new() } else { format!(" {text:?}") };
        let wanted = format!("write it like {example}");
        let url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                self.problem(key, format!("{key}{shown} is not an http or https address"), &wanted);
                return None;
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            self.problem(
                key,
                format!("{key} holds a user name or password"),
                "put it into a header or key instead",
            );
            return None;
        }
        if url.fragment().is_some() {
            self.problem(key, format!("{key}{shown} has a fragment"), "remove the part from # on");
            return None;
        }
        Some(url)
    }

    /// Notes a problem with a key, unless checking has already found one there.
    pub(crate) fn problem(&mut self, key: &str, message: String, fix: &str) {
        let is_known = self.problems.iter().any(|known| {
            known.key == key
                || known.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
        });
        if !is_known {
            let (source, key) = (self.source(key), key.to_owned());
            self.problems.push(Problem { source, key, message, fix: fix.to_owned() });
        }
    }

    pub(crate) fn warning(&mut self, key: &str, message: String) {
        let source = self.source(key);
        self.warnings.push(Warning { source, message });
    }

    /// Where a key was set, or the nearest table around it.
    fn source(&self, key: &str) -> Source {
        let mut key = key;
        loop {
            if let Some(source) = self.sources.get(key) {
                return source.clone();
            }
            match key.rfind(['.', '[']) {
                Some(end) => key = &key[..end],
                None => return Source::Default,
            }
        }
    }

    /// Says that a value of this key comes from where another was set.
    fn derive_source(&mut self, key: &str, from: &str) {
        if let Some(source) = self.sources.get(from).cloned() {
            self.sources.entry(key.to_owned()).or_insert(source);
        }
    }
}
