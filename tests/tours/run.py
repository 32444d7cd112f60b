"""Starts the simulator and the gateway on free ports and runs every tour.

    python3 run.py --gateway BIN --simulator BIN [--only NAME]

Ends with a line `N passed, N failed` over all tours.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOURS = {
    "openai-python": ["python", "tour_openai.py"],
    "anthropic-python": ["python", "tour_anthropic.py"],
    "openai-node": ["node", "tour_openai.mjs"],
    "anthropic-node": ["node", "tour_anthropic.mjs"],
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, process, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{url} does not answer")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gateway", required=True)
    arguments.add_argument("--simulator", required=True)
    arguments.add_argument("--python", default=sys.executable, help="interpreter with the SDKs")
    arguments.add_argument("--only", choices=TOURS)
    arguments = arguments.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="gateway-tours-"))
    simulator_port, gateway_port = free_port(), free_port()
    simulator_url = f"http://127.0.0.1:{simulator_port}"
    base_url = f"http://127.0.0.1:{gateway_port}"
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    log = open(folder / "log", "w")
    simulator = subprocess.Popen(
        [arguments.simulator, "--port", str(simulator_port)], env=clean, stdout=log, stderr=log
    )
    gateway = subprocess.Popen(
        [arguments.gateway, "serve", "--port", str(gateway_port)],
        env=clean
        | {
            "XDG_DATA_HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "OPENAI_API_KEY": "sim",
            "OPENAI_BASE_URL": f"{simulator_url}/openai/v1",
            "ANTHROPIC_API_KEY": "sim",
            "ANTHROPIC_BASE_URL": f"{simulator_url}/anthropic",
        },
        cwd=folder,
        stdout=log,
        stderr=log,
    )
    passed = failed = 0
    try:
        wait_for(f"{simulator_url}/_simulator/requests", simulator)
        wait_for(f"{base_url}/readyz", gateway)
        environment = clean | {
            "TOUR_BASE_URL": base_url,
            "TOUR_SIMULATOR_URL": simulator_url,
            "TOUR_MODELS": "openai/gpt-5.6-tour,anthropic/claude-tour",
        }
        for name, (runner, script) in TOURS.items():
            if arguments.only not in (None, name):
                continue
            runner = arguments.python if runner == "python" else runner
            tour = subprocess.run(
                [runner, script], cwd=HERE, env=environment, capture_output=True, text=True, timeout=600
            )
            sys.stdout.write(tour.stdout)
            sys.stderr.write(tour.stderr)
            counts = re.search(r"(\d+) passed, (\d+) failed\s*$", tour.stdout)
            passed += int(counts.group(1)) if counts else 0
            failed += int(counts.group(2)) if counts else 1
    finally:
        gateway.terminate()
        simulator.terminate()
        gateway.wait(20)
        simulator.wait(20)
        log.close()
    if failed:
        sys.stderr.write((folder / "log").read_text()[-8000:])
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


main()
