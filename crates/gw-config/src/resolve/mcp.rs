//! `[mcp]`: every server is a command or an address, and its name can stand in tool names.

use super::Resolver;
use crate::section::mcp::{Mcp, McpServer};

/// Longest name of a server, in characters: it stands before every tool's.
const NAME_CHARS_MAX: usize = 48;

/// Words that `/mcp/{group}` cannot be.
const RESERVED: [&str; 2] = ["all", "search"];

/// The gateway itself, where servers are named: its own tools.
const OWN: &str = "gateway";

impl Resolver {
    pub(super) fn check_mcp(&mut self, mcp: &Mcp) {
        for (name, server) in &mcp.servers {
            let key = format!("mcp.servers.{name}");
            let is_good = !name.is_empty()
                && name.len() <= NAME_CHARS_MAX
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
                && !name.contains("__");
            if !is_good || RESERVED.contains(&name.as_str()) {
                self.problem(
                    &key,
                    format!("{key}: {name:?} cannot be a server's name"),
                    "use letters, digits, `-` and single `_`, and neither all nor search",
                );
            }
            if name == OWN {
                let text = format!("{key} takes the place of the gateway's own tools");
                self.warning(&key, text);
            }
            self.check_mcp_server(&key, server);
        }
        for (name, members) in &mcp.groups {
            let key = format!("mcp.groups.{name}");
            if RESERVED.contains(&name.as_str()) {
                let fix = "choose a name other than all and search";
                self.problem(&key, format!("{key} has a name that means something else"), fix);
            }
            let is_known = |member: &&String| *member == OWN || mcp.servers.contains_key(*member);
            for member in members.iter().filter(|member| !is_known(member)) {
                let message =
                    format!("{key} names {member:?}, which is no server of [mcp.servers]");
                self.problem(&key, message, "add the server, or take it out of the group");
            }
        }
    }

    fn check_mcp_server(&mut self, key: &str, server: &McpServer) {
        let has_command = server.command.first().is_some_and(|program| !program.is_empty());
        if let Some(url) = &server.url {
            self.check_url(&format!("{key}.url"), url, "https://mcp.example/mcp");
        }
        match (&server.url, has_command) {
            (Some(_), false) | (None, true) => {}
            (None, false) => self.problem(
                key,
                format!("{key} has neither a command nor a url"),
                "give it one, for example command = [\"npx\", \"-y\", \"some-server\"]",
            ),
            (Some(_), true) => {
                self.warning(key, format!("{key} has both a command and a url; the url is used"));
            }
        }
    }
}
