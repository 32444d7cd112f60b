"""Does what the README says, as it says it: `make run`, then the first curl.

    python3 run.py

The port is the README's own, 3000. Ends with a line `N passed, N failed`.
"""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PORT = 3000
BUILD_SECONDS_MAX = 900
# What would make it another gateway than that of a machine without any setting.
OF_THE_GATEWAY = re.compile(r"(.*_API_KEYS?|.*_BASE_URL|(GATEWAY|OSS_MODEL|API|MCP)_.*|MODE)$")


def first_curl(readme):
    """The words of the first block that begins with curl."""
    for block in re.findall(r"```(?:sh|bash|console)\n(.*?)```", readme, re.S):
        if block.lstrip().startswith("curl"):
            return shlex.split(block.replace("\\\n", " "))
    raise SystemExit("the README has no block that begins with curl")


def check_port_is_free():
    with socket.socket() as probe:
        # As the gateway does: a port that a closed connection still lingers on is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            raise SystemExit(
                f"another program listens on port {PORT}, the README's: end it and try again"
            ) from None


def wait_until_served(gateway):
    """Waits until the gateway answers; gives the seconds it took."""
    began = time.monotonic()
    while True:
        if gateway.poll() is not None:
            raise SystemExit(f"`make run` ended with {gateway.returncode}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/livez", timeout=2).close()
            return time.monotonic() - began
        except OSError:
            time.sleep(0.2)
        if time.monotonic() - began > BUILD_SECONDS_MAX:
            raise SystemExit(f"`make run` did not serve within {BUILD_SECONDS_MAX} s")


def check_answer(command):
    """Runs the curl; its answer must say which model, which layer, why, and what it took."""
    command = [*command, "--silent", "--show-error", "--fail-with-body", "--max-time", "30"]
    reply = subprocess.run(command, capture_output=True, text=True)
    if reply.returncode:
        raise SystemExit(f"curl ended with {reply.returncode}: {reply.stderr}{reply.stdout}")
    answer = json.loads(reply.stdout)
    asked = json.loads(command[command.index("--data") + 1])
    result, routing, performance = answer["result"], answer["routing"], answer["performance"]
    for value in (result["response"], result["model"], result["provider"], routing["summary"]):
        assert value and isinstance(value, str), answer
    assert routing["layer"] in ("L0", "L1", "L2", "L3") and routing["reason"], answer
    assert routing["fromCache"] is False, answer
    assert answer["context"]["conversationId"] == asked["conversationId"], answer
    assert performance["tokens"]["input"] > 0 and performance["tokens"]["output"] > 0, answer
    assert performance["durationMs"] >= 0 and "cost" in performance, answer


def end(gateway):
    """Ends make, cargo and the gateway, as Ctrl-C does."""
    try:
        os.killpg(gateway.pid, signal.SIGINT)
        gateway.wait(40)
    except ProcessLookupError:
        pass
    except subprocess.TimeoutExpired:
        os.killpg(gateway.pid, signal.SIGKILL)
        raise SystemExit("`make run` does not end") from None


def main():
    readme = (ROOT / "README.md").read_text()
    for command in ("make run", "make test"):
        if command not in readme:
            raise SystemExit(f"the README does not name `{command}`")
    command = first_curl(readme)
    check_port_is_free()
    environment = {
        name: value for name, value in os.environ.items() if not OF_THE_GATEWAY.match(name)
    }
    with tempfile.TemporaryDirectory(prefix="gateway-readme-") as folder:
        environment |= {"XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
        gateway = subprocess.Popen(
            ["make", "run"], cwd=ROOT, env=environment, start_new_session=True
        )
        try:
            seconds = wait_until_served(gateway)
            print(f"make run: serves after {seconds:.0f} s", flush=True)
            check_answer(command)
        finally:
            end(gateway)
    print("1 passed, 0 failed")


main()
