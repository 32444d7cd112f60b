//! Everything all servers offer, as clients see it: one immutable value, made anew when a server's
//! lists change. A server that is gone keeps its place in it, so that names do not move.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use gw_core::principal::Principal;

use crate::names;
use crate::options::NameMode;
use crate::raw::Fields;
use crate::search::{Document, Index};
use crate::upstream::lists::Lists;

/// A tool, prompt, resource or template of one server.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) server: Arc<str>,
    /// Its name or address at the server.
    pub(crate) own: String,
    /// Its name or address here.
    pub(crate) exposed: String,
    /// As the server describes it.
    pub(crate) source: Fields,
    /// As clients see it.
    pub(crate) shown: Fields,
}

impl Entry {
    /// `server::tool`
    pub(crate) fn id(&self) -> String {
        names::tool_id(&self.server, &self.own)
    }
}

/// One kind of thing that servers offer.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) entries: Vec<Entry>,
    by_exposed: HashMap<String, usize>,
}

impl Shelf {
    /// The entry that clients know by this name or address.
    pub(crate) fn find(&self, exposed: &str) -> Option<&Entry> {
        self.entries.get(*self.by_exposed.get(exposed)?)
    }

    fn own(&self, server: &str, own: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| *entry.server == *server && entry.own == own)
    }
}

/// One server as the catalogue takes it in.
pub(crate) struct Shown {
    pub(crate) server: Arc<str>,
    pub(crate) priority: i64,
    pub(crate) lists: Arc<Lists>,
    /// True for the gateway itself, whose tools keep their names and come first.
    pub(crate) is_own: bool,
}

/// The merged offer.
#[derive(Default)]
pub(crate) struct Catalogue {
    mode: NameMode,
    pub(crate) tools: Shelf,
    /// Every tool by its id, those hidden behind another of the same name included.
    by_id: HashMap<String, Entry>,
    pub(crate) prompts: Shelf,
    pub(crate) resources: Shelf,
    pub(crate) templates: Shelf,
    pub(crate) lists: BTreeMap<Arc<str>, Arc<Lists>>,
    index: OnceLock<Index>,
}

/// Which field names a thing, and how its name is made unlike others.
#[derive(Clone, Copy)]
struct Naming {
    field: &'static str,
    prefix: fn(&str, &str) -> String,
}

const NAMES: Naming = Naming { field: "name", prefix: names::prefixed };
const URIS: Naming = Naming { field: "uri", prefix: names::prefixed_uri };
const TEMPLATES: Naming = Naming { field: "uriTemplate", prefix: names::prefixed_uri };

impl Catalogue {
    /// Merges what servers offer, in the order of their names; the gateway's own comes first.
    pub(crate) fn build(mode: NameMode, mut servers: Vec<Shown>) -> Self {
        servers.sort_by(|a, b| (!a.is_own, &a.server).cmp(&(!b.is_own, &b.server)));
        let tools = |lists: &Lists| lists.tools.iter().map(|tool| tool.fields.clone()).collect();
        let mut by_id = HashMap::new();
        let all_tools = Self::shelf(mode, NAMES, &servers, tools, &mut by_id);
        let mut ignored = HashMap::new();
        Self {
            mode,
            tools: all_tools,
            by_id,
            prompts: Self::shelf(mode, NAMES, &servers, |it| it.prompts.clone(), &mut ignored),
            resources: Self::shelf(mode, URIS, &servers, |it| it.resources.clone(), &mut ignored),
            templates: Self::shelf(
                mode,
                TEMPLATES,
                &servers,
                |it| it.templates.clone(),
                &mut ignored,
            ),
            lists: servers.into_iter().map(|it| (it.server, it.lists)).collect(),
            index: OnceLock::new(),
        }
    }

    fn shelf(
        mode: NameMode,
        naming: Naming,
        servers: &[Shown],
        list: impl Fn(&Lists) -> Vec<Fields>,
        by_id: &mut HashMap<String, Entry>,
    ) -> Shelf {
        let own = servers.iter().find(|it| it.is_own).map(|it| Arc::clone(&it.server));
        let mut found: Vec<(i64, Entry)> = Vec::new();
        let mut owners: HashMap<String, HashSet<Arc<str>>> = HashMap::new();
        for server in servers {
            for source in list(&server.lists) {
                let Some(own) = source.text(naming.field) else { continue };
                owners.entry(own.clone()).or_default().insert(Arc::clone(&server.server));
                let entry = Entry {
                    server: Arc::clone(&server.server),
                    exposed: own.clone(),
                    own,
                    shown: source.clone(),
                    source,
                };
                found.push((server.priority, entry));
            }
        }
        if mode == NameMode::Priority {
            // Stable: among equals the first in the alphabet.
            found.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        }
        let mut shelf = Shelf::default();
        for (_, mut entry) in found {
            let is_shared = owners.get(&entry.own).is_some_and(|owners| owners.len() > 1);
            let is_prefixed = match mode {
                _ if own.as_ref() == Some(&entry.server) => false,
                NameMode::Always => true,
                NameMode::OnCollision => is_shared,
                NameMode::Never | NameMode::Priority => false,
            };
            if is_prefixed {
                entry.exposed = (naming.prefix)(&entry.server, &entry.own);
                entry.shown.put(naming.field, &entry.exposed);
                if let Some(meta) = interface_meta(&entry) {
                    entry.shown.put("_meta", &meta);
                }
            }
            by_id.insert(entry.id(), entry.clone());
            if !shelf.by_exposed.contains_key(&entry.exposed) {
                shelf.by_exposed.insert(entry.exposed.clone(), shelf.entries.len());
                shelf.entries.push(entry);
            }
        }
        if mode == NameMode::Priority {
            shelf.entries.sort_by(|a, b| (&a.server, &a.own).cmp(&(&b.server, &b.own)));
            let places = shelf.entries.iter().enumerate();
            shelf.by_exposed = places.map(|(at, it)| (it.exposed.clone(), at)).collect();
        }
        shelf
    }

    /// The tool with this id.
    pub(crate) fn tool_by_id(&self, id: &str) -> Option<&Entry> {
        self.by_id.get(id)
    }

    /// The server of an address and the address there.
    pub(crate) fn resource(&self, uri: &str) -> Option<(Arc<str>, String)> {
        if let Some(entry) = self.resources.find(uri) {
            return Some((Arc::clone(&entry.server), entry.own.clone()));
        }
        if let Some((server, own)) = names::split_uri(uri)
            && let Some((server, _)) = self.lists.get_key_value(server)
        {
            return Some((Arc::clone(server), own));
        }
        if self.mode == NameMode::Always {
            return None;
        }
        let fits = |entry: &&Entry| names::fits_template(&entry.own, uri);
        if let Some(entry) = self.templates.entries.iter().find(fits) {
            return Some((Arc::clone(&entry.server), uri.to_owned()));
        }
        // An address in no list can still be known to the only server that has any.
        let mut with = self.lists.iter().filter(|(_, it)| it.capabilities.has("resources"));
        match (with.next(), with.next()) {
            (Some((server, _)), None) => Some((Arc::clone(server), uri.to_owned())),
            _ => None,
        }
    }

    /// The server of a prompt or template that is completed, and its name there.
    pub(crate) fn completed(&self, kind: &str, name: &str) -> Option<(Arc<str>, String)> {
        match kind {
            "ref/prompt" => {
                let entry = self.prompts.find(name)?;
                Some((Arc::clone(&entry.server), entry.own.clone()))
            }
            "ref/resource" => match self.templates.find(name) {
                Some(entry) => Some((Arc::clone(&entry.server), entry.own.clone())),
                None => self.resource(name),
            },
            _ => None,
        }
    }

    /// The address by which clients know a server's resource; `None` where it is the same.
    pub(crate) fn outward(&self, server: &str, uri: &str) -> Option<String> {
        match self.mode {
            NameMode::Always => Some(names::prefixed_uri(server, uri)),
            NameMode::Never | NameMode::Priority => None,
            NameMode::OnCollision => {
                let exposed = &self.resources.own(server, uri)?.exposed;
                (exposed != uri).then(|| exposed.clone())
            }
        }
    }

    /// True where no address is ever rewritten.
    pub(crate) fn keeps_uris(&self) -> bool {
        matches!(self.mode, NameMode::Never | NameMode::Priority)
    }

    /// The index over tools, made at the first search.
    pub(crate) fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut ids: Vec<(&String, &Entry)> = self.by_id.iter().collect();
            ids.sort_by_key(|(id, _)| *id);
            Index::build(ids.into_iter().map(|(id, entry)| Document {
                id: id.clone(),
                name: entry.own.clone(),
                title: entry.source.text("title"),
                description: entry.source.text("description"),
                server: entry.server.to_string(),
            }))
        })
    }

    /// True where any server has the capability.
    pub(crate) fn offers(&self, capability: &str) -> bool {
        self.lists.values().any(|lists| lists.capabilities.has(capability))
    }
}

/// The address of a tool's interface, rewritten like every other.
fn interface_meta(entry: &Entry) -> Option<Fields> {
    let mut meta = entry.source.object("_meta")?;
    let mut is_changed = false;
    if let Some(mut ui) = meta.object("ui")
        && let Some(uri) = ui.text("resourceUri")
    {
        ui.put("resourceUri", names::prefixed_uri(&entry.server, &uri));
        meta.put("ui", &ui);
        is_changed = true;
    }
    for flat in ["ui/resourceUri", "openai/outputTemplate"] {
        if let Some(uri) = meta.text(flat).filter(|uri| uri.starts_with("ui://")) {
            meta.put(flat, names::prefixed_uri(&entry.server, &uri));
            is_changed = true;
        }
    }
    is_changed.then_some(meta)
}

/// What of the catalogue one caller sees.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Only these servers; `None` for all.
    pub(crate) servers: Option<HashSet<String>>,
    pub(crate) principal: Arc<Principal>,
}

impl View {
    pub(crate) fn sees_server(&self, server: &str) -> bool {
        self.servers.as_ref().is_none_or(|servers| servers.contains(server))
    }

    pub(crate) fn sees_tool(&self, entry: &Entry) -> bool {
        self.sees_server(&entry.server)
            && (self.principal.policies.is_empty() || self.principal.allows_tool(&entry.id()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Catalogue, Shown};
    use crate::options::NameMode;
    use crate::raw::Fields;
    use crate::upstream::lists::{Lists, Tool};

    fn server(name: &str, priority: i64, tools: &[&str]) -> Shown {
        let tool = |name: &&str| {
            let fields = Fields::parse(&format!(r#"{{"name":"{name}","future":1.0}}"#)).unwrap();
            Tool { name: (*name).to_owned(), fields, mirrored: Arc::from([]) }
        };
        let lists = Lists { tools: tools.iter().map(tool).collect(), ..Lists::default() };
        Shown { server: name.into(), priority, lists: Arc::new(lists), is_own: false }
    }

    fn exposed(mode: NameMode) -> Vec<String> {
        let servers = vec![server("b", 9, &["x", "y"]), server("a", 0, &["x"])];
        let catalogue = Catalogue::build(mode, servers);
        let names =
            catalogue.tools.entries.iter().map(|it| format!("{}:{}", it.server, it.exposed));
        names.collect()
    }

    #[test]
    fn names_are_kept_apart_in_every_mode() {
        assert_eq!(exposed(NameMode::Always), ["a:a__x", "b:b__x", "b:b__y"]);
        assert_eq!(exposed(NameMode::OnCollision), ["a:a__x", "b:b__x", "b:y"]);
        assert_eq!(exposed(NameMode::Never), ["a:x", "b:y"]);
        assert_eq!(exposed(NameMode::Priority), ["b:x", "b:y"]);
    }

    #[test]
    fn the_gateways_own_tools_keep_their_names() {
        for mode in [NameMode::Always, NameMode::OnCollision, NameMode::Never, NameMode::Priority] {
            let own = Shown { is_own: true, ..server("gateway", i64::MAX, &["x"]) };
            let catalogue = Catalogue::build(mode, vec![server("a", 7, &["x"]), own]);
            assert_eq!(&*catalogue.tools.find("x").unwrap().server, "gateway", "{mode:?}");
            assert!(catalogue.tool_by_id("a::x").is_some());
        }
    }

    #[test]
    fn unknown_fields_of_a_tool_stay_as_they_came() {
        let catalogue = Catalogue::build(NameMode::Always, vec![server("a", 0, &["x"])]);
        let shown = catalogue.tools.find("a__x").unwrap().shown.to_raw();
        assert_eq!(shown.get(), r#"{"name":"a__x","future":1.0}"#);
    }
}
