"""The programs of a run: started on free ports in a temporary folder, ended with it."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path


def simulated(simulator_url):
    """The environment of a gateway whose providers are the simulator."""
    return {
        "OPENAI_API_KEY": "simulated",
        "OPENAI_BASE_URL": f"{simulator_url}/openai/v1",
        "ANTHROPIC_API_KEY": "simulated",
        "ANTHROPIC_BASE_URL": f"{simulator_url}/anthropic",
    }


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
