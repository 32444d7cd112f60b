//! `connect` and `mcp add|remove|list|test` through the real program, in a home folder of their own.

use serde_json::{Value, json};

use crate::gateway::Launch;

fn read(launch: &Launch, name: &str) -> String {
    std::fs::read_to_string(launch.folder().join(name)).unwrap()
}

fn write(launch: &Launch, name: &str, text: &str) {
    let path = launch.folder().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

const CLAUDE: &str = r#"{
  "numStartups": 7,
  "mcpServers": {
    "files": {"type": "stdio", "command": "npx", "args": ["-y", "files"], "env": {"K": "${K}"}},
    "far": {"type": "http", "url": "https://far.example/mcp", "headers": {"x": "1"}}
  },
  "projects": {"/p": {"history": [1, 2.50]}}
}
"#;

const ZED: &str = "// mine\n{\n  \"theme\": \"One\", // dark\n  \"context_servers\": {},\n}\n";

#[tokio::test]
async fn servers_are_taken_over_and_the_gateway_is_written_in_and_taken_out_again() {
    let launch = Launch::new().env("K", "v").toml("# my gateway\n[server]\nport = 4000\n");
    write(&launch, ".claude.json", CLAUDE);
    write(&launch, ".claude/settings.json", "{\"env\": {\"KEEP\": \"1\"}}\n");
    write(&launch, ".codex/config.toml", "# codex\nmodel = \"gpt-5\" # dear\n");
    write(&launch, ".config/zed/settings.json", ZED);

    let ran = launch.run(&["connect", "--json"], None).await;
    let listed = ran.json();
    let of = |id: &str| {
        listed.as_array().unwrap().iter().find(|row| row["client"] == id).cloned().unwrap()
    };
    assert_eq!(of("claude-code")["servers"], json!(["files", "far"]));
    assert_eq!(of("claude-code")["state"], "not connected");
    assert_eq!(of("windsurf")["state"], "not set up");

    let key = ["--key-env", "GATEWAY_KEY"];
    let ran = launch.run(&["connect", "claude-code", "--print", key[0], key[1]], None).await;
    assert!(ran.stdout.contains("http://127.0.0.1:4000/mcp"), "{ran:?}");
    assert_eq!(read(&launch, ".claude.json"), CLAUDE, "--print writes nothing");

    for client in ["claude-code", "codex"] {
        let ran = launch.run(&["connect", client, "--move", key[0], key[1]], None).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let ran = launch.run(&["-k", "gw-key", "connect", "zed"], None).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");

    let own = read(&launch, "gateway.toml");
    assert!(own.starts_with("# my gateway\n"), "{own}");
    let ran = launch.run(&["mcp", "list", "--json"], None).await;
    let servers = ran.json();
    assert_eq!(servers[0]["url"], "https://far.example/mcp", "{servers}");
    assert_eq!(servers[1]["command"], json!(["npx", "-y", "files"]), "{servers}");
}

#[tokio::test]
async fn undo_puts_back_every_byte_and_only_its_own_in_what_changed_since() {
    let launch = Launch::new().toml("");
    write(&launch, ".claude.json", CLAUDE);
    write(&launch, ".codex/config.toml", "# codex\nmodel = \"gpt-5\" # dear\n");
    write(&launch, ".config/zed/settings.json", ZED);
    write(&launch, ".claude/settings.json", "{}");
    let clients = ["claude-code", "codex", "zed"];
    let mut command = vec!["-k", "gw-key", "connect"];
    command.extend(clients);
    // Without K nothing is known of `files`, so it stays where it is.
    // Twice: what is put back is what stood there before the first time.
    for _ in 0..2 {
        let ran = launch.run(&command, None).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let claude: Value = serde_json::from_str(&read(&launch, ".claude.json")).unwrap();
    assert_eq!(claude["mcpServers"]["ai-mcp-gateway"]["type"], "http");
    assert_eq!(claude["mcpServers"]["files"]["command"], "npx", "{claude}");
    let models: Value = serde_json::from_str(&read(&launch, ".claude/settings.json")).unwrap();
    assert_eq!(models["env"]["ANTHROPIC_AUTH_TOKEN"], "gw-key");
    let codex = read(&launch, ".codex/config.toml");
    assert!(codex.contains("model = \"auto\" # dear") && codex.contains("wire_api"), "{codex}");
    let zed = read(&launch, ".config/zed/settings.json");
    assert!(zed.starts_with("// mine\n") && zed.contains("// dark"), "{zed}");

    // Its owner goes on using it.
    let changed = read(&launch, ".claude.json").replace("\"numStartups\": 7", "\"numStartups\": 8");
    write(&launch, ".claude.json", &changed);
    let mut command = vec!["connect", "--undo"];
    command.extend(clients);
    let ran = launch.run(&command, None).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let back: Value = serde_json::from_str(&read(&launch, ".claude.json")).unwrap();
    let mut wanted: Value = serde_json::from_str(CLAUDE).unwrap();
    wanted["numStartups"] = json!(8);
    assert_eq!(back, wanted);
    assert_eq!(read(&launch, ".codex/config.toml"), "# codex\nmodel = \"gpt-5\" # dear\n");
    assert_eq!(read(&launch, ".config/zed/settings.json"), ZED);
    assert_eq!(read(&launch, ".claude/settings.json"), "{}");
    let ran = launch.run(&command, None).await;
    assert!(ran.stderr.contains("nothing to undo"), "{ran:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn links_stay_links_and_new_files_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;

    let launch = Launch::new().toml("");
    write(&launch, "dotfiles/mcp.json", "{}");
    std::fs::create_dir_all(launch.folder().join(".cursor")).unwrap();
    let link = launch.folder().join(".cursor/mcp.json");
    std::os::unix::fs::symlink(launch.folder().join("dotfiles/mcp.json"), &link).unwrap();
    let ran = launch.run(&["connect", "cursor", "vscode"], None).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(read(&launch, "dotfiles/mcp.json").contains("ai-mcp-gateway"));
    let new = launch.folder().join(".config/Code/User/mcp.json");
    assert_eq!(std::fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
    launch.run(&["connect", "vscode", "--undo"], None).await;
    assert!(!new.exists());
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_left_alone() {
    let launch = Launch::new().toml("");
    write(&launch, ".cursor/mcp.json", "{\"mcpServers\": [1]}");
    write(&launch, ".codex/config.toml", "model = ");
    for client in ["cursor", "codex", "nobody"] {
        let ran = launch.run(&["connect", client], None).await;
        assert_ne!(ran.code, Some(0), "{client} {ran:?}");
    }
    assert_eq!(read(&launch, ".cursor/mcp.json"), "{\"mcpServers\": [1]}");
    assert_eq!(read(&launch, ".codex/config.toml"), "model = ");
}

#[tokio::test]
async fn servers_are_added_listed_tested_and_removed() {
    let launch = Launch::new().toml("# mine\n");
    let add =
        |name: &'static str| vec!["mcp", "add", name, "--env", "A=1", "--", "sh", "-c", "exit 7"];
    let ran = launch.run(&add("broken"), None).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let own = read(&launch, "gateway.toml");
    assert!(own.starts_with("# mine\n") && own.contains("[mcp.servers.broken]"), "{own}");
    for wrong in [&add("broken")[..], &add("bad name")[..], &["mcp", "add", "x"][..]] {
        let ran = launch.run(wrong, None).await;
        assert_ne!(ran.code, Some(0), "{ran:?}");
        assert_eq!(read(&launch, "gateway.toml"), own, "{wrong:?}");
    }
    let ran = launch.run(&["mcp", "test", "broken"], None).await;
    assert_eq!(ran.code, Some(6), "{ran:?}");
    let ran = launch.run(&["mcp", "test", "absent"], None).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let url = ["mcp", "add", "far", "https://far.example/mcp", "--header", "x={env:Y}"];
    let ran = launch.run(&url, None).await;
    // What a header refers to must be there: nothing was changed.
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert_eq!(read(&launch, "gateway.toml"), own);
    let ran = launch.clone().env("Y", "1").run(&url, None).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let launch = launch.env("Y", "1");
    let ran = launch.run(&["mcp", "list"], None).await;
    assert!(ran.stdout.contains("far") && ran.stdout.contains("https://far.example"), "{ran:?}");
    for name in ["far", "broken"] {
        let ran = launch.run(&["mcp", "remove", name], None).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    assert_eq!(read(&launch, "gateway.toml").trim(), "# mine");
    let ran = launch.run(&["mcp", "remove", "far"], None).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
}
