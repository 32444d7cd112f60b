"""Counts checks and says which failed."""

import os
import sys
import traceback

BASE_URL = os.environ["TOUR_BASE_URL"]
SIMULATOR_URL = os.environ["TOUR_SIMULATOR_URL"]
MODELS = os.environ["TOUR_MODELS"].split(",")

# One red pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)

passed = 0
failed = 0


def check(name, run):
    global passed, failed
    try:
        run()
        passed += 1
    except Exception:  # a tour reports every failure and goes on
        failed += 1
        print(f"FAILED {name}", file=sys.stderr)
        traceback.print_exc()


def end(title):
    print(f"{title}: {passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
