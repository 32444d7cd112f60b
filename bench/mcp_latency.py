"""What the gateway adds to `tools/call`: the same calls straight to a server and through the gateway.

One connection, one call after the other, both eras, the fixture of tests/mcp as the server.
"""

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

FIXTURE = Path(__file__).resolve().parent.parent / "tests/mcp/fixture.mjs"


def port_of(process, pattern):
    for line in process.stderr:
        found = re.search(pattern, line)
        if found:
            threading.Thread(target=lambda: [None for _ in process.stderr], daemon=True).start()
            return int(found.group(1))
    raise SystemExit("it does not start")


class Client:
    def __init__(self, port, path, era, name):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        self.path, self.era, self.name, self.headers, self.next = path, era, name, {}, 0
        if era == "legacy":
            response, _ = self.post({"method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": {"name": "bench", "version": "1"}}})
            self.headers = {"mcp-session-id": response.headers["mcp-session-id"],
                            "mcp-protocol-version": "2025-11-25"}
        else:
            self.headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call",
                            "mcp-name": name}

    def post(self, message):
        self.next += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self.next, **message})
        headers = {"content-type": "application/json",
                   "accept": "application/json, text/event-stream", **self.headers}
        self.connection.request("POST", self.path, body, headers)
        response = self.connection.getresponse()
        return response, response.read()

    def call(self):
        params = {"name": self.name, "arguments": {"a": 1}}
        if self.era == "modern":
            params["_meta"] = {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                               "io.modelcontextprotocol/clientCapabilities": {}}
        response, body = self.post({"method": "tools/call", "params": params})
        assert response.status == 200 and b"structuredContent" in body, body

    def times(self, count):
        for _ in range(50):
            self.call()
        times = []
        for _ in range(count):
            began = time.perf_counter()
            self.call()
            times.append((time.perf_counter() - began) * 1000)
        return times


def shown(times):
    cuts = statistics.quantiles(times, n=100)
    return cuts[49], cuts[98]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", required=True)
    parser.add_argument("--count", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(["node", str(FIXTURE), "--http", "0"], stderr=subprocess.PIPE, text=True)
        direct = port_of(server, r"listening on (\d+)")
        (Path(folder) / "gateway.toml").write_text(
            f'[mcp.servers.far]\nurl = "http://127.0.0.1:{direct}/mcp"\n'
            f'[mcp.servers.near]\ncommand = ["node", "{FIXTURE}"]\n[store]\npath = ":memory:"\n')
        gateway = subprocess.Popen(
            [str(Path(arguments.gateway).resolve()), "serve", "--port", "0", "--open"], cwd=folder,
            env={**os.environ, "HOME": folder, "GATEWAY_DEMO__LOCAL_ADDRESS": "off"},
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            port = port_of(gateway, r"on http://127\.0\.0\.1:(\d+)")
            for era in ("legacy", "modern"):
                base = shown(Client(direct, "/mcp", era, "echo").times(arguments.count))
                print(f"{era:7} direct            p50 {base[0]:.3f} ms  p99 {base[1]:.3f} ms")
                for name in ("far", "near"):
                    client = Client(port, "/mcp/all", era, f"{name}__echo")
                    got = shown(client.times(arguments.count))
                    kind = "http" if name == "far" else "stdio"
                    print(f"{era:7} through, {kind:5}    p50 {got[0]:.3f} ms  p99 {got[1]:.3f} ms"
                          f"  added p50 {got[0] - base[0]:+.3f} ms")
        finally:
            gateway.terminate()
            gateway.wait(20)
            server.terminate()


if __name__ == "__main__":
    main()
