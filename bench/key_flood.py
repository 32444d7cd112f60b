"""How fast a flood of made-up keys is turned away, and what honest callers notice of it.

    python3 bench/key_flood.py --gateway BIN --load BIN [--calls N] [--connections N]

Every call of the flood has another key and a body that is no JSON: a key that is not known is refused
before the body is read or the store is asked. Beside it one caller with a good key goes on.
"""

import argparse
import json
import os
import subprocess

from governance import Gateway, call, govern


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=32)
    arguments = parser.parse_args()
    arguments.gateway, arguments.load = map(os.path.abspath, (arguments.gateway, arguments.load))
    provider = subprocess.Popen([arguments.load, "answer"], stdout=subprocess.PIPE, text=True)
    try:
        gateway = Gateway(arguments.gateway, "flood", provider.stdout.readline().strip())
        key = govern(gateway)
        gateway.start()
        calm = call(arguments.load, gateway, 1, 1_000, key)
        flood = subprocess.Popen(
            [arguments.load, "call", "--to", gateway.address, "--body", "{" * 10_000, "--made-up-keys",
             "--expect", "401", "--connections", str(arguments.connections), "--calls", str(arguments.calls)],
            stdout=subprocess.PIPE, text=True)
        beside = call(arguments.load, gateway, 1, 1_000, key)
        figures = json.loads(flood.communicate()[0])
        gateway.stop()
    finally:
        provider.terminate()
    print(json.dumps({
        "refused_per_s": round(figures["per_s"]), "refused_p99_us": round(figures["p99_us"], 1),
        "honest_p50_us_calm": round(calm["p50_us"], 1), "honest_p50_us_in_flood": round(beside["p50_us"], 1),
    }))


if __name__ == "__main__":
    main()
