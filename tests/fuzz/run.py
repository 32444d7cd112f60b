"""Starts the gateway with simulated models and lets Schemathesis try /openapi.json.

No answer may be a 5xx, every answer must have a status, headers, a content type and a body that the
document declares, and what the document allows must be accepted. The same seed tries the same
requests.

    python3 run.py --gateway BIN --schemathesis BIN [--examples N] [--seed N]
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

# Opens the admin doors too.
KEY = "fuzz-admin-key"

# More than the document lists is accepted on purpose: fields and kinds of tools that only some
# provider knows are passed on to it.
UNCHECKED = "negative_data_rejection"

# Simulated models only chat: what asks for something else is refused whatever it looks like, and a
# batch needs a file that was uploaded.
OPERATIONS = (
    "^/(v1/(embeddings|moderations|images|audio|batches|rerank)|v2/(embed|rerank)|rerank"
    "|api/embed)"
)

# Budgets that one part makes would refuse the calls of the other. /mcp is a protocol of its own, held
# by its own suite; a WebSocket begins with a GET that no plain request can make; nothing runs in the
# background, so that there is nothing to cancel.
PARTS = {
    "calls": [
        f"--exclude-path-regex=^/(admin|mcp)|{OPERATIONS}",
        "--exclude-operation-id=openResponses",
        "--exclude-operation-id=cancelResponse",
    ],
    "operations": [
        f"--include-path-regex={OPERATIONS}",
        f"--exclude-checks={UNCHECKED},positive_data_acceptance",
    ],
    "administration": ["--include-path-regex=^/admin"],
}


def start(gateway, folder, environment):
    """Starts the gateway on a free port; gives the program and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(folder / "log", "w") as log:
        program = subprocess.Popen(
            [gateway, "serve", "--open", "--port", str(port), "--demo", "on"],
            env=environment
            | {"XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder, "GATEWAY_SERVER__KEY": KEY},
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and program.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/openapi.json", timeout=2).close()
            return program, address
        except OSError:
            time.sleep(0.05)
    program.kill()
    raise SystemExit(f"the gateway does not serve\n{(folder / 'log').read_text()}")


def fuzz(arguments, part, address, folder, environment):
    """Runs Schemathesis; gives its status, how many requests it made, how many went wrong."""
    command = [
        str(arguments.schemathesis.resolve()),
        "run",
        f"{address}/openapi.json",
        f"--header=Authorization: Bearer {KEY}",
        "--checks=all",
        f"--exclude-checks={UNCHECKED}",
        "--mode=all",
        "--phases=examples,coverage,fuzzing",
        f"--max-examples={arguments.examples}",
        f"--seed={arguments.seed}",
        "--generation-database=none",
        "--continue-on-failure",
        "--suppress-health-check=all",
        "--request-timeout=30",
        "--workers=1",
        "--warnings=off",
        "--no-color",
        *PARTS[part],
    ]
    fuzzing = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, encoding="utf-8"
    )
    generated = found = 0
    for line in fuzzing.stdout:
        sys.stdout.write(line)
        counts = re.search(r"(\d+) generated, (\d+) (passed|found)", line)
        if counts:
            generated = int(counts[1])
            found = int(counts[2]) if counts[3] == "found" else 0
    return fuzzing.wait(), generated, found


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gateway", required=True, type=Path)
    arguments.add_argument("--schemathesis", required=True, type=Path)
    arguments.add_argument("--examples", type=int, default=120)
    arguments.add_argument("--seed", type=int, default=20261121)
    arguments = arguments.parse_args()
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
    }
    done = [run(arguments, part, environment) for part in PARTS]
    passed, failed = (sum(counts) for counts in zip(*done))
    print(f"fuzz: {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def run(arguments, part, environment):
    """Tries one part on a gateway of its own; gives how many requests were right and wrong."""
    with tempfile.TemporaryDirectory(prefix="gateway-fuzz-") as folder:
        folder = Path(folder)
        gateway, address = start(str(arguments.gateway.resolve()), folder, environment)
        try:
            status, generated, found = fuzz(arguments, part, address, folder, environment)
            is_alive = gateway.poll() is None
        finally:
            gateway.terminate()
            gateway.wait(40)
        if status or not is_alive:
            sys.stderr.write((folder / "log").read_text(errors="replace")[-8000:])
        if not is_alive:
            print("the gateway ended by itself")
    is_good = status == 0 and is_alive and generated > 0
    failed = found or (0 if is_good else 1)
    return max(generated - failed, 0), failed


main()
