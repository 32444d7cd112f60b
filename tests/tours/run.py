"""Starts the simulator and the gateway on free ports and runs every tour.

    python3 run.py --gateway BIN --simulator BIN [--only NAME]

Ends with a line `N passed, N failed` over all tours.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from house import House, simulated

HERE = Path(__file__).resolve().parent
TOURS = {
    "openai-python": ["python", "tour_openai.py"],
    "anthropic-python": ["python", "tour_anthropic.py"],
    "responses-python": ["python", "tour_responses.py"],
    "google-python": ["python", "tour_google.py"],
    "ollama-python": ["python", "tour_ollama.py"],
    "operations-python": ["python", "tour_operations.py"],
    "openai-node": ["node", "tour_openai.mjs"],
    "anthropic-node": ["node", "tour_anthropic.mjs"],
    "responses-node": ["node", "tour_responses.mjs"],
    "google-node": ["node", "tour_google.mjs"],
}
LOCKED_KEY = "tour-key-of-the-locked-gateway"
TOUR_SECONDS_MAX = 300


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
            providers = simulated(simulator_url)
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
