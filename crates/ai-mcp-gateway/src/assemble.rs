//! The only file that chooses implementations: from settings to a running engine.

use std::collections::HashMap;
use std::sync::Arc;

use gw_catalog::{
    Bands, Capabilities, Catalog, CatalogOptions, Decimal, Modality, ModelOverride, ModelPrices,
    Offering, Resolution, price_text,
};
use gw_config::section::cost::Unpriced;
use gw_config::section::demo::DemoMode;
use gw_config::section::models::{Capability, Model};
use gw_config::section::routing::Classify;
use gw_config::{Loaded, Settings, section};
use gw_core::seam::{Clock, Entropy, Timeouts, Upstream};
use gw_core::{Error, Kind, Layer, ProviderId, Result, TokenClass};
use gw_engine::options::RequestDefaults;
use gw_engine::{ContextOptions, Engine, EngineOptions, Provider, Resources, Snapshot};
use gw_ledger::Office;
use gw_net::{Client, NetOptions};
use gw_routing::{ModelField, RoutingOptions, TaskModels, parse_model_field};
use gw_simulator::{DEMO_MODELS, DEMO_PROVIDER, DemoUpstream};
use secrecy::ExposeSecret;

use crate::alerts::{self, Messenger};
use crate::desk::Here;
use crate::learned;
use crate::money::Governance;
use crate::policies;
use crate::providers;
use crate::real::{SystemClock, SystemEntropy};
use crate::store::{self, Store, Use};

/// A gateway put together, not yet listening.
pub(crate) struct Gateway {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Store,
    /// Who may call and what it may cost.
    pub(crate) governance: Governance,
    /// Posts alerts, where a webhook is configured.
    pub(crate) messenger: Option<Messenger>,
    /// True where simulated models answer because nothing else is there.
    pub(crate) is_demo: bool,
}

impl Gateway {
    /// Where surfaces govern while it runs.
    pub(crate) fn office(&self) -> Office {
        let resources = self.engine.resources();
        self.governance.office(&self.store, &resources.clock, &resources.entropy)
    }
}

/// Puts a gateway together.
///
/// # Errors
/// [`Kind::NotConfigured`] and [`Kind::InvalidRequest`] name the configuration key;
/// [`Kind::StoreUnavailable`] where the store cannot be opened.
pub(crate) async fn gateway(loaded: &Loaded, purpose: Use) -> Result<Gateway> {
    let settings = &*loaded.settings;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let client = client(settings)?;
    let (alarm, messenger) = alerts::alarm(&settings.alerts.webhook, &client, &clock, &entropy);
    let upstream: Arc<dyn Upstream> = Arc::new(client);
    let store = store::open(settings, &clock, &*entropy, purpose).await?;
    let governance = Governance::load(settings, &store, &clock, &entropy, Some(alarm)).await?;
    let snapshot = snapshot(loaded, &upstream, &clock)?;
    let is_demo = snapshot.providers.values().any(|provider| provider.is_demo);
    let resources = Resources {
        clock,
        entropy,
        budgets: governance.budgets.store(),
        calls: Arc::clone(&store.calls),
        conversations: Arc::clone(&store.conversations),
        store: Arc::clone(&store.health),
        hot: Arc::clone(&store.hot),
    };
    let engine = Engine::new(resources, snapshot);
    Ok(Gateway { engine, store, governance, messenger, is_demo })
}

/// The store as a place to govern, without anything that answers calls.
///
/// # Errors
/// [`Kind::StoreUnavailable`] where the store cannot be opened.
pub(crate) async fn desk(settings: &Settings) -> Result<Here> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let store = store::open(settings, &clock, &*entropy, Use::Command).await?;
    let governance = Governance::load(settings, &store, &clock, &entropy, None).await?;
    let office = Arc::new(governance.office(&store, &clock, &entropy));
    Ok(Here { office, store, clock })
}

/// The outgoing client.
///
/// # Errors
/// [`Kind::NotConfigured`] for a proxy that cannot be used.
pub(crate) fn client(settings: &Settings) -> Result<Client> {
    let proxy = &settings.proxy;
    let text = |secret: &Option<gw_config::Secret>| {
        secret.as_ref().map(|secret| secret.expose_secret().to_owned()).unwrap_or_default()
    };
    Client::new(&NetOptions {
        http_proxy: text(&proxy.http),
        https_proxy: text(&proxy.https),
        no_proxy: proxy.no_proxy.join(","),
        ..NetOptions::default()
    })
}

/// The store alone, for commands that only read it.
///
/// # Errors
/// [`Kind::StoreUnavailable`].
pub(crate) async fn store(settings: &Settings) -> Result<Store> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    store::open(settings, &clock, &SystemEntropy, Use::Command).await
}

/// Everything that configuration decides for a call.
///
/// # Errors
/// See [`gateway`].
pub(crate) fn snapshot(
    loaded: &Loaded,
    upstream: &Arc<dyn Upstream>,
    clock: &Arc<dyn Clock>,
) -> Result<Snapshot> {
    let settings = &*loaded.settings;
    let mut providers: HashMap<ProviderId, Arc<Provider>> = HashMap::new();
    let mut provider_ids = Vec::new();
    let version = settings.defaults.anthropic_version.as_deref();
    for (id, configured) in settings.enabled_providers() {
        let provider = providers::provider(id, configured, version, upstream, clock)?;
        provider_ids.push(provider.id.clone());
        providers.insert(provider.id.clone(), Arc::new(provider));
    }
    let mut catalog = catalog(settings, &provider_ids)?;
    if wants_demo(settings, provider_ids.is_empty())? {
        let demo = Arc::new(demo_provider(clock));
        provider_ids.push(demo.id.clone());
        providers.insert(demo.id.clone(), demo);
        catalog = catalog.with_discovered(demo_offerings());
    }
    Ok(Snapshot {
        catalog: Arc::new(catalog),
        providers,
        provider_ids,
        routing: routing(loaded),
        engine: EngineOptions { learning: learned::learning(settings)?, ..engine(settings) },
    })
}

fn wants_demo(settings: &Settings, has_no_provider: bool) -> Result<bool> {
    match settings.demo.enabled {
        DemoMode::On => Ok(true),
        DemoMode::Auto => Ok(has_no_provider),
        DemoMode::Off if has_no_provider => {
            Err(Error::new(Kind::NotConfigured, "no provider is configured and the demo is off")
                .with_hint(
                    "Set OPENAI_API_KEY, ANTHROPIC_API_KEY or OPENROUTER_API_KEY, or \
                     OSS_MODEL_ENABLED=true for a local Ollama; or leave out --no-demo.",
                ))
        }
        DemoMode::Off => Ok(false),
    }
}

/// The embedded catalogue with the changes of configuration.
///
/// # Errors
/// [`Kind::InvalidRequest`] naming the configuration key.
pub(crate) fn catalog(settings: &Settings, providers: &[ProviderId]) -> Result<Catalog> {
    let mut options = catalog_options(settings, providers);
    let unknown = default_models(settings, providers, &options)?;
    options.models.extend(unknown);
    let catalog = Catalog::build(&options)?;
    // What `models_allow` and `models_deny` forbid is switched off, so that routing passes it over.
    let denied: Vec<String> = catalog
        .offerings()
        .iter()
        .filter(|offering| {
            let configured = settings.providers.get(offering.provider.as_str());
            configured.is_some_and(|provider| !provider.allows_model(offering.name.as_str()))
        })
        .map(|offering| offering.id())
        .collect();
    if denied.is_empty() {
        return Ok(catalog);
    }
    for id in denied {
        match options.models.iter_mut().find(|(known, _)| *known == id) {
            Some((_, change)) => change.enabled = Some(false),
            None => {
                let off = ModelOverride { enabled: Some(false), ..ModelOverride::default() };
                options.models.push((id, off));
            }
        }
    }
    Catalog::build(&options)
}

fn catalog_options(settings: &Settings, providers: &[ProviderId]) -> CatalogOptions {
    let mut options = CatalogOptions {
        models: settings.models.iter().map(|model| (model.id.clone(), change(model))).collect(),
        aliases: settings.aliases.iter().map(|(name, to)| (name.clone(), to.clone())).collect(),
        ..CatalogOptions::default()
    };
    let defaults = Bands::default();
    let bands = &settings.layers.bands;
    options.bands = Bands {
        l2_from: bands.l1_below_usd_per_million.map_or(defaults.l2_from, |price| price.0),
        l3_from: bands.l2_below_usd_per_million.map_or(defaults.l3_from, |price| price.0),
    };
    for layer in Layer::ALL {
        let listed = &settings.layers.of(layer).models;
        if !listed.is_empty() {
            options.layers.push((layer, listed.clone()));
        }
    }
    for id in providers {
        let Some(configured) = settings.providers.get(id.as_str()) else { continue };
        let spec = providers::known(id.as_str(), configured);
        let catalog_id = configured.catalog.as_deref().unwrap_or_else(|| spec.catalog_id());
        options.provider_catalogs.push((id.clone(), catalog_id.to_owned()));
        if configured.is_free || spec.is_local {
            options.local_providers.push(id.clone());
        }
    }
    options
}

/// The models that configuration names as the ones to use and the catalogue does not know: those of
/// local servers and of other people's endpoints. Routing may choose them too.
fn default_models(
    settings: &Settings,
    providers: &[ProviderId],
    options: &CatalogOptions,
) -> Result<Vec<(String, ModelOverride)>> {
    let own = |id: &ProviderId| {
        let configured = settings.providers.get(id.as_str())?;
        Some((id.clone(), configured.default_model.clone()?))
    };
    let mut named: Vec<(ProviderId, String)> = providers.iter().filter_map(own).collect();
    if let (Some(id), Some(model)) = (&settings.defaults.provider, &settings.defaults.model) {
        let id = ProviderId::from(id.as_str());
        let is_name = matches!(parse_model_field(model), ModelField::Named(_))
            && !settings.aliases.contains_key(model);
        if is_name && providers.contains(&id) {
            named.push((id, model.clone()));
        }
    }
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let known = Catalog::build(&CatalogOptions {
        models: Vec::new(),
        aliases: Vec::new(),
        layers: Vec::new(),
        ..options.clone()
    })?;
    let mut unknown: Vec<(String, ModelOverride)> = Vec::new();
    for (id, model) in named {
        let model_id = format!("{id}/{model}");
        let is_said = options.models.iter().chain(&unknown).any(|(said, _)| *said == model_id);
        let is_elsewhere = !matches!(known.resolve(&model, providers), Resolution::NotFound { .. });
        let is_of_provider = settings
            .providers
            .get(id.as_str())
            .is_some_and(|it| it.default_model.as_ref() == Some(&model));
        if is_said || known.offering(&id, &model).is_some() || (is_elsewhere && !is_of_provider) {
            continue;
        }
        unknown.push((model_id, unknown_model(options.local_providers.contains(&id))));
    }
    Ok(unknown)
}

/// What is assumed of a model that only configuration knows. Without a known price it is neither
/// free nor dear.
fn unknown_model(is_free: bool) -> ModelOverride {
    ModelOverride {
        input: Some(vec![Modality::Text]),
        output: Some(vec![Modality::Text]),
        tools: Some(true),
        layer: Some(if is_free { Layer::L0 } else { Layer::L1 }),
        free: is_free.then_some(true),
        enabled: Some(true),
        ..ModelOverride::default()
    }
}

fn change(model: &Model) -> ModelOverride {
    let has = |wanted: Capability| {
        model.capabilities.as_ref().map(|capabilities| capabilities.contains(&wanted))
    };
    let input = model.capabilities.as_ref().map(|capabilities| {
        let read = [
            (Capability::Vision, Modality::Image),
            (Capability::Pdf, Modality::Pdf),
            (Capability::AudioInput, Modality::Audio),
        ];
        let more = read.into_iter().filter(|(capability, _)| capabilities.contains(capability));
        std::iter::once(Modality::Text).chain(more.map(|(_, modality)| modality)).collect()
    });
    ModelOverride {
        enabled: model.enabled,
        layer: model.layer,
        context_window: model.context_window,
        max_output_tokens: model.max_output_tokens,
        output: input.is_some().then(|| vec![Modality::Text]),
        input,
        tools: has(Capability::Tools),
        structured_output: has(Capability::StructuredOutput),
        reasoning: has(Capability::Reasoning),
        code: has(Capability::Code),
        prices: prices(model),
        ..ModelOverride::default()
    }
}

fn prices(model: &Model) -> Option<ModelPrices> {
    let listed = &model.usd_per_million.0;
    if listed.is_empty() && model.web_search_usd_per_thousand.is_none() {
        return None;
    }
    let of = |class: TokenClass| {
        listed.get(&class).map(|price| Decimal(price_text::usd_per_million(price.0)))
    };
    Some(ModelPrices {
        input: of(TokenClass::Input),
        output: of(TokenClass::Output),
        cache_read: of(TokenClass::CacheRead),
        cache_write: of(TokenClass::CacheWrite),
        cache_write_1h: of(TokenClass::CacheWriteLong),
        reasoning: of(TokenClass::Reasoning),
        input_audio: of(TokenClass::InputAudio),
        cache_read_audio: of(TokenClass::CacheReadAudio),
        output_audio: of(TokenClass::OutputAudio),
        input_image: of(TokenClass::InputImage),
        cache_read_image: of(TokenClass::CacheReadImage),
        output_image: of(TokenClass::OutputImage),
        web_search: model
            .web_search_usd_per_thousand
            .map(|price| Decimal(price.0.times(1).to_usd_string())),
        request: None,
    })
}

pub(crate) fn routing(loaded: &Loaded) -> RoutingOptions {
    let settings = &*loaded.settings;
    let routing = &settings.routing;
    // Routing tells what the operator chose from what is only system A's default.
    let is_chosen = |key: &str| {
        *loaded.source(&format!("routing.fallback.{key}")) != gw_config::Source::Default
    };
    let fallback = &routing.fallback;
    let tasks = &routing.task_models;
    let local = settings.enabled_providers().find_map(|(id, provider)| {
        let model = provider.default_model.as_ref().filter(|_| provider.is_free)?;
        Some(format!("{id}/{model}"))
    });
    RoutingOptions {
        default_layer: routing.default_layer,
        max_escalation_layer: routing.max_escalation_layer,
        layers_enabled: Layer::ALL.map(|layer| settings.layers.of(layer).enabled),
        task_models: TaskModels {
            chat: tasks.chat.clone(),
            code: tasks.code.clone(),
            analyze: tasks.analyze.clone(),
            create_project: tasks.create_project.clone(),
        },
        enable_cross_check: routing.enable_cross_check,
        enable_auto_escalate: routing.enable_auto_escalate,
        candidates_max: usize::try_from(routing.retries.candidates_max).unwrap_or(usize::MAX),
        openrouter_fallback_models: is_chosen("openrouter_fallback_models")
            .then(|| fallback.openrouter_fallback_models.clone()),
        openrouter_replace_openai: is_chosen("openrouter_replace_openai")
            .then(|| fallback.openrouter_replace_openai.clone()),
        openrouter_replace_claude: is_chosen("openrouter_replace_claude")
            .then(|| fallback.openrouter_replace_claude.clone()),
        default_provider: settings.defaults.provider.as_deref().map(ProviderId::from),
        oss_local: local,
    }
}

fn engine(settings: &Settings) -> EngineOptions {
    let routing = &settings.routing;
    EngineOptions {
        attempts_per_candidate: routing.retries.attempts_per_candidate,
        breaker_failures: routing.breaker.failures,
        breaker_open_ms: routing.breaker.open_ms,
        context: context(&settings.context),
        classify_by_model: routing.classify == Classify::Model,
        answer_values: {
            let values = &routing.escalation_value_usd;
            [values.normal.0, values.high.0, values.critical.0]
        },
        policies: policies::policies(settings),
        unpriced: match settings.cost.unpriced {
            Unpriced::Allow => gw_ledger::Unpriced::Allow,
            Unpriced::Estimate => {
                gw_ledger::Unpriced::Ceiling(settings.cost.unpriced_usd_per_million.0)
            }
            Unpriced::Deny => gw_ledger::Unpriced::Deny,
        },
        defaults: RequestDefaults {
            model: settings.defaults.model.clone(),
            temperature: settings.defaults.temperature,
            max_tokens: settings.defaults.max_tokens,
        },
        cache: crate::hot::cache_options(&settings.cache),
        ..EngineOptions::default()
    }
}

fn context(context: &section::context::Context) -> ContextOptions {
    use section::context::{Stateless, Strategy, Summariser};
    ContextOptions {
        compression: gw_context::Options {
            strategy: match context.strategy {
                Strategy::Full => gw_context::Strategy::Full,
                Strategy::LastN => gw_context::Strategy::LastN,
                Strategy::SummaryRecent => gw_context::Strategy::SummaryRecent,
                Strategy::SpanRetrieval => gw_context::Strategy::SpanRetrieval,
            },
            keep_recent: context.recent_messages,
            trigger_messages: context.compress_after_messages,
            trigger_tokens: context.compress_after_tokens,
            refresh_every: context.refresh_every,
            bounds: gw_context::Bounds {
                tokens_max: context.summary_tokens,
                ..gw_context::Bounds::default()
            },
            span_count: context.span_count,
            ..gw_context::Options::default()
        },
        summariser: match context.summariser {
            Summariser::Extractive => gw_engine::Summariser::Extractive,
            Summariser::Free => gw_engine::Summariser::Free,
            Summariser::Cheapest => gw_engine::Summariser::Cheapest,
        },
        stateless: match context.stateless {
            Stateless::Off => gw_engine::Stateless::Off,
            Stateless::Overflow => gw_engine::Stateless::Overflow,
            Stateless::Always => gw_engine::Stateless::Always,
        },
        groups_stateless: context.group_stateless,
        keeps_stateless: context.keep_stateless,
    }
}

fn demo_provider(clock: &Arc<dyn Clock>) -> Provider {
    Provider {
        id: ProviderId::from(DEMO_PROVIDER),
        display_name: "Simulated models".to_owned(),
        dialect: gw_dialect::dialect(gw_core::seam::DialectId::OpenAiChat),
        url: "http://demo.invalid/v1/chat/completions".to_owned(),
        operations: gw_engine::Operations::default(),
        models_url: None,
        credentials: Vec::new(),
        headers: http::HeaderMap::new(),
        quirks: gw_core::seam::Quirks::default(),
        timeouts: Timeouts::default(),
        upstream: Arc::new(DemoUpstream::new(Arc::clone(clock))),
        is_local: true,
        is_demo: true,
        model_filter: None,
    }
}

fn demo_offerings() -> Vec<Offering> {
    let layers = Layer::ALL.into_iter().zip(DEMO_MODELS);
    layers
        .map(|(layer, name)| Offering {
            provider: ProviderId::from(DEMO_PROVIDER),
            name: name.into(),
            model: name.into(),
            display_name: format!("Simulated model ({layer})"),
            family: name.to_owned(),
            context_window: Some(128_000),
            max_output_tokens: Some(16_000),
            capabilities: Capabilities {
                input: vec![Modality::Text, Modality::Image, Modality::Pdf, Modality::Audio],
                output: vec![Modality::Text],
                tools: true,
                structured_output: true,
                reasoning: true,
                code: true,
                temperature: None,
                efforts: Vec::new(),
            },
            prices: Vec::new(),
            is_free: true,
            layer: Some(layer),
            rank: 0,
            is_enabled: true,
            released: None,
            is_demo: true,
        })
        .collect()
}
