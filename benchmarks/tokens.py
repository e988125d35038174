"""What a request with an application token costs, compared to one with a token of plone.restapi.

    .venv/bin/python benchmarks/tokens.py [--rounds 10]

A client that keeps its connection reads a document and a search, with each of both tokens in turn.
The figures are the CPU of the worker divided by the number of requests, and by how much the
database has grown after the first request.
Takes a minute. Prints a table in reStructuredText.
"""

from collections import Counter
from serving import prepared
from serving import say
from serving import Study
from serving import table

import argparse
import datetime
import requests
import statistics
import time

ADMIN = ("admin", "admin")
PATHS = {"a document": "about", "a search": "@search?SearchableText=words"}
SIDES = ("token of plone.restapi", "application token")

PROFILES = ("plone.restapi:default", "collective.wsgifutures:default")

#: The largest allowed ratio of the CPU with our token to that with the other one.
LIMIT = 1.05


class TokensStudy(Study):
    """Adds up the CPU of each side, round by round."""

    def run(self):
        """Measure both sides, in turn, and return the rows of the table."""
        self._site, self._session = self._server.site.rstrip("/"), requests.Session()
        self._session.headers["Accept"] = "application/json"
        self._post("@@elsewhere-prepare")
        tokens = dict(zip(SIDES, (self._log_in(), self._make()), strict=True))
        self._cpu, self._times = Counter(), {}
        for path in PATHS.values():
            for token in tokens.values():
                self._ask(path, token, 20)  # caches are filled, and the use of the day is noted
        size = self._database()
        for number in range(self._options.rounds):
            for name, path in PATHS.items():
                for side, token in tokens.items():
                    before = self._server.cpu()
                    times = self._ask(path, token, self._options.requests)
                    self._cpu[name, side] += self._server.cpu() - before
                    self._times.setdefault((name, side), []).extend(times)
            say(f"round {number + 1} is measured")
        self._grown = self._database() - size
        return list(self._rows())

    def _log_in(self):
        name, password = ADMIN
        return self._post("@login", {"login": name, "password": password})["token"]

    def _make(self):
        ends = (datetime.date.today() + datetime.timedelta(days=30)).isoformat()
        wish = {"name": "Benchmark", "scope": "read: read:@search", "ends": ends}
        return self._post("@tokens", wish)["token"]

    def _post(self, path, body=None):
        url = f"{self._site}/{path}"
        answer = self._session.post(url, json=body, auth=ADMIN, timeout=60)
        answer.raise_for_status()
        return answer.json() if body else None

    def _ask(self, path, token, number):
        times, headers = [], {"Authorization": f"Bearer {token}"}
        for _ in range(number):
            began = time.perf_counter()
            answer = self._session.get(f"{self._site}/{path}", headers=headers, timeout=60)
            times.append(time.perf_counter() - began)
            assert answer.status_code == 200, answer.text
        return times

    def _database(self):
        return self._server.database_size()

    def _rows(self):
        count = self._options.rounds * self._options.requests
        yield ["CPU per request", *PATHS]
        cpu = {key: seconds / count for key, seconds in self._cpu.items()}
        for side in SIDES:
            yield [side, *(f"{cpu[name, side] * 1000:.2f} ms" for name in PATHS)]
        theirs, ours = SIDES
        ratios = [cpu[name, ours] / cpu[name, theirs] for name in PATHS]
        yield [f"ours to the other (at most {LIMIT})", *(f"{ratio:.3f} times" for ratio in ratios)]
        median = {key: statistics.median(times) for key, times in self._times.items()}
        ratios = [median[name, ours] / median[name, theirs] for name in PATHS]
        yield ["the same of the median of the time", *(f"{ratio:.3f} times" for ratio in ratios)]
        yield ["bytes written", self._grown, ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=100, help="of each side in each round")
    options = parser.parse_args()
    with prepared(*PROFILES) as (serve, service), serve() as server:
        print(f"\n{table(TokensStudy(server, service, options).run())}\n")


if __name__ == "__main__":
    main()
