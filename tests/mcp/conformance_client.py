"""The client's half of the conformance suite: the suite's server stands behind the gateway, and this
client in front of it does what the scenario asks for. Called by the suite with the server's address.

Scenarios of authorization are left out: the gateway has no OAuth client.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

GATEWAY = os.environ["GATEWAY"]
VERSION = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25")
SCENARIO = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
CONTEXT = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
IS_MODERN = VERSION >= "2026-07-28"
CAPABILITIES = {"elicitation": {"form": {}}, "sampling": {}, "roots": {}}


class Client:
    def __init__(self, folder):
        environment = {**os.environ, "HOME": folder, "GATEWAY_DEMO__LOCAL_ADDRESS": "off"}
        self.gateway = subprocess.Popen(
            [GATEWAY, "stdio", "--show", "all"], cwd=folder, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        self.next = 0
        if not IS_MODERN:
            self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": CAPABILITIES,
                                    "clientInfo": {"name": "conformance", "version": "1"}})
            self.send({"method": "notifications/initialized"})

    def send(self, message):
        self.gateway.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.gateway.stdin.flush()

    def ask(self, method, params):
        self.next += 1
        own = self.next
        if IS_MODERN:
            params = {**params, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "conformance", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": CAPABILITIES}}
        self.send({"id": own, "method": method, "params": params})
        for line in self.gateway.stdout:
            message = json.loads(line)
            if "method" in message and "id" in message:
                self.send({"id": message["id"], "result": reply(message)})
            elif message.get("id") == own:
                return message
        raise SystemExit("the gateway ended")

    def work(self, method, params):
        answer = self.ask(method, params)
        for _ in range(5):
            result = answer.get("result", {})
            if result.get("resultType") != "input_required":
                break
            again = dict(params)
            again["inputResponses"] = {
                key: reply(question) for key, question in result.get("inputRequests", {}).items()}
            if "requestState" in result:
                again["requestState"] = result["requestState"]
            answer = self.ask(method, again)
        return answer


def reply(question):
    if question["method"] == "elicitation/create":
        schema = question["params"].get("requestedSchema", {})
        content = {name: value.get("default", sample(value))
                   for name, value in schema.get("properties", {}).items()}
        return {"action": "accept", "content": content}
    if question["method"] == "sampling/createMessage":
        return {"role": "assistant", "model": "m", "content": {"type": "text", "text": "ok"}}
    return {"roots": []}


def sample(schema):
    kind = schema.get("type")
    return {"number": 5, "integer": 5, "boolean": True, "object": {}, "array": []}.get(kind, "text")


def main():
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "gateway.toml").write_text(
            f'[mcp]\nnames = "never"\n[mcp.servers.suite]\nurl = "{sys.argv[-1]}"\n'
            '[store]\npath = ":memory:"\n')
        client = Client(folder)
        tools = client.ask("tools/list", {})["result"]["tools"]
        calls = CONTEXT.get("toolCalls")
        if calls is None:
            calls = [{"name": tool["name"], "arguments": {
                name: sample(value)
                for name, value in tool.get("inputSchema", {}).get("properties", {}).items()}}
                for tool in tools]
        if SCENARIO != "json-schema-ref-no-deref":
            for call in calls:
                client.work("tools/call", call)
        for resource in client.ask("resources/list", {})["result"]["resources"]:
            client.work("resources/read", {"uri": resource["uri"]})
        for prompt in client.ask("prompts/list", {})["result"]["prompts"]:
            client.work("prompts/get", {"name": prompt["name"], "arguments": {}})
        client.gateway.stdin.close()
        client.gateway.wait(20)


main()
