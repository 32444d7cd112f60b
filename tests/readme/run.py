"""Does what the README says, as it says it: `make run`, then the first curl."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def first_curl(readme):
    for block in re.findall(r"```(?:sh|bash|console)\n(.*?)```", readme, re.S):
        if block.lstrip().startswith("curl"):
            return shlex.split(block.replace("\\\n", " "))
    raise SystemExit("the README has no block that begins with curl")


def main():
    readme = (ROOT / "README.md").read_text()
    for command in ("make run", "make test"):
        if command not in readme:
            raise SystemExit(f"the README does not name `{command}`")
    folder = tempfile.mkdtemp(prefix="gateway-readme-")
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    clean |= {"XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
    began = time.monotonic()
    gateway = subprocess.Popen(["make", "run"], cwd=ROOT, env=clean, start_new_session=True)
    try:
        while True:
            if gateway.poll() is not None:
                raise SystemExit("`make run` ended")
            try:
                urllib.request.urlopen("http://127.0.0.1:3000/livez", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
            if time.monotonic() - began > 600:
                raise SystemExit("`make run` did not serve within 10 minutes")
        print(f"make run: serving after {time.monotonic() - began:.0f} s")
        reply = subprocess.run(
            [*first_curl(readme), "--silent", "--show-error"], capture_output=True, text=True, check=True
        )
        answer = json.loads(reply.stdout)
        assert answer["result"]["response"] and answer["result"]["model"], answer
        assert answer["routing"]["layer"] and answer["routing"]["reason"], answer
        assert answer["performance"]["tokens"]["input"] > 0, answer
        assert "cost" in answer["performance"], answer
    finally:
        os.killpg(gateway.pid, signal.SIGTERM)
        gateway.wait(30)
    print("1 passed, 0 failed")
    sys.exit(0)


main()
