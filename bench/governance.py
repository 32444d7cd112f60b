"""What governance costs: the same gateway plain, and with everything on, in turns in one run.

    python3 bench/governance.py --gateway BIN --load BIN [--rounds N] [--calls N] [--json]
        [--governed-env NAME=VALUE ...]

Plain: an open door, no key, no budget, no limit, no cost tracking. Everything on: a key, budgets on
its organisation, team, user and itself, request and token limits, cost, record of the call, metrics.
Both keep their records in a file of their own. `--governed-env` adds settings to the governed one,
such as the addresses of Redis and PostgreSQL.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

BODY = json.dumps({
    "model": "openai/gpt-4o-mini",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
})


class Gateway:
    def __init__(self, binary, name, provider, arguments=(), environment=None):
        self.folder = tempfile.mkdtemp(prefix=f"governance-{name}-")
        base = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        self.environment = base | {
            "XDG_DATA_HOME": self.folder,
            "XDG_CONFIG_HOME": self.folder,
            "OPENAI_API_KEY": "bench",
            "OPENAI_BASE_URL": f"http://{provider}/v1",
            "LOG_LEVEL": "error",
        } | (environment or {})
        self.binary, self.arguments = binary, list(arguments)
        self.process = None

    def start(self):
        log = Path(self.folder) / "log"
        self.process = subprocess.Popen(
            [self.binary, "serve", "--port", "0", *self.arguments],
            env=self.environment, cwd=self.folder, stdout=log.open("w"), stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            found = re.search(r"http://(127\.0\.0\.1:\d+)", log.read_text())
            if found:
                self.address = found.group(1)
                try:
                    urllib.request.urlopen(f"http://{self.address}/readyz", timeout=2).read()
                    return self
                except OSError:
                    pass
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise SystemExit(f"the gateway did not start:\n{log.read_text()}")

    def command(self, *arguments):
        done = subprocess.run(
            [self.binary, *arguments], env=self.environment, cwd=self.folder, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)


def govern(gateway):
    """A key under an organisation, a team and a user, each with a budget; limits on the key."""
    gateway.command("accounts", "set", "organisation:acme")
    gateway.command("accounts", "set", "team:research", "--parent", "organisation:acme")
    gateway.command("budgets", "set", "organisation:acme", "--usd", "1000000", "--period", "month")
    gateway.command("budgets", "set", "team:research", "--usd", "100000", "--period", "month")
    gateway.command("budgets", "set", "user:ada", "--usd", "10000", "--period", "week")
    made = gateway.command(
        "keys", "create", "--name", "bench", "--org", "acme", "--team", "research", "--user", "ada",
        "--budget-usd", "1000", "--period", "day", "--rpm", "100000000", "--tpm", "100000000000", "--json",
    )
    return json.loads(made)["key"]


def call(load, gateway, connections, calls, key=None):
    command = [load, "call", "--to", gateway.address, "--body", BODY,
               "--connections", str(connections), "--calls", str(calls)]
    if key:
        command += ["--bearer", key]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=4_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--governed-env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.gateway, arguments.load = map(os.path.abspath, (arguments.gateway, arguments.load))

    provider = subprocess.Popen([arguments.load, "answer"], stdout=subprocess.PIPE, text=True)
    running = [provider]
    try:
        address = provider.stdout.readline().strip()
        plain = Gateway(arguments.gateway, "plain", address, ["--open"], {"ENABLE_COST_TRACKING": "false"})
        extra = dict(pair.split("=", 1) for pair in arguments.governed_env)
        governed = Gateway(arguments.gateway, "governed", address, [], extra)
        key = govern(governed)
        plain.start(), governed.start()
        ways = {"plain": (plain, None), "governed": (governed, key)}
        for gateway, bearer in ways.values():
            call(arguments.load, gateway, 4, 2_000, bearer)
        rates = {name: [] for name in ways}
        p50 = {name: [] for name in ways}
        p99 = {name: [] for name in ways}
        for at in range(arguments.rounds):
            # The order turns, so that neither way has the warmer machine.
            order = list(ways.items()) if at % 2 == 0 else list(ways.items())[::-1]
            for name, (gateway, bearer) in order:
                rates[name].append(call(arguments.load, gateway, arguments.connections, arguments.calls, bearer)["per_s"])
                alone = call(arguments.load, gateway, 1, arguments.calls // 2, bearer)
                p50[name].append(alone["p50_us"])
                p99[name].append(alone["p99_us"])
        middle = statistics.median
        figures = {
            "plain_per_s": round(middle(rates["plain"])),
            "governed_per_s": round(middle(rates["governed"])),
            "kept": round(middle(g / p for g, p in zip(rates["governed"], rates["plain"])), 3),
            "plain_p50_us": round(middle(p50["plain"]), 1),
            "governed_p50_us": round(middle(p50["governed"]), 1),
            "plain_p99_us": round(middle(p99["plain"]), 1),
            "governed_p99_us": round(middle(p99["governed"]), 1),
            "added_p50_us": round(middle(g - p for g, p in zip(p50["governed"], p50["plain"])), 1),
            "added_p99_us": round(middle(g - p for g, p in zip(p99["governed"], p99["plain"])), 1),
            "rounds": arguments.rounds,
        }
        for gateway, _ in ways.values():
            gateway.stop()
    finally:
        for process in running:
            process.terminate()
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:18} {value}")


if __name__ == "__main__":
    main()
