"""Find the programs that tests start, and install Debian's packages if they are missing.

    python tools/servers.py storages    for ``make test-storages``
    python tools/servers.py fronts      for ``make test-fronts``
    python tools/servers.py monitoring  for ``make test-monitoring``
    python tools/servers.py brokers     for ``make test-brokers``
    python tools/servers.py languages   for ``make test-server`` and ``make test-worker``

Several kinds are installed at once, as ``make servers`` does. Installing needs root; without root
a message says what to do.
"""

from collections.abc import Iterable
from debian import install
from pathlib import Path

import shutil
import sys

#: Debian's packages, each with the program that tests start.
PACKAGES = {
    "brokers": {"rabbitmq-server": "rabbitmqctl", "redis-server": "redis-server"},
    "fronts": {"nginx-light": "nginx", "haproxy": "haproxy", "varnish": "varnishd"},
    # Of workers elsewhere that are not written in Python.
    "languages": {each: each for each in ("curl", "jq", "openssl", "unzip")} | {"nodejs": "node"},
    "monitoring": {"prometheus": "prometheus"},  # it has promtool too
    "storages": {"redis-server": "redis-server", "memcached": "memcached"},
}


def programs() -> Path | None:
    """Return PostgreSQL's folder with ``initdb`` and ``postgres``, None if there is none."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(installed, key=lambda initdb: int(initdb.parts[-3]))
    on_path = shutil.which("initdb")
    if on_path and not found:
        found = [Path(on_path).resolve()]
    return found[-1].parent if found else None


def main(*kinds: str) -> None:
    missing = _missing(kinds)
    if missing:
        install(missing)
    if _missing(kinds):
        sys.exit(f"Installed, but not found on the PATH: {', '.join(_missing(kinds))}")
    print(f"The programs for the tests of {', '.join(kinds)} are installed.")


def _missing(kinds: Iterable[str]) -> list[str]:
    known = [item for kind in kinds for item in PACKAGES[kind].items()]
    found = [name for name, program in known if not shutil.which(program)]
    return found if "storages" not in kinds or programs() else ["postgresql", *found]


if __name__ == "__main__":
    main(*sys.argv[1:])
