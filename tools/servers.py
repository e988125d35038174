"""Find the servers that tests need, and install Debian's where they are missing.

    python tools/servers.py

Run by ``make test-storages``. Installing needs root; who is not root is told what to do.
"""

from pathlib import Path

import os
import shutil
import subprocess
import sys

INSTALL = ["apt-get", "install", "--yes", "--no-install-recommends"]

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
        _install(missing)
    if _missing():
        sys.exit(f"Not found, though installed: {', '.join(_missing())}")
    print(f"PostgreSQL: {programs()}; {', '.join(OTHERS)}: there")


def _missing() -> list[str]:
    found = [name for name, program in OTHERS.items() if not shutil.which(program)]
    return found if programs() else ["postgresql", *found]


def _install(packages: list[str]) -> None:
    names = " ".join(packages)
    if os.geteuid() or not shutil.which("apt-get"):
        sys.exit(
            f"These tests need servers that are missing: {names}. "
            f"Install them (on Debian: sudo apt-get install {names}), and start again."
        )
    print(f"Installing {names}, a minute ...", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], [*INSTALL, *packages]):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
