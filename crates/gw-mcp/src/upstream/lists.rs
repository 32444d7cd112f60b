//! What a server offers, read page by page and kept as it came.

use std::collections::HashSet;
use std::sync::Arc;

use crate::caller::{Caller, Profile};
use crate::headers::{self, Mirrored};
use crate::limits::{LIST_ITEMS_MAX, LIST_PAGES_MAX};
use crate::message::METHOD_NOT_FOUND;
use crate::meta::{self, Identity};
use crate::options::ServerOptions;
use crate::raw::{self, Fields, Raw};
use crate::upstream::link::Link;
use crate::upstream::wire::Failure;

/// A tool of a server.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) fields: Fields,
    /// Parameters that are mirrored in headers.
    pub(crate) mirrored: Arc<[Mirrored]>,
}

/// Everything a server offers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    pub(crate) tools: Vec<Tool>,
    pub(crate) resources: Vec<Fields>,
    pub(crate) templates: Vec<Fields>,
    pub(crate) prompts: Vec<Fields>,
    pub(crate) capabilities: Fields,
    pub(crate) instructions: Option<String>,
    pub(crate) version: Option<crate::version::Version>,
}

impl Lists {
    pub(crate) fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// A digest that is the same as long as what clients see is.
    pub(crate) fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let mut add = |fields: &Fields| {
            hasher.update(fields.to_raw().get().as_bytes());
            hasher.update(b"\n");
        };
        self.tools.iter().for_each(|tool| add(&tool.fields));
        self.resources.iter().chain(&self.templates).chain(&self.prompts).for_each(&mut add);
        add(&self.capabilities);
        hasher.update(self.instructions.as_deref().unwrap_or_default().as_bytes());
        hasher.finalize()
    }
}

/// Reads everything.
pub(crate) async fn read(
    link: &Arc<Link>,
    options: &ServerOptions,
    us: &Identity,
    nobody: &Arc<dyn Caller>,
) -> Result<Lists, Failure> {
    let Some(hello) = link.hello() else {
        return Err(Failure::NotSent("the handshake is not done".to_owned()));
    };
    let lister = Lister { link, us, nobody };
    let has = |name: &str| hello.capabilities.has(name);
    let tools = if has("tools") { lister.all("tools/list", "tools").await? } else { Vec::new() };
    let prompts =
        if has("prompts") { lister.all("prompts/list", "prompts").await? } else { Vec::new() };
    let (mut resources, mut templates) = (Vec::new(), Vec::new());
    if has("resources") {
        resources = lister.all("resources/list", "resources").await?;
        templates = lister.all("resources/templates/list", "resourceTemplates").await?;
    }
    Ok(Lists {
        tools: usable(tools, options),
        resources,
        templates,
        prompts,
        capabilities: hello.capabilities.clone(),
        instructions: hello.instructions.clone(),
        version: Some(hello.version),
    })
}

/// Tools that may be used: allowed, named once, and with annotations that keep the rules.
fn usable(tools: Vec<Fields>, options: &ServerOptions) -> Vec<Tool> {
    let mut seen = HashSet::new();
    let mut usable = Vec::with_capacity(tools.len());
    for fields in tools {
        let Some(name) = fields.text("name") else { continue };
        if !options.allows(&name) || !seen.insert(name.clone()) {
            continue;
        }
        let mirrored = match fields.get("inputSchema") {
            Some(schema) => headers::mirrored(schema),
            None => Some(Vec::new()),
        };
        match mirrored {
            Some(mirrored) => usable.push(Tool { name, fields, mirrored: mirrored.into() }),
            None => tracing::warn!(tool = name, "left out: its x-mcp-header breaks the rules"),
        }
    }
    usable
}

struct Lister<'a> {
    link: &'a Arc<Link>,
    us: &'a Identity,
    nobody: &'a Arc<dyn Caller>,
}

impl Lister<'_> {
    async fn all(&self, method: &str, list: &str) -> Result<Vec<Fields>, Failure> {
        let mut all = Vec::new();
        let mut cursor: Option<Raw> = None;
        for _ in 0..LIST_PAGES_MAX {
            let mut params = Fields::default();
            if let Some(cursor) = &cursor {
                params.set("cursor", cursor.clone());
            }
            if self.link.is_modern() {
                let mut about = Fields::default();
                meta::introduce(&mut about, self.us, &Profile::default().capabilities(), None);
                meta::store(&mut params, &about);
            }
            let page = match self.link.request(method, params, self.nobody, &[]).await {
                Ok(page) => Fields::of(&page).unwrap_or_default(),
                // Servers that declare resources often have no templates.
                Err(Failure::Rpc(error)) if error.code == METHOD_NOT_FOUND => return Ok(all),
                Err(failure) => return Err(failure),
            };
            let items = page.get(list).and_then(raw::items).unwrap_or_default();
            all.extend(items.iter().filter_map(|item| Fields::of(item)));
            if all.len() > LIST_ITEMS_MAX {
                all.truncate(LIST_ITEMS_MAX);
                tracing::warn!(method, "the list is cut: the server offers too much");
                break;
            }
            let next = page.get("nextCursor").filter(|next| next.get().starts_with('"'));
            match next {
                // A server that repeats its cursor would never end.
                Some(next) if cursor.as_deref().is_none_or(|old| old.get() != next.get()) => {
                    cursor = Some(next.to_owned());
                }
                _ => break,
            }
        }
        Ok(all)
    }
}
