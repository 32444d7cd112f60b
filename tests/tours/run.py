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
LOCKED_KEY = "tour-key-of-the-locked-gateway"
TOUR_SECONDS_MAX = 300


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class House:
    """The programs of a tour. They end with it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.environment = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
        }
        self.programs = []

    def start(self, name, command, path, more):
        """Starts a program on a free port, waits until `path` answers, and gives its address."""
        port = free_port()
        home = self.folder / name
        home.mkdir()
        with open(home / "log", "w") as log:
            program = subprocess.Popen(
                [*command, "--port", str(port)],
                env=self.environment | {"XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home} | more,
                cwd=home,
                stdout=log,
                stderr=log,
            )
        self.programs.append((name, program))
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while not answers(address + path):
            if program.poll() is not None:
                raise SystemExit(f"{name} ended with {program.returncode}\n{self.log(name)}")
            if time.monotonic() > deadline:
                raise SystemExit(f"{name} does not answer\n{self.log(name)}")
            time.sleep(0.05)
        return address

    def log(self, name):
        return (self.folder / name / "log").read_text(errors="replace")[-8000:]

    def end(self):
        """Ends what still runs; gives the names of those that had ended by themselves."""
        fallen = [name for name, program in self.programs if program.poll() is not None]
        for _, program in reversed(self.programs):
            program.terminate()
            try:
                program.wait(40)
            except subprocess.TimeoutExpired:
                program.kill()
        return fallen


def answers(url):
    try:
        urllib.request.urlopen(url, timeout=2).close()
        return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def run_tour(name, runner, environment):
    """Runs one tour; gives how many checks passed and failed."""
    command = [runner, TOURS[name][1]]
    try:
        tour = subprocess.run(
            command,
            cwd=HERE,
            env=environment | {"TOUR": name},
            capture_output=True,
            text=True,
            timeout=TOUR_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired as hanging:
        output = (hanging.stdout or b"") + (hanging.stderr or b"")
        sys.stderr.write(output.decode(errors="replace"))
        print(f"{name}: hangs after {TOUR_SECONDS_MAX} s")
        return 0, 1
    sys.stdout.write(tour.stdout)
    sys.stderr.write(tour.stderr)
    counts = re.search(r"(\d+) passed, (\d+) failed\s*$", tour.stdout)
    if counts is None:
        print(f"{name}: ended with {tour.returncode} before its end")
        return 0, 1
    return int(counts.group(1)), int(counts.group(2))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gateway", required=True, type=Path)
    arguments.add_argument("--simulator", required=True, type=Path)
    arguments.add_argument("--python", default=sys.executable, help="interpreter with the SDKs")
    arguments.add_argument("--only", choices=TOURS)
    arguments = arguments.parse_args()
    gateway = [str(arguments.gateway.resolve()), "serve", "--open"]
    simulator = [str(arguments.simulator.resolve())]

    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="gateway-tours-") as folder:
        house = House(folder)
        try:
            simulator_url = house.start("simulator", simulator, "/_simulator/requests", {})
            providers = {
                "OPENAI_API_KEY": "simulated",
                "OPENAI_BASE_URL": f"{simulator_url}/openai/v1",
                "ANTHROPIC_API_KEY": "simulated",
                "ANTHROPIC_BASE_URL": f"{simulator_url}/anthropic",
            }
            locked = providers | {"GATEWAY_SERVER__KEY": LOCKED_KEY}
            environment = house.environment | {
                "TOUR_BASE_URL": house.start("gateway", gateway, "/readyz", providers),
                "TOUR_LOCKED_URL": house.start("locked", gateway, "/readyz", locked),
                "TOUR_LOCKED_KEY": LOCKED_KEY,
                "TOUR_SIMULATOR_URL": simulator_url,
            }
            for name in [arguments.only] if arguments.only else TOURS:
                runner = arguments.python if TOURS[name][0] == "python" else TOURS[name][0]
                counts = run_tour(name, runner, environment)
                passed, failed = passed + counts[0], failed + counts[1]
        finally:
            fallen = house.end()
        for name in fallen:
            print(f"{name} ended by itself")
            failed += 1
        if failed:
            sys.stderr.write(house.log("gateway"))
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


main()
