"""Measures the gateway as it ships: start time, memory, and what it adds to a call.

    python3 bench/run.py --gateway BIN --simulator BIN [--calls N] [--json]

Both ways of a call are measured in the same run, in turns, so that only their ratio matters.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

BODY = json.dumps(
    {"model": "openai/sim-bench", "messages": [{"role": "user", "content": "sim:words=50 Say something"}]}
)
DIRECT_BODY = BODY.replace("openai/sim-bench", "sim-bench")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, path):
    began = time.monotonic()
    while time.monotonic() - began < 30:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", path)
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.001)
    raise SystemExit(f"nothing answers on port {port}")


def resident_mib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def calls(port, path, body, n):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"content-type": "application/json", "authorization": "Bearer sim"}
    times = []
    for _ in range(n):
        began = time.perf_counter()
        connection.request("POST", path, body, headers)
        reply = connection.getresponse()
        text = reply.read()
        times.append((time.perf_counter() - began) * 1e3)
        if reply.status != 200:
            raise SystemExit(f"{path}: {reply.status} {text[:300]}")
    connection.close()
    return times


def load(port, path, body, n, workers):
    began = time.perf_counter()
    threads = [threading.Thread(target=calls, args=(port, path, body, n // workers)) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (n // workers) * workers / (time.perf_counter() - began)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--gateway", required=True)
    arguments.add_argument("--simulator", required=True)
    arguments.add_argument("--calls", type=int, default=600)
    arguments.add_argument("--json", action="store_true")
    arguments = arguments.parse_args()
    arguments.gateway, arguments.simulator = map(os.path.abspath, (arguments.gateway, arguments.simulator))

    folder = tempfile.mkdtemp(prefix="gateway-bench-")
    simulator_port, gateway_port = free_port(), free_port()
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    simulator = subprocess.Popen([arguments.simulator, "--port", str(simulator_port)], env=clean, **quiet)
    wait_for(simulator_port, "/_simulator/requests")
    environment = clean | {
        "XDG_DATA_HOME": folder,
        "XDG_CONFIG_HOME": folder,
        "OPENAI_API_KEY": "sim",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{simulator_port}/openai/v1",
    }
    starts = []
    gateway = None
    for at in range(5):
        began = time.perf_counter()
        gateway = subprocess.Popen(
            [arguments.gateway, "serve", "--open", "--port", str(gateway_port)], env=environment, cwd=folder, **quiet
        )
        wait_for(gateway_port, "/readyz")
        starts.append((time.perf_counter() - began) * 1e3)
        if at < 4:
            gateway.terminate()
            gateway.wait(20)
    try:
        idle = resident_mib(gateway.pid)
        direct, through = [], []
        for _ in range(6):
            n = arguments.calls // 6
            direct += calls(simulator_port, "/openai/v1/chat/completions", DIRECT_BODY, n)
            through += calls(gateway_port, "/v1/chat/completions", BODY, n)
        rate_direct = load(simulator_port, "/openai/v1/chat/completions", DIRECT_BODY, arguments.calls, 8)
        rate_through = load(gateway_port, "/v1/chat/completions", BODY, arguments.calls, 8)
        figures = {
            "start_ms_median": round(statistics.median(starts), 1),
            "idle_mib": round(idle, 1),
            "after_load_mib": round(resident_mib(gateway.pid), 1),
            "binary_mib": round(Path(arguments.gateway).stat().st_size / 2**20, 1),
            "direct_ms_p50": round(statistics.median(direct), 3),
            "through_ms_p50": round(statistics.median(through), 3),
            "ratio_p50": round(statistics.median(through) / statistics.median(direct), 2),
            "direct_per_s": round(rate_direct),
            "through_per_s": round(rate_through),
            "calls": arguments.calls,
        }
    finally:
        gateway.terminate()
        simulator.terminate()
    if arguments.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:18} {value}")


main()
