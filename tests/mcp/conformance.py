"""The official MCP conformance suite against the gateway, with the fixture as its only server.

Each revision runs twice: with the fixture as a child process and over HTTP; then the gateway is the
client of the suite's own servers (authorization left out: there is no OAuth client). Everything must
pass; there is no list of expected failures.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITE = HERE / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
CLIENT = {
    "2025-11-25": ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"],
    "2026-07-28": [
        "tools_call", "request-metadata", "sep-2322-client-request-state", "http-standard-headers",
        "http-custom-headers", "http-invalid-tool-headers", "json-schema-ref-no-deref",
    ],
}
RUNS = [("2025-11-25", "legacy"), ("2026-07-28", "modern")]


def started(process, pattern):
    """The port that a program says it listens on."""
    for line in process.stderr:
        found = re.search(pattern, line)
        if found:
            return int(found.group(1))
    raise SystemExit("it does not start")


def drain(process):
    import threading

    threading.Thread(target=lambda: [None for _ in process.stderr], daemon=True).start()


def run(arguments, node, revision, era, transport):
    fixture = ["node", str(HERE / "fixture.mjs"), "--era", era]
    server = None
    with tempfile.TemporaryDirectory() as folder:
        if transport == "http":
            server = subprocess.Popen(
                [*fixture, "--http", "0"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
            )
            port = started(server, r"listening on (\d+)")
            entry = f'url = "http://127.0.0.1:{port}/mcp"'
            drain(server)
        else:
            entry = f"command = {fixture}".replace("'", '"')
        config = Path(folder) / "gateway.toml"
        config.write_text(
            f'[mcp]\nnames = "never"\nexposure = "all"\n[mcp.servers.fixture]\n{entry}\n'
            '[store]\npath = ":memory:"\n'
        )
        environment = {**os.environ, "HOME": folder, "GATEWAY_DEMO__LOCAL_ADDRESS": "off"}
        gateway = subprocess.Popen(
            [arguments.gateway, "serve", "--port", "0", "--open"],
            cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        try:
            port = started(gateway, r"on http://127\.0\.0\.1:(\d+)")
            drain(gateway)
            command = [
                node, str(SUITE), "server", "--url", f"http://127.0.0.1:{port}/mcp",
                "--requirements", revision,
            ]
            if arguments.scenario:
                command = command[:-2] + ["--scenario", arguments.scenario, "--verbose",
                                          "--spec-version", revision]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)
        finally:
            gateway.terminate()
            gateway.wait(20)
            if server:
                server.terminate()
    text = done.stdout + done.stderr
    if arguments.verbose or arguments.scenario or done.returncode != 0:
        print(text)
    total = [line for line in text.splitlines() if "assed" in line][-1:]
    # The exit code knows required scenarios only; nothing else may fail here either.
    is_good = done.returncode == 0 and bool(total) and " 0 failed" in total[0]
    verdict = "ok" if is_good else "FAILED"
    print(f"{revision} through the gateway, {transport} server: {verdict} {' '.join(total)}", flush=True)
    return is_good


def run_client(arguments, node, revision, scenario):
    """The gateway as the client of the suite's own server."""
    command = [node, str(SUITE), "client", "--command", f"python3 {HERE / 'conformance_client.py'}",
               "--scenario", scenario, "--spec-version", revision]
    environment = {**os.environ, "GATEWAY": arguments.gateway}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=folder, timeout=120, env=environment)
    text = done.stdout + done.stderr
    total = [line for line in text.splitlines() if line.startswith("Passed")][-1:]
    is_good = done.returncode == 0 and bool(total) and " 0 failed" in total[0]
    if not is_good or arguments.verbose:
        print(text)
    print(f"{revision} as a client, {scenario}: {'ok' if is_good else 'FAILED'} {' '.join(total)}", flush=True)
    return is_good


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", required=True)
    parser.add_argument("--revision")
    parser.add_argument("--transport")
    parser.add_argument("--scenario")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    arguments.gateway = str(Path(arguments.gateway).resolve())
    node = str(HERE / "node_modules/.bin/node")
    results = [
        run(arguments, node, revision, era, transport)
        for revision, era in RUNS
        for transport in ("stdio", "http")
        if arguments.revision in (None, revision) and arguments.transport in (None, transport)
    ]
    if arguments.transport is None and arguments.scenario is None:
        results += [
            run_client(arguments, node, revision, scenario)
            for revision, scenarios in CLIENT.items()
            for scenario in scenarios
            if arguments.revision in (None, revision)
        ]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
