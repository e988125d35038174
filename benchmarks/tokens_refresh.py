"""By how much the database grows if one login is renewed 10,000 times, and what a pack leaves.

    .venv/bin/python benchmarks/tokens_refresh.py [--renewals 10000]

A client renews one login at ``@token``, again and again, each time with the refresh token that it
got last; after each hundredth it reads a document with the access token. Then the database is
packed. Its size is read before, after the renewals, and after the pack: the renewals of somebody
who uses a login for two months, ten minutes apart. The program fails if more than ``LEFT`` bytes
are left.
Takes five minutes. Prints a table in reStructuredText.
"""

from serving import prepared
from serving import say
from serving import Study
from serving import table

import argparse
import requests
import time

ADMIN = ("admin", "admin")

PROFILES = ("plone.restapi:default", "collective.wsgifutures:default")

#: How many bytes the database may be larger after the pack: less than one by a renewal.
LEFT = 10_000

#: After how many renewals a document is read.
EACH = 100


class RefreshStudy(Study):
    """Renews one login."""

    def run(self):
        """Renew and pack, and return the rows of the table."""
        self._site, self._session = self._server.site.rstrip("/"), requests.Session()
        self._session.headers["Accept"] = "application/json"
        self._ask("POST", "@@elsewhere-prepare", auth=ADMIN)
        login = {"login": ADMIN[0], "password": ADMIN[1], "refresh": True}
        self._tokens = self._ask("POST", "@login", json=login).json()
        for _ in range(EACH):
            self._renew()
        packed = self._pack()
        before = time.perf_counter()
        for number in range(self._options.renewals):
            self._renew()
            if (number + 1) % EACH == 0:
                self._read()
        say(f"{self._options.renewals} renewals took {time.perf_counter() - before:.0f} s")
        grown, left = self._server.database_size() - packed, self._pack() - packed
        assert left <= LEFT, f"{left} bytes are left after the pack"
        return list(self._rows(packed, grown, left))

    def _renew(self):
        form = {"grant_type": "refresh_token", "refresh_token": self._tokens["refresh_token"]}
        self._tokens = self._ask("POST", "@token", data=form).json()

    def _read(self):
        headers = {"Authorization": f"Bearer {self._tokens['access_token']}"}
        self._ask("GET", "about", headers=headers)

    def _pack(self):
        """Pack, and return the size of the database."""
        time.sleep(1.5)  # a pack leaves what was written in this second
        self._ask("GET", "@@load-jobs-pack", auth=ADMIN)
        return self._server.database_size()

    def _ask(self, method, path, **more):
        answer = self._session.request(method, f"{self._site}/{path}", timeout=120, **more)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer

    def _rows(self, packed, grown, left):
        renewals = self._options.renewals
        yield ["renewals", f"{renewals:,}"]
        yield ["the database before, after a pack", f"{packed:,} bytes"]
        yield ["it has grown by", f"{grown:,} bytes, {grown / renewals:.0f} by a renewal"]
        yield [f"it is larger after a pack by (at most {LEFT:,})", f"{left:,} bytes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--renewals", type=int, default=10_000, help="a multiple of 100")
    options = parser.parse_args()
    with prepared(*PROFILES) as (serve, service), serve() as server:
        print(f"\n{table(RefreshStudy(server, service, options).run())}\n")


if __name__ == "__main__":
    main()
