"""What the tours in Python share: counting, the names of models, and what the provider has seen."""

import json
import os
import sys
import time
import traceback
import urllib.request

BASE_URL = os.environ["TOUR_BASE_URL"]
SIMULATOR_URL = os.environ["TOUR_SIMULATOR_URL"]
# A gateway that asks for a key, and the key.
LOCKED_URL = os.environ["TOUR_LOCKED_URL"]
LOCKED_KEY = os.environ["TOUR_LOCKED_KEY"]
TOUR = os.environ["TOUR"]
# One speaks chat completions, the other messages.
PROVIDERS = ("openai", "anthropic")

# One red pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
# `%PDF-1.4` and its end; nobody here looks inside.
PDF = "JVBERi0xLjQKJSVFT0YK"

passed = 0
failed = 0


def check(title, run, *arguments):
    """Runs one check and counts it. A tour reports every failure and goes on."""
    global passed, failed
    try:
        run(*arguments)
        passed += 1
    except Exception:
        failed += 1
        print(f"FAILED {TOUR}: {title}", file=sys.stderr)
        traceback.print_exc()


def end():
    """Prints the counts and ends the tour."""
    print(f"{TOUR}: {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def named(provider, what, fault=None):
    """A model of its own for every check: a breaker that one opens disturbs no other."""
    model = f"{TOUR}-{what}"
    return f"{provider}/fault:{fault}/{model}" if fault else f"{provider}/{model}"


def expect(kind, run):
    """The error of this kind that `run` must raise."""
    try:
        run()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


def arrivals(what):
    """What the provider got for the model of this check, in order."""
    with urllib.request.urlopen(f"{SIMULATOR_URL}/_simulator/requests") as reply:
        requests = json.load(reply)["requests"]
    return [request for request in requests if request["model"] == f"{TOUR}-{what}"]


def sent(what):
    """The body of the last request that the provider got for the model of this check."""
    return json.loads(arrivals(what)[-1]["body"])


def wait_until_left(what):
    """Waits until the provider has seen its client leave."""
    deadline = time.monotonic() + 10
    while not any(request["client_left"] for request in arrivals(what)):
        assert time.monotonic() < deadline, "the provider was not told that the client left"
        time.sleep(0.02)
