//! Loading: finds the file, lays the layers over each other, checks the whole, and reports
//! everything that is wrong at once. The environment is given, never read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gw_core::limits;

use crate::check::Checker;
use crate::dotenv;
use crate::env::CONFIG_FILE;
use crate::files;
use crate::layer::{self, Found, Variables};
use crate::placeholder::Placeholders;
use crate::resolve::Resolver;
use crate::schema;
use crate::settings::{Raw, Settings};
use crate::source::{ConfigErrors, Problem, Source, Warning};
use crate::tree::{self, Node};

/// Where system C keeps its configuration, in the user's configuration folder.
const SYSTEM_C_FILE: &str = "mcp-gateway/config.json";

/// What is loaded from. Not `Debug`: the environment holds secrets.
#[derive(Clone, Default)]
pub struct Inputs {
    /// The file of `--config`.
    pub file: Option<PathBuf>,
    /// The environment of the process.
    pub env: BTreeMap<String, String>,
    /// The working directory: `.env` and `gateway.toml` are looked for here.
    pub cwd: PathBuf,
    /// The user's home folder; `XDG_CONFIG_HOME` and `XDG_DATA_HOME` of `env` go before it.
    pub home: Option<PathBuf>,
    /// Key paths and values from the command line, the strongest layer.
    pub flags: Vec<(String, String)>,
    /// What the configuration is for.
    pub purpose: Purpose,
}

/// What the configuration is for. Only serving makes an open address an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// HTTP will be served.
    #[default]
    Serve,
    /// Nothing will listen.
    Other,
}

/// A configuration, and where it comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The checked settings.
    pub settings: Arc<Settings>,
    /// Where each value was set, by key path; a key that is absent has its default.
    pub sources: BTreeMap<String, Source>,
    /// What deserves a look.
    pub warnings: Vec<Warning>,
    /// The files that were read: the configuration, `.env`, and what `{file:…}` refers to.
    pub files: Vec<PathBuf>,
}

impl Loaded {
    /// Where a key was set, or the table around it; [`Source::Default`] if nowhere.
    pub fn source(&self, key_path: &str) -> &Source {
        let mut key = key_path;
        loop {
            if let Some(source) = self.sources.get(key) {
                return source;
            }
            // The place of a table says nothing of the keys that it leaves out.
            match key.rfind('[') {
                Some(end) => key = &key[..end],
                None => return &Source::Default,
            }
        }
    }
}

/// Loads and checks the configuration.
///
/// Flags go before the environment, that before `.env` in the working directory, that before the
/// file, that before the defaults. The file is the first of `--config`, `GATEWAY_CONFIG`,
/// `./gateway.toml` and `ai-mcp-gateway/gateway.toml` in the user's configuration folder.
///
/// # Errors
/// Everything that is wrong, with place and remedy.
pub fn load(inputs: &Inputs) -> Result<Loaded, ConfigErrors> {
    let mut found = Found::default();
    let mut files = Vec::new();
    let (dotenv, dotenv_path) = read_dotenv(inputs, &mut found, &mut files);
    let variables = merged(&dotenv, &inputs.env);
    let (mut root, folder, is_readable) = read_file(inputs, &variables, &mut found, &mut files);

    let of_file = Variables {
        values: dotenv.iter().map(|v| (v.name.as_str(), (v.value.as_str(), v.line))).collect(),
        file: Some(dotenv_path),
    };
    layer::variables(&mut root, &of_file, &mut found);
    let of_process = Variables {
        values: inputs
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), (value.as_str(), 0)))
            .collect(),
        file: None,
    };
    layer::variables(&mut root, &of_process, &mut found);
    layer::flags(&mut root, &inputs.flags, &mut found);

    let placeholders = Placeholders { variables: &variables, folder: &folder, files: Vec::new() };
    let mut checker = Checker { placeholders, problems: Vec::new(), sources: BTreeMap::new() };
    let value = checker.value(&root, schema::root(), "").unwrap_or_default();
    files.append(&mut checker.placeholders.files);
    let mut problems = found.problems;
    problems.append(&mut checker.problems);
    let mut raw: Raw = match serde_json::from_value(value) {
        Ok(raw) => raw,
        Err(error) => {
            // The schema admits only what the types take, so this is a fault of this room.
            problems.push(whole_file_problem(Source::Default, format!("internal: {error}")));
            return Err(ConfigErrors::sorted(problems));
        }
    };
    add_system_c(inputs, &variables, &folder, &mut raw, &mut files, &mut problems);
    let mut resolver = Resolver {
        purpose: inputs.purpose,
        data_folder: xdg(inputs, "XDG_DATA_HOME", ".local/share"),
        sources: checker.sources,
        problems,
        warnings: found.warnings,
    };
    // Without the file's values, what they lack would be reported as missing.
    if is_readable {
        let settings = resolver.settings(raw);
        if resolver.problems.is_empty() {
            let (sources, warnings) = (resolver.sources, resolver.warnings);
            return Ok(Loaded { settings: Arc::new(settings), sources, warnings, files });
        }
    }
    Err(ConfigErrors::sorted(resolver.problems))
}

/// Adds the MCP servers of system C's file: the one that is named, else the one in its usual place. A
/// first-time user has none, which is no error.
fn add_system_c(
    inputs: &Inputs,
    variables: &BTreeMap<String, String>,
    folder: &Path,
    raw: &mut Raw,
    read: &mut Vec<PathBuf>,
    problems: &mut Vec<Problem>,
) {
    let usual = || xdg(inputs, "XDG_CONFIG_HOME", ".config").map(|it| it.join(SYSTEM_C_FILE));
    let named = raw.mcp.config_file.as_ref().map(|path| folder.join(path));
    let Some(path) = named.or_else(usual).filter(|path| path.is_file()) else { return };
    let text = files::read(&path, limits::CONFIG_FILE_BYTES_MAX);
    let servers = text.and_then(|text| crate::system_c::parse(&text, variables));
    match servers {
        Ok(servers) => {
            for (name, server) in servers {
                raw.mcp.servers.entry(name).or_insert(server);
            }
        }
        Err(why) => {
            let place = Arc::new(path.clone());
            let source = Source::File { path: place, line: 1, column: 1 };
            problems.push(whole_file_problem(source, why));
        }
    }
    read.push(path);
}

fn read_dotenv(
    inputs: &Inputs,
    found: &mut Found,
    files: &mut Vec<PathBuf>,
) -> (Vec<dotenv::Variable>, Arc<PathBuf>) {
    let shown = Arc::new(PathBuf::from(".env"));
    let path = inputs.cwd.join(".env");
    if !path.is_file() {
        return (Vec::new(), shown);
    }
    let place = |line: usize| Source::File { path: Arc::clone(&shown), line, column: 1 };
    let text = match files::read(&path, limits::CONFIG_FILE_BYTES_MAX) {
        Ok(text) => text,
        Err(why) => {
            found.problems.push(whole_file_problem(place(1), format!("cannot be read: {why}")));
            return (Vec::new(), shown);
        }
    };
    files.push(path);
    let read = dotenv::parse(&text);
    for (line, why) in read.odd_lines {
        let message = format!("this line {why}");
        found.warnings.push(Warning { source: place(line), message });
    }
    if let Some(line) = read.open_quote {
        found.problems.push(Problem {
            fix: "close the quote".to_owned(),
            ..whole_file_problem(
                place(line),
                "the quote that opens here is never closed".to_owned(),
            )
        });
    }
    (read.variables, shown)
}

/// The tree of the file, the folder it is in, and whether it could be read.
fn read_file(
    inputs: &Inputs,
    variables: &BTreeMap<String, String>,
    found: &mut Found,
    files: &mut Vec<PathBuf>,
) -> (Node, PathBuf, bool) {
    let Some((path, asked_by)) = find_file(inputs, variables) else {
        return (Node::table(), inputs.cwd.clone(), true);
    };
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let shown = Arc::new(path.strip_prefix(&inputs.cwd).unwrap_or(&path).to_owned());
    let text = match files::read(&path, limits::CONFIG_FILE_BYTES_MAX) {
        Ok(text) => text,
        Err(why) => {
            found.problems.push(Problem {
                source: Source::Default,
                key: String::new(),
                message: format!("{} cannot be read: {why}", shown.display()),
                fix: format!("check {asked_by}, or write a file with `config init`"),
            });
            return (Node::table(), folder, false);
        }
    };
    files.push(path);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match tree::parse(text, &shown) {
        Ok(root) => (root, folder, true),
        Err(mut problems) => {
            found.problems.append(&mut problems);
            (Node::table(), folder, false)
        }
    }
}

/// The file to read, and what named it.
fn find_file(
    inputs: &Inputs,
    variables: &BTreeMap<String, String>,
) -> Option<(PathBuf, &'static str)> {
    if let Some(path) = &inputs.file {
        return Some((inputs.cwd.join(path), "--config"));
    }
    if let Some(path) = variables.get(CONFIG_FILE).filter(|path| !path.trim().is_empty()) {
        return Some((inputs.cwd.join(path.trim()), CONFIG_FILE));
    }
    let of_user = xdg(inputs, "XDG_CONFIG_HOME", ".config");
    let of_user = of_user.map(|folder| folder.join("ai-mcp-gateway").join("gateway.toml"));
    [Some(inputs.cwd.join("gateway.toml")), of_user]
        .into_iter()
        .flatten()
        .find(|path| path.is_file())
        .map(|path| (path, "the path"))
}

/// A folder of the XDG Base Directory Specification; relative values do not count there.
fn xdg(inputs: &Inputs, name: &str, below_home: &str) -> Option<PathBuf> {
    let given = inputs.env.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    given.or_else(|| inputs.home.as_ref().map(|home| home.join(below_home)))
}

/// Where `config init` writes the file when no path is given.
pub fn default_file(inputs: &Inputs) -> Option<PathBuf> {
    xdg(inputs, "XDG_CONFIG_HOME", ".config")
        .map(|folder| folder.join("ai-mcp-gateway").join("gateway.toml"))
}

/// The file that a command may change: the one in use, else the user's own, which may not be there yet.
pub fn file_to_change(inputs: &Inputs) -> Option<PathBuf> {
    find_file(inputs, &inputs.env).map(|(path, _)| path).or_else(|| default_file(inputs))
}

fn merged(dotenv: &[dotenv::Variable], env: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let of_file = dotenv.iter().map(|variable| (variable.name.clone(), variable.value.clone()));
    let mut variables: BTreeMap<String, String> = of_file.collect();
    // An empty variable of the process does not hide one of `.env`.
    for (name, value) in env.iter().filter(|(_, value)| !value.is_empty()) {
        variables.insert(name.clone(), value.clone());
    }
    variables
}

fn whole_file_problem(source: Source, message: String) -> Problem {
    Problem { source, key: String::new(), message, fix: String::new() }
}

#[cfg(test)]
pub(crate) mod tests;
