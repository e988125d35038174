"""Find the servers that tests need, and install Debian's packages if they are missing.

    python tools/servers.py storages    for ``make test-storages``
    python tools/servers.py fronts      for ``make test-fronts``
    python tools/servers.py monitoring  for ``make test-monitoring``

Installing needs root; without root a message says what to do.
"""

from debian import install
from pathlib import Path

import shutil
import sys

#: Debian's packages, each with the program that tests start.
PACKAGES = {
    "fronts": {"nginx-light": "nginx", "haproxy": "haproxy", "varnish": "varnishd"},
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


def main(kind: str) -> None:
    missing = _missing(kind)
    if missing:
        install(missing)
    if _missing(kind):
        sys.exit(f"Installed, but not found on the PATH: {', '.join(_missing(kind))}")
    print(f"The servers for the tests of {kind} are installed.")


def _missing(kind: str) -> list[str]:
    found = [name for name, program in PACKAGES[kind].items() if not shutil.which(program)]
    return found if kind != "storages" or programs() else ["postgresql", *found]


if __name__ == "__main__":
    main(sys.argv[1])
