"""Find the servers that tests need, and install Debian's where they are missing.

    python tools/servers.py

Run by ``make test-storages``. Installing needs root; who is not root is told what to do.
"""

from debian import install
from pathlib import Path

import shutil
import sys

#: Debian's packages, each with the program of it that tests start.
OTHERS = {"redis-server": "redis-server", "memcached": "memcached"}


def programs() -> Path | None:
    """Return PostgreSQL's folder with ``initdb`` and ``postgres``, None where there is none."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(installed, key=lambda initdb: int(initdb.parts[-3]))
    on_path = shutil.which("initdb")
    if on_path and not found:
        found = [Path(on_path).resolve()]
    return found[-1].parent if found else None


def main() -> None:
    missing = _missing()
    if missing:
        install(missing)
    if _missing():
        sys.exit(f"Not found, though installed: {', '.join(_missing())}")
    print(f"PostgreSQL: {programs()}; {', '.join(OTHERS)}: there")


def _missing() -> list[str]:
    found = [name for name, program in OTHERS.items() if not shutil.which(program)]
    return found if programs() else ["postgresql", *found]


if __name__ == "__main__":
    main()
