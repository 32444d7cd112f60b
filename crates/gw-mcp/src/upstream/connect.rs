//! Making a connection: which protocol a server speaks is found out by asking it, and never by one
//! error code. Servers answer a question they do not know with any error, or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gw_net::Client;
use tokio::sync::mpsc;

use crate::caller::{Nobody, Profile};
use crate::limits::PROBE_MS;
use crate::message::{HEADER_MISMATCH, MISSING_CAPABILITY, RpcError, UNSUPPORTED_VERSION};
use crate::meta::{self, Identity};
use crate::options::{EraChoice, ServerOptions, TransportOptions};
use crate::raw::{Fields, Raw};
use crate::upstream::http::{Endpoint, HttpWire};
use crate::upstream::link::{Hello, Link, Notice};
use crate::upstream::sse_legacy;
use crate::upstream::stdio::{self, ChildOptions, Ring};
use crate::upstream::wire::Failure;
use crate::version::Version;

/// What making connections takes, the same for all servers.
pub(crate) struct Means {
    pub(crate) client: Client,
    pub(crate) identity: Identity,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) launcher: Vec<String>,
}

/// One attempt to connect.
pub(crate) struct Attempt<'a> {
    pub(crate) server: &'a Arc<str>,
    pub(crate) options: &'a ServerOptions,
    pub(crate) means: &'a Means,
    pub(crate) profile: Profile,
    /// What was spoken last time, if that is known.
    pub(crate) hint: Option<EraChoice>,
    pub(crate) notices: mpsc::Sender<Notice>,
    pub(crate) stderr: Ring,
}

/// A connection that is being made. It ends when the attempt fails, and also when the caller for whom
/// it is made leaves.
struct Made(Option<Arc<Link>>);

impl Drop for Made {
    fn drop(&mut self) {
        let Some(link) = self.0.take() else { return };
        link.fail("was given up");
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Ending a child takes its time, which is nobody else's.
            runtime.spawn(async move { link.close().await });
        }
    }
}

/// How a server took the question which protocol it speaks.
enum Verdict {
    Modern(Hello),
    Legacy,
    /// It ended, or its connection did; it may still speak the old one.
    Gone,
}

impl Attempt<'_> {
    /// Connects, within the server's time for starting.
    pub(crate) async fn run(&self) -> Result<Arc<Link>, Failure> {
        let limit_ms = self.options.start_timeout_ms;
        let limit = Duration::from_millis(limit_ms);
        let mut made = Made(None);
        let outcome = tokio::time::timeout(limit, self.connect(&mut made.0)).await;
        let outcome = outcome.unwrap_or(Err(Failure::TimedOut(limit_ms)));
        if outcome.is_ok() {
            made.0 = None;
        }
        outcome
    }

    fn era(&self) -> EraChoice {
        match self.options.era {
            EraChoice::Auto => self.hint.unwrap_or(EraChoice::Auto),
            chosen => chosen,
        }
    }

    async fn connect(&self, made: &mut Option<Arc<Link>>) -> Result<Arc<Link>, Failure> {
        match &self.options.transport {
            TransportOptions::Sse { url, headers } => {
                let link = self.open_sse(self.endpoint(url, headers)?).await?;
                *made = Some(Arc::clone(&link));
                self.initialize(&link).await?;
                Ok(link)
            }
            TransportOptions::Stdio { .. } => self.over_stdio(made).await,
            TransportOptions::Http { url, headers } => {
                self.over_http(self.endpoint(url, headers)?, made).await
            }
        }
    }

    fn endpoint(
        &self,
        url: &str,
        headers: &BTreeMap<String, secrecy::SecretString>,
    ) -> Result<Endpoint, Failure> {
        Endpoint::new(Arc::clone(self.server), self.means.client.clone(), url, headers)
    }

    fn start(&self) -> Result<Arc<Link>, Failure> {
        let TransportOptions::Stdio { command, environment, cwd } = &self.options.transport else {
            return Err(Failure::NotSent("it is no command".to_owned()));
        };
        let options = ChildOptions {
            launcher: &self.means.launcher,
            command,
            environment,
            inherited: &self.means.environment,
            cwd: cwd.as_deref(),
        };
        let (wire, listen) = stdio::start(&options, self.stderr.clone())?.split();
        let link = Link::new(Box::new(wire), self.notices.clone());
        listen(Arc::clone(&link));
        Ok(link)
    }

    async fn over_stdio(&self, made: &mut Option<Arc<Link>>) -> Result<Arc<Link>, Failure> {
        let mut link = self.start()?;
        *made = Some(Arc::clone(&link));
        if self.era() != EraChoice::Legacy {
            let probe = Duration::from_millis(PROBE_MS.min(self.options.start_timeout_ms / 2));
            let verdict = match tokio::time::timeout(probe, self.discover(&link)).await {
                Err(_) => Verdict::Legacy,
                Ok(Ok(Some(hello))) => Verdict::Modern(hello),
                Ok(Ok(None) | Err(Failure::Rpc(_))) => Verdict::Legacy,
                Ok(Err(_)) => Verdict::Gone,
            };
            match verdict {
                Verdict::Modern(hello) => {
                    link.open(hello);
                    return Ok(link);
                }
                _ if self.options.era == EraChoice::Modern => return Err(not_modern()),
                Verdict::Legacy => {}
                Verdict::Gone => {
                    link.close().await;
                    link = self.start()?;
                    *made = Some(Arc::clone(&link));
                }
            }
        }
        match self.initialize(&link).await {
            Ok(()) => Ok(link),
            // It was slow to start, took the question for modern after all, and stays with that.
            Err(Failure::Rpc(error))
                if error.code == UNSUPPORTED_VERSION && self.options.era == EraChoice::Auto =>
            {
                match self.discover(&link).await {
                    Ok(Some(hello)) => {
                        link.open(hello);
                        Ok(link)
                    }
                    _ => Err(Failure::Rpc(error)),
                }
            }
            Err(failure) => Err(failure),
        }
    }

    async fn over_http(
        &self,
        endpoint: Endpoint,
        made: &mut Option<Arc<Link>>,
    ) -> Result<Arc<Link>, Failure> {
        let link = Link::new(Box::new(HttpWire::new(endpoint.clone())), self.notices.clone());
        *made = Some(Arc::clone(&link));
        if self.era() != EraChoice::Legacy {
            match self.discover(&link).await {
                Ok(Some(hello)) => {
                    link.open(hello);
                    return Ok(link);
                }
                // A refusal in the words of the modern protocol is no reason to speak the old one.
                Err(Failure::Rpc(error))
                    if matches!(error.code, HEADER_MISMATCH | MISSING_CAPABILITY) =>
                {
                    return Err(Failure::Rpc(error));
                }
                Err(Failure::Status(status, text)) if is_inconclusive(status) => {
                    return Err(Failure::Status(status, text));
                }
                Err(failure @ (Failure::NotSent(_) | Failure::Broken(_))) => return Err(failure),
                Ok(None) | Err(_) if self.options.era == EraChoice::Modern => {
                    return Err(not_modern());
                }
                Ok(None) | Err(_) => {}
            }
        }
        match self.initialize(&link).await {
            Ok(()) => Ok(link),
            // Servers of 2024-11-05 have a stream at this address, and take no posts.
            Err(Failure::Status(400..=405, _)) => {
                let link = self.open_sse(endpoint).await?;
                *made = Some(Arc::clone(&link));
                self.initialize(&link).await?;
                Ok(link)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn open_sse(&self, endpoint: Endpoint) -> Result<Arc<Link>, Failure> {
        let within = Duration::from_millis(self.options.start_timeout_ms);
        let (wire, listen) = sse_legacy::open(endpoint, within).await?.split();
        let link = Link::new(Box::new(wire), self.notices.clone());
        listen(Arc::clone(&link));
        Ok(link)
    }

    /// Asks for the modern protocol; `None` where the server answers and does not speak it.
    async fn discover(&self, link: &Arc<Link>) -> Result<Option<Hello>, Failure> {
        let mut params = Fields::default();
        let mut about = Fields::default();
        meta::introduce(&mut about, &self.means.identity, &Fields::default(), None);
        meta::store(&mut params, &about);
        let mut may_repeat = true;
        loop {
            let nobody = Nobody::caller();
            match link.request("server/discover", params.clone(), &nobody, &[]).await {
                Ok(result) => return Ok(read_discovery(&result)),
                Err(Failure::Rpc(error)) if error.code == UNSUPPORTED_VERSION => {
                    // A server that names the version which it refuses is asked once more.
                    if !std::mem::take(&mut may_repeat) || !names_modern(&error) {
                        return Ok(None);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn initialize(&self, link: &Arc<Link>) -> Result<(), Failure> {
        let mut params = Fields::default();
        params.put("protocolVersion", Version::LEGACY.as_str());
        params.put("capabilities", self.profile.capabilities());
        params.put("clientInfo", &self.means.identity);
        let result = link.request("initialize", params, &Nobody::caller(), &[]).await?;
        let fields = Fields::of(&result).unwrap_or_default();
        let named = fields.text("protocolVersion").unwrap_or_default();
        let version = Version::parse(&named).filter(|version| !version.is_modern());
        let Some(version) = version else {
            return Err(Failure::Broken(format!("speaks version `{named}`, which is not known")));
        };
        link.open(Hello {
            version,
            capabilities: fields.object("capabilities").unwrap_or_default(),
            instructions: fields.text("instructions"),
        });
        link.notify("notifications/initialized", &Fields::default()).await;
        link.listen().await;
        Ok(())
    }
}

/// Statuses that say nothing about the protocol: who asks, how often, and whether anybody is home.
fn is_inconclusive(status: u16) -> bool {
    matches!(status, 401 | 403 | 407 | 408 | 429 | 500..=599)
}

fn not_modern() -> Failure {
    let text = "does not speak 2026-07-28, which is the only one configured";
    Failure::NotSent(text.to_owned())
}

/// True where a refusal of the version lists the very version.
fn names_modern(error: &RpcError) -> bool {
    let data = error.data.as_deref().and_then(Fields::of);
    let versions: Option<Vec<String>> = data.and_then(|data| data.read("supported"));
    versions.is_some_and(|versions| versions.iter().any(|it| it == Version::MODERN.as_str()))
}

/// Some old libraries answer the question and then speak an old version, so the list decides.
fn read_discovery(result: &Raw) -> Option<Hello> {
    let fields = Fields::of(result)?;
    let versions: Vec<String> = fields.read("supportedVersions")?;
    if !versions.iter().any(|version| version == Version::MODERN.as_str()) {
        return None;
    }
    Some(Hello {
        version: Version::MODERN,
        capabilities: fields.object("capabilities").unwrap_or_default(),
        instructions: fields.text("instructions"),
    })
}
