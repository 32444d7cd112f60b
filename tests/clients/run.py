"""Runs real clients against the gateway with the simulator behind it, one tool-using conversation each.

    python3 run.py --gateway BIN --simulator BIN --node FOLDER [--python FOLDER] [--only NAME]

FOLDER of `--node` holds `node_modules`, that of `--python` the scripts of a virtual environment. A
client that is not installed there is skipped. Ends with a line `N passed, N failed, N skipped`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tours"))

from house import House, simulated  # noqa: E402

SECONDS_MAX = 180


class Run:
    """A client in a folder of its own, and what it said."""

    def __init__(self, arguments, house, gateway, simulator):
        self.arguments, self.house = arguments, house
        self.gateway, self.simulator = gateway, simulator
        self.folder = None

    def begin(self, name):
        self.folder = self.house.folder / name
        self.folder.mkdir()
        (self.folder / "a.txt").write_text("the file is here\n")

    def script(self, kind, *path):
        root = {"node": self.arguments.node, "python": self.arguments.python}[kind]
        found = root and root.joinpath(*path)
        if not found or not found.exists():
            raise Missing(str(found))
        return str(found.resolve())

    def __call__(self, command, **environment):
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.house.environment | {"HOME": str(self.folder)} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
        )
        assert done.returncode == 0, f"ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def asked(self, model):
        """The bodies that the provider got for this model, in order."""
        with urllib.request.urlopen(f"{self.simulator}/_simulator/requests") as reply:
            requests = json.load(reply)["requests"]
        return [request["body"] for request in requests if request["model"] == model]


    def upgrades(self):
        """How many WebSockets the gateway has opened."""
        with urllib.request.urlopen(f"{self.gateway}/metrics") as reply:
            lines = reply.read().decode().splitlines()
        counts = [line.rsplit(" ", 1)[1] for line in lines
                  if line.startswith("gateway_http_requests_total") and 'status="101"' in line]
        return sum(int(float(count)) for count in counts)


class Missing(Exception):
    """The client is not installed."""


def claude_code(run):
    model = "claude-code-tour"
    said = run(
        [run.script("node", "node_modules", ".bin", "claude"), "-p", "Call Glob, please.",
         "--output-format", "stream-json", "--verbose", "--model", f"openai/{model}",
         "--allowedTools", "Glob"],
        ANTHROPIC_BASE_URL=run.gateway,
        ANTHROPIC_API_KEY="tour-key",
        ANTHROPIC_SMALL_FAST_MODEL=f"openai/{model}",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        DISABLE_AUTOUPDATER="1",
    )
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    result = next(event for event in events if event["type"] == "result")
    assert not result["is_error"], result
    assert "The tool answered" in result["result"], result
    assert any("tool_calls" in body for body in run.asked(model)), "the call came back translated"


def codex(run, is_socket):
    model = f"codex-{'socket' if is_socket else 'http'}-tour"
    settings = {
        "model": f'"anthropic/{model}"',
        "model_provider": '"gateway"',
        "model_providers.gateway.name": '"gateway"',
        "model_providers.gateway.base_url": f'"{run.gateway}/v1"',
        "model_providers.gateway.env_key": '"GATEWAY_KEY"',
        "model_providers.gateway.wire_api": '"responses"',
        "model_providers.gateway.supports_websockets": "true" if is_socket else "false",
    }
    command = [run.script("node", "node_modules", ".bin", "codex"), "exec", "--json",
               "--skip-git-repo-check", "--sandbox", "danger-full-access"]
    for key, value in settings.items():
        command += ["-c", f"{key}={value}"]
    before = run.upgrades()
    said = run([*command, "Call exec_command, please."], GATEWAY_KEY="tour-key")
    assert (run.upgrades() > before) == is_socket, "the WebSocket is used where it is offered"
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    kinds = [event["type"] for event in events]
    assert "turn.completed" in kinds, said
    assert any("tool_result" in body for body in run.asked(model)), "the result came back translated"
    texts = [event["item"].get("text", "") for event in events if "item" in event]
    assert any("The tool answered" in text for text in texts), said


def opencode(run):
    model = "opencode-tour"
    (run.folder / "opencode.json").write_text(json.dumps({
        "provider": {"gateway": {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": f"{run.gateway}/v1", "apiKey": "tour-key"},
            "models": {f"anthropic/{model}": {"name": "tour"}},
        }},
        "model": f"gateway/anthropic/{model}",
        "small_model": f"gateway/anthropic/{model}",
        "permission": "allow",
    }))
    said = run([run.script("node", "node_modules", "opencode-ai", "bin", "opencode.exe"),
                "run", "Call glob, please."])
    assert "The tool answered" in said, said
    assert any("tool_result" in body for body in run.asked(model)), "the result came back translated"


def gemini_cli(run):
    model = "gemini-tour"
    settings = run.folder / ".gemini"
    settings.mkdir()
    (settings / "settings.json").write_text(
        json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}})
    )
    said = run(
        [run.script("node", "node_modules", ".bin", "gemini"), "--skip-trust", "--yolo",
         "--model", f"openai/{model}", "--prompt", "Call glob, please."],
        GEMINI_API_KEY="tour-key",
        GOOGLE_GEMINI_BASE_URL=run.gateway,
    )
    assert "The tool answered" in said, said


def llm(run):
    model = "llm-tour"
    folder = run.folder / "llm"
    folder.mkdir()
    (folder / "extra-openai-models.yaml").write_text(
        f"- model_id: tour\n  model_name: anthropic/{model}\n  api_base: {run.gateway}/v1\n"
        "  supports_tools: true\n"
    )
    said = run(
        [run.script("python", "llm"), "-m", "tour", "-T", "llm_version", "--key", "tour-key",
         "Call llm_version, please."],
        LLM_USER_PATH=str(folder),
    )
    assert "The tool answered" in said, said


def aider(run):
    model = "aider-tour"
    said = run(
        [run.script("python", "aider"), "--model", f"openai/anthropic/{model}", "--message",
         "Say hello", "--yes-always", "--no-git", "--no-check-update", "--no-analytics",
         "--no-show-model-warnings", "--no-pretty"],
        OPENAI_API_BASE=f"{run.gateway}/v1",
        OPENAI_API_KEY="tour-key",
        LITELLM_LOCAL_MODEL_COST_MAP="True",
    )
    assert "simulated answer" in said, said


CLIENTS = {
    "claude-code": claude_code,
    "codex": lambda run: codex(run, False),
    "codex-websocket": lambda run: codex(run, True),
    "opencode": opencode,
    "gemini-cli": gemini_cli,
    "llm": llm,
    "aider": aider,
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gateway", required=True, type=Path)
    arguments.add_argument("--simulator", required=True, type=Path)
    arguments.add_argument("--node", type=Path)
    arguments.add_argument("--python", type=Path)
    arguments.add_argument("--only", choices=CLIENTS)
    arguments = arguments.parse_args()
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory(prefix="gateway-clients-") as folder:
        house = House(folder)
        try:
            simulator = [str(arguments.simulator.resolve())]
            simulator_url = house.start("simulator", simulator, "/_simulator/requests", {})
            gateway = [str(arguments.gateway.resolve()), "serve", "--open"]
            gateway_url = house.start("gateway", gateway, "/readyz", simulated(simulator_url))
            run = Run(arguments, house, gateway_url, simulator_url)
            for name in [arguments.only] if arguments.only else CLIENTS:
                run.begin(name)
                try:
                    CLIENTS[name](run)
                    passed += 1
                    print(f"{name}: passed")
                except Missing as missing:
                    skipped += 1
                    print(f"{name}: skipped, {missing} is not there")
                except (AssertionError, subprocess.TimeoutExpired, StopIteration) as problem:
                    failed += 1
                    print(f"{name}: FAILED {str(problem)[-4000:]}")
        finally:
            fallen = house.end()
        for name in fallen:
            print(f"{name} ended by itself")
            failed += 1
        if failed:
            sys.stderr.write(house.log("gateway"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed else 0)


main()
