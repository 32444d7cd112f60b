"""Starts the gateway with simulated models and lets Schemathesis try /openapi.json.

No answer may be a 5xx, and every answer must have a status and a body that the document declares.

    python3 run.py --gateway BIN --schemathesis BIN [--examples N]
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gateway", required=True)
    arguments.add_argument("--schemathesis", required=True)
    arguments.add_argument("--examples", type=int, default=60)
    arguments.add_argument("--seed", type=int, default=20261121)
    arguments = arguments.parse_args()

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="gateway-fuzz-"))
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    log = open(folder / "log", "w")
    gateway = subprocess.Popen(
        [arguments.gateway, "serve", "--port", str(port), "--demo", "on"],
        env=clean | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        cwd=folder,
        stdout=log,
        stderr=log,
    )
    try:
        url = f"http://127.0.0.1:{port}/openapi.json"
        for _ in range(400):
            try:
                urllib.request.urlopen(url, timeout=2).close()
                break
            except OSError:
                time.sleep(0.05)
        checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
        status = subprocess.run(
            [
                arguments.schemathesis,
                "run",
                url,
                f"--checks={checks}",
                "--mode=all",
                "--phases=examples,coverage,fuzzing",
                f"--max-examples={arguments.examples}",
                f"--seed={arguments.seed}",
                "--request-timeout=30",
                "--workers=1",
                "--no-color",
            ],
            cwd=folder,
            env=clean,
        ).returncode
        alive = gateway.poll() is None
    finally:
        gateway.terminate()
        gateway.wait(20)
        log.close()
    if status or not alive:
        sys.stderr.write((folder / "log").read_text()[-8000:])
    sys.exit(status if alive else 1)


main()
