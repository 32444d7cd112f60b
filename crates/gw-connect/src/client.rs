//! The clients, and where each keeps its settings. Formats and places: the clients' own documentation,
//! and what their `mcp add` commands write.

use std::path::{Path, PathBuf};

/// A client whose settings can be read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Client {
    /// Claude Desktop.
    ClaudeDesktop,
    /// Claude Code.
    ClaudeCode,
    /// Cursor.
    Cursor,
    /// Visual Studio Code.
    VsCode,
    /// OpenCode.
    OpenCode,
    /// Codex.
    Codex,
    /// Zed.
    Zed,
    /// Gemini CLI.
    GeminiCli,
    /// Windsurf.
    Windsurf,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, comments and trailing commas allowed.
    Json,
    /// TOML.
    Toml,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// MCP servers.
    Servers,
    /// Which models are asked, and where.
    Models,
}

/// Where a user's settings are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The home folder.
    pub home: PathBuf,
    /// `$XDG_CONFIG_HOME`, else `~/.config`.
    pub config: PathBuf,
    /// Where programs with windows keep theirs: the same on Linux, `~/Library/Application Support` on
    /// macOS, `%APPDATA%` on Windows.
    pub applications: PathBuf,
}

impl Place {
    /// Reads the environment.
    pub fn of(home: &Path, variable: impl Fn(&str) -> Option<String>) -> Self {
        let folder = |name: &str| variable(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let config = folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let applications = if cfg!(target_os = "macos") {
            home.join("Library/Application Support")
        } else if cfg!(windows) {
            folder("APPDATA").unwrap_or_else(|| home.join("AppData/Roaming"))
        } else {
            config.clone()
        };
        Self { home: home.to_owned(), config, applications }
    }
}

impl Client {
    /// Every client.
    pub const ALL: [Self; 9] = [
        Self::ClaudeDesktop,
        Self::ClaudeCode,
        Self::Cursor,
        Self::VsCode,
        Self::OpenCode,
        Self::Codex,
        Self::Zed,
        Self::GeminiCli,
        Self::Windsurf,
    ];

    /// Its name on the command line.
    pub const fn id(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "claude-desktop",
            Self::ClaudeCode => "claude-code",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::OpenCode => "opencode",
            Self::Codex => "codex",
            Self::Zed => "zed",
            Self::GeminiCli => "gemini-cli",
            Self::Windsurf => "windsurf",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Cursor => "Cursor",
            Self::VsCode => "VS Code",
            Self::OpenCode => "OpenCode",
            Self::Codex => "Codex",
            Self::Zed => "Zed",
            Self::GeminiCli => "Gemini CLI",
            Self::Windsurf => "Windsurf",
        }
    }

    /// Reads a name.
    pub fn named(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|client| client.id() == id)
    }

    /// How its files are written.
    pub const fn format(self) -> Format {
        match self {
            Self::Codex => Format::Toml,
            _ => Format::Json,
        }
    }

    /// The file that holds something, the one to be written first; others of the list are read where
    /// they are there. Empty where the client has no such setting in a file.
    pub fn files(self, target: Target, place: &Place) -> Vec<PathBuf> {
        let (home, config, apps) = (&place.home, &place.config, &place.applications);
        match (self, target) {
            (Self::ClaudeDesktop, Target::Servers) => {
                vec![apps.join("Claude/claude_desktop_config.json")]
            }
            (Self::ClaudeCode, Target::Servers) => vec![home.join(".claude.json")],
            (Self::ClaudeCode, Target::Models) => vec![home.join(".claude/settings.json")],
            (Self::Cursor, Target::Servers) => vec![home.join(".cursor/mcp.json")],
            (Self::VsCode, Target::Servers) => vec![apps.join("Code/User/mcp.json")],
            (Self::OpenCode, _) => {
                vec![config.join("opencode/opencode.json"), config.join("opencode/opencode.jsonc")]
            }
            (Self::Codex, _) => vec![home.join(".codex/config.toml")],
            (Self::Zed, _) if cfg!(windows) => vec![apps.join("Zed/settings.json")],
            (Self::Zed, _) => vec![config.join("zed/settings.json")],
            (Self::GeminiCli, Target::Servers) => vec![home.join(".gemini/settings.json")],
            (Self::Windsurf, Target::Servers) => {
                vec![home.join(".codeium/windsurf/mcp_config.json")]
            }
            (
                Self::ClaudeDesktop
                | Self::Cursor
                | Self::VsCode
                | Self::GeminiCli
                | Self::Windsurf,
                Target::Models,
            ) => Vec::new(),
        }
    }

    /// The folder that is there where the client was used.
    pub fn footprint(self, place: &Place) -> PathBuf {
        let (home, config, apps) = (&place.home, &place.config, &place.applications);
        match self {
            Self::ClaudeDesktop => apps.join("Claude"),
            Self::ClaudeCode => home.join(".claude"),
            Self::Cursor => home.join(".cursor"),
            Self::VsCode => apps.join("Code"),
            Self::OpenCode => config.join("opencode"),
            Self::Codex => home.join(".codex"),
            Self::Zed if cfg!(windows) => apps.join("Zed"),
            Self::Zed => config.join("zed"),
            Self::GeminiCli => home.join(".gemini"),
            Self::Windsurf => home.join(".codeium/windsurf"),
        }
    }

    /// The group under which servers stand by name.
    pub const fn servers_key(self) -> &'static str {
        match self {
            Self::VsCode => "servers",
            Self::OpenCode => "mcp",
            Self::Codex => "mcp_servers",
            Self::Zed => "context_servers",
            _ => "mcpServers",
        }
    }
}
