"""Measure what a bare call by urllib3 costs under gevent.

    python benchmarks/bare.py URL --clients 1500 --seconds 15

The clients are greenlets, which call over one pool, each one call after the other. Prints one
JSON object: how many calls ended after the warm-up, and the CPU that this process used for them.
"""

from gevent import monkey

monkey.patch_all()

from serving import allow_open_files  # noqa: E402
from urllib.parse import urlsplit  # noqa: E402

import argparse  # noqa: E402
import gevent  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402
import urllib3  # noqa: E402


def measure(url, clients, warm_up, seconds):
    """Call, and return how many calls ended in *seconds*, and the CPU that they used."""
    parts = urlsplit(url)
    pool = urllib3.HTTPConnectionPool(parts.hostname, parts.port, maxsize=clients)
    numbers = itertools.count()
    ended = itertools.count()

    def client():
        while True:
            target = f"{parts.path}?{parts.query}".replace("{n}", str(next(numbers)))
            if pool.urlopen("GET", target, retries=False).status == 200:
                next(ended)

    greenlets = [gevent.spawn(client) for _ in range(clients)]
    gevent.sleep(warm_up)
    before, began = next(ended), time.process_time()
    gevent.sleep(seconds)
    calls, took = next(ended) - before - 1, time.process_time() - began
    gevent.killall(greenlets)
    return {"calls": calls, "cpu": took}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="{n} in it becomes the number of the call")
    parser.add_argument("--clients", type=int, default=1500)
    parser.add_argument("--warm-up", type=float, default=3.0)
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    allow_open_files()
    print(json.dumps(measure(options.url, options.clients, options.warm_up, options.seconds)))


if __name__ == "__main__":
    main()
