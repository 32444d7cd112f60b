//! What every command starts from: the process's environment, read once, and the configuration.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::Result;
use gw_config::{Inputs, Loaded, Purpose};
use secrecy::ExposeSecret;

use crate::assemble;
use crate::cli::{DemoChoice, Global};
use crate::desk::Desk;
use crate::local;
use crate::remote::Remote;
use crate::store::Use;
use crate::talk::Talk;

/// The process as it was started.
#[derive(Clone)]
pub(crate) struct Setup {
    env: BTreeMap<String, String>,
    cwd: PathBuf,
    file: Option<PathBuf>,
    flags: Vec<(String, String)>,
    endpoint: Option<String>,
    api_key: Option<String>,
}

impl Setup {
    /// The one place where the environment enters.
    pub(crate) fn from_process(global: &Global) -> Self {
        let mut flags = Vec::new();
        let demo = if global.no_demo { Some(DemoChoice::Off) } else { global.demo };
        if let Some(demo) = demo {
            let word = match demo {
                DemoChoice::Auto => "auto",
                DemoChoice::Off => "off",
                DemoChoice::On => "on",
            };
            flags.push(("demo.enabled".to_owned(), word.to_owned()));
        }
        // A variable that is not UTF-8 cannot be one of ours.
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = |name: &str| env.get(name).filter(|value| !value.is_empty()).cloned();
        Self {
            cwd: std::env::current_dir().unwrap_or_default(),
            file: global.config.clone(),
            flags,
            endpoint: global.endpoint.clone().or_else(|| named("GATEWAY_URL")),
            api_key: global.api_key.clone().or_else(|| named("GATEWAY_KEY")),
            env,
        }
    }

    /// The configuration file in use; where there is none, the user's own, which may be begun.
    pub(crate) fn config_file(&self) -> Option<PathBuf> {
        gw_config::file_to_change(&self.inputs(Purpose::Other, &[]))
    }

    fn inputs(&self, purpose: Purpose, more: &[(&str, String)]) -> Inputs {
        let mut flags = self.flags.clone();
        flags.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        let home = self.env.get("HOME").or_else(|| self.env.get("USERPROFILE"));
        Inputs {
            file: self.file.clone(),
            env: self.env.clone(),
            cwd: self.cwd.clone(),
            home: home.map(PathBuf::from),
            flags,
            purpose,
        }
    }

    /// Loads the configuration with further flags over it.
    ///
    /// # Errors
    /// [`gw_config::ConfigErrors`] with everything that is wrong.
    pub(crate) fn load(&self, purpose: Purpose, more: &[(&str, String)]) -> Result<Loaded> {
        Ok(gw_config::load(&self.inputs(purpose, more))?)
    }

    /// Loads the configuration for answering questions: a model server found on this machine goes
    /// before simulated models.
    ///
    /// # Errors
    /// Those of [`Setup::load`], and of a proxy that cannot be used.
    pub(crate) async fn load_to_answer(
        &self,
        purpose: Purpose,
        more: &[(&str, String)],
    ) -> Result<Loaded> {
        let loaded = self.load(purpose, more)?;
        let client = assemble::client(&loaded.settings)?;
        match local::found(&loaded, &client).await {
            Some(found) => self.load(purpose, &[more, &found[..]].concat()),
            None => Ok(loaded),
        }
    }

    /// The running gateway that is named by flag, environment or configuration.
    ///
    /// # Errors
    /// Those of [`Setup::load`], and of a proxy that cannot be used.
    pub(crate) fn remote(&self) -> Result<Option<Remote>> {
        let loaded = self.load(Purpose::Other, &[])?;
        let named = &loaded.settings.client;
        let endpoint = self.endpoint.clone().or_else(|| named.endpoint.clone());
        let Some(endpoint) = endpoint else { return Ok(None) };
        let key = self.api_key.clone();
        let key = key.or_else(|| named.api_key.as_ref().map(|key| key.expose_secret().to_owned()));
        let client = assemble::client(&loaded.settings)?;
        Ok(Some(Remote::new(client, &endpoint, key)))
    }

    /// Whom a command asks: the running gateway that is named, else an engine in this process.
    ///
    /// # Errors
    /// Those of loading and assembling.
    pub(crate) async fn talk(&self) -> Result<Talk> {
        if let Some(remote) = self.remote()? {
            return Ok(Talk::Remote(Box::new(remote)));
        }
        let loaded = self.load_to_answer(Purpose::Other, &[]).await?;
        let gateway = assemble::gateway(&loaded, Use::Command).await?;
        crate::discovery::once(&gateway, &loaded.settings).await;
        Ok(Talk::Local(gateway.engine, Box::new(gateway.store)))
    }

    /// Where a command governs: the running gateway that is named, else the store.
    ///
    /// # Errors
    /// Those of loading, and of a store that cannot be opened.
    pub(crate) async fn desk(&self) -> Result<Desk> {
        let loaded = self.load(Purpose::Other, &[])?;
        if let Some(remote) = self.remote()? {
            return Ok(Desk::Gateway(Box::new(remote)));
        }
        Ok(Desk::Store(Box::new(assemble::desk(&loaded.settings).await?)))
    }

    /// Whether a bare start means serving (`MODE=api`), and then whether callers without a key are
    /// served: as in system A, which has none, but on this machine only and where neither keys nor
    /// whether they are needed is configured.
    ///
    /// # Errors
    /// Those of loading.
    pub(crate) fn api_mode(&self) -> Result<Option<bool>> {
        let loaded = self.load(Purpose::Other, &[])?;
        if loaded.settings.mode != gw_config::section::doors::Mode::Api {
            return Ok(None);
        }
        let server = &loaded.settings.server;
        let is_unsaid = ["server.require_key", "server.allow_open"]
            .iter()
            .all(|key| *loaded.source(key) == gw_config::Source::Default);
        Ok(Some(is_unsaid && server.keys.is_empty() && server.is_loopback()))
    }

    pub(crate) fn has_no_color(&self) -> bool {
        self.env.get("NO_COLOR").is_some_and(|value| !value.is_empty())
    }

    pub(crate) fn is_terminal(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
    }

    /// The environment, read once.
    pub(crate) fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// The folder the process was started in.
    pub(crate) fn cwd(&self) -> &std::path::Path {
        &self.cwd
    }

    /// The gateway named by flag or environment.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// The key for it.
    pub(crate) fn api_key(&self) -> Option<String> {
        self.api_key.clone()
    }
}
