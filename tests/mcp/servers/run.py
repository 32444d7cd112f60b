"""Nineteen real MCP servers behind one gateway at once, and beside them one that hangs, one that crashes
and one that is not there.

Every server must be ready, every one of its tools listed, and one call to each must come back from the
server itself (a refusal for want of a key or network is the server's answer too). Lists must be warm
within 50 ms while the three bad ones do their worst: a figure of the release build on a quiet machine. Ends with a line `N passed, N failed`.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

WARM_MS_MAX = 50
READY_SECONDS_MAX = 240
CALL_SECONDS_MAX = 60

# Server: (how it is started, a tool, its arguments). {npm} is the folder of the packages, {venv} that of
# the Python ones, {work} a folder with a repository in it.
NODE = "node"
SERVERS = {
    "brave": (["{npm}/mcp-server-brave-search"], "brave_web_search", {"query": "x"}),
    "chrome": (["{npm}/chrome-devtools-mcp"], "list_pages", {}),
    "context7": (["{npm}/context7-mcp"], "resolve-library-id", {"libraryName": "react", "query": "x"}),
    "everything": (["{npm}/mcp-server-everything"], "echo", {"message": "hello"}),
    "fetch": (["{venv}/mcp-server-fetch"], "fetch", {"url": "http://127.0.0.1:9/"}),
    "files": (["{npm}/mcp-server-filesystem", "{work}"], "list_directory", {"path": "{work}"}),
    "git": (["{venv}/mcp-server-git", "--repository", "{work}"], "git_status", {"repo_path": "{work}"}),
    "github": (["{npm}/mcp-server-github"], "search_repositories", {"query": "x"}),
    "gitlab": (["{npm}/mcp-server-gitlab"], "search_repositories", {"search": "x"}),
    "kubernetes": (["{npm}/mcp-server-kubernetes"], "kubectl_get", {"resourceType": "pods"}),
    "maps": (["{npm}/mcp-server-google-maps"], "maps_geocode", {"address": "x"}),
    "memory": (["{npm}/mcp-server-memory"], "read_graph", {}),
    "mongodb": (["{npm}/mongodb-mcp-server"], "list-databases", {}),
    "notion": (["{npm}/notion-mcp-server"], "API-get-self", {}),
    "playwright": (["{npm}/playwright-mcp"], "browser_tabs", {"action": "list"}),
    "puppeteer": (["{npm}/mcp-server-puppeteer"], "puppeteer_evaluate", {"script": "1"}),
    "slack": (["{npm}/mcp-server-slack"], "slack_list_channels", {}),
    "thinking": (["{npm}/mcp-server-sequential-thinking"], "sequentialthinking", {
        "thought": "x", "thoughtNumber": 1, "totalThoughts": 1, "nextThoughtNeeded": False}),
    "time": (["{venv}/mcp-server-time"], "get_current_time", {"timezone": "Europe/Berlin"}),
}
ENVIRONMENT = {
    "brave": {"BRAVE_API_KEY": "x"},
    "github": {"GITHUB_PERSONAL_ACCESS_TOKEN": "x"},
    "gitlab": {"GITLAB_PERSONAL_ACCESS_TOKEN": "x", "GITLAB_API_URL": "http://127.0.0.1:9"},
    "maps": {"GOOGLE_MAPS_API_KEY": "x"},
    "mongodb": {"MDB_MCP_TELEMETRY": "disabled"},
    "notion": {"NOTION_TOKEN": "x"},
    "slack": {"SLACK_BOT_TOKEN": "x", "SLACK_TEAM_ID": "x"},
}
BAD = {
    "hung": [sys.executable, "-c", "import time; time.sleep(100000)"],
    "crashing": [sys.executable, "-c", "raise SystemExit(3)"],
    "absent": ["/there/is/no/such/program"],
}


class Gateway:
    """The gateway on standard input, with one reader."""

    def __init__(self, program, folder):
        environment = {**os.environ, "HOME": folder, "GATEWAY_DEMO__LOCAL_ADDRESS": "off"}
        self.process = subprocess.Popen(
            [program, "stdio", "--show", "all"], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.answers, self.arrived, self.next = {}, threading.Condition(), 0
        threading.Thread(target=self.read, daemon=True).start()
        self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {},
                                "clientInfo": {"name": "servers", "version": "1"}})
        self.say({"method": "notifications/initialized"})

    def read(self):
        for line in self.process.stdout:
            message = json.loads(line)
            if "method" not in message:
                with self.arrived:
                    self.answers[message["id"]] = message
                    self.arrived.notify_all()

    def say(self, message):
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def ask(self, method, params, seconds=CALL_SECONDS_MAX):
        with self.arrived:
            self.next += 1
            number = self.next
        self.say({"id": number, "method": method, "params": params})
        with self.arrived:
            if not self.arrived.wait_for(lambda: number in self.answers, seconds):
                return None
            return self.answers.pop(number)

    def tools(self):
        found, cursor = {}, None
        while True:
            page = self.ask("tools/list", {"cursor": cursor} if cursor else {})["result"]
            for tool in page["tools"]:
                server, _, name = tool["name"].partition("__")
                found.setdefault(server, []).append(name)
            cursor = page.get("nextCursor")
            if not cursor:
                return found


def command_of(entry, places):
    words = [word.format(**places) for word in entry]
    # A script of npm says in its first line what runs it; Python's stand alone.
    return [NODE, os.path.realpath(words[0]), *words[1:]] if "{npm}" in entry[0] else words


def configuration(places):
    lines = ['[store]\npath = ":memory:"\n']
    for name, (entry, _, _) in SERVERS.items():
        lines.append(f"[mcp.servers.{name}]\ncommand = {json.dumps(command_of(entry, places))}\n"
                     "start_timeout_ms = 180000\n")
        if name in ENVIRONMENT:
            pairs = ", ".join(f'{key} = "{value}"' for key, value in ENVIRONMENT[name].items())
            lines.append(f"environment = {{ {pairs} }}\n")
    for name, command in BAD.items():
        lines.append(f"[mcp.servers.{name}]\ncommand = {json.dumps(command)}\n")
    return "".join(lines)


def filled(value, places):
    return json.loads(json.dumps(value).replace("{work}", places["work"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", required=True)
    parser.add_argument("--node", required=True, help="the folder with node_modules")
    parser.add_argument("--python", required=True, help="the bin folder of the Python environment")
    arguments = parser.parse_args()
    program = str(Path(arguments.gateway).resolve())
    verdicts = []

    def judge(name, is_good, why=""):
        verdicts.append(is_good)
        print(f"{name:<28} {'ok' if is_good else 'FAILED'} {why}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        work.mkdir()
        subprocess.run(["git", "init", "-q", str(work)], check=True)
        places = {"npm": str(Path(arguments.node).resolve() / "node_modules/.bin"),
                  "venv": str(Path(arguments.python).resolve()), "work": str(work)}
        (Path(folder) / "gateway.toml").write_text(configuration(places))
        began = time.monotonic()
        gateway = Gateway(program, folder)
        tools = {}
        while time.monotonic() - began < READY_SECONDS_MAX:
            tools = gateway.tools()
            if set(SERVERS) <= set(tools):
                break
            time.sleep(1)
        for name in SERVERS:
            seconds = time.monotonic() - began
            judge(f"{name}: listed", name in tools, f"{len(tools.get(name, []))} tools")
        print(f"{sum(map(len, tools.values()))} tools of {len(tools)} servers in {seconds:.0f} s")

        took = []
        for _ in range(50):
            at = time.monotonic()
            gateway.tools()
            took.append((time.monotonic() - at) * 1000)
        worst = max(took)
        judge("warm lists", statistics.median(took) < WARM_MS_MAX,
              f"median {statistics.median(took):.1f} ms, worst {worst:.1f} ms, all pages")

        def call(name):
            _, tool, given = SERVERS[name]
            params = {"name": f"{name}__{tool}", "arguments": filled(given, places)}
            return gateway.ask("tools/call", params)

        for name in SERVERS:
            answer = call(name) if name in tools else None
            result = (answer or {}).get("result")
            error = (answer or {}).get("error", {})
            # The gateway's own failures name the server and carry a code of ours.
            is_ours = isinstance(error.get("data"), dict) and "code" in error["data"]
            is_good = result is not None or (bool(error) and not is_ours)
            text = json.dumps(result or error or None)[:100]
            judge(f"{name}: called", is_good, text)
        for name in BAD:
            at = time.monotonic()
            answer = gateway.ask("tools/call", {"name": f"{name}__x", "arguments": {}})
            judge(f"{name}: a clear error", bool(answer) and "error" in answer,
                  f"{(time.monotonic() - at) * 1000:.0f} ms")

        children = children_of(gateway.process.pid)
        gateway.process.stdin.close()
        gateway.process.wait(30)
        time.sleep(1)
        left = [pid for pid in children if Path(f"/proc/{pid}").exists() and not is_zombie(pid)]
        judge("no process is left", not left, f"of {len(children)}")
    print(f"{sum(verdicts)} passed, {len(verdicts) - sum(verdicts)} failed")
    sys.exit(0 if all(verdicts) else 1)


def is_zombie(pid):
    try:
        return re.search(r"\) Z", Path(f"/proc/{pid}/stat").read_text()) is not None
    except OSError:
        return True


def children_of(root):
    """Every descendant of a process."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, wave = set(), {root}
    while wave:
        wave = {pid for pid, parent in parents.items() if parent in wave} - found
        found |= wave
    return found


if __name__ == "__main__":
    main()
