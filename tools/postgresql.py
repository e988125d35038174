"""Find PostgreSQL's programs, and install Debian's where they are missing.

    python tools/postgresql.py

Run by ``make test-storages``. Installing needs root; who is not root is told what to do.
"""

from pathlib import Path

import os
import shutil
import subprocess
import sys

INSTALL = ["apt-get", "install", "--yes", "--no-install-recommends", "postgresql"]


def programs() -> Path | None:
    """Return the folder with ``initdb`` and ``postgres``, None where there is none."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(installed, key=lambda initdb: int(initdb.parts[-3]))
    on_path = shutil.which("initdb")
    if on_path and not found:
        found = [Path(on_path).resolve()]
    return found[-1].parent if found else None


def main() -> None:
    if programs() is None:
        _install()
    found = programs()
    if found is None:
        sys.exit("PostgreSQL's initdb was not found, though its package is installed.")
    print(f"PostgreSQL: {found}")


def _install() -> None:
    if os.geteuid() or not shutil.which("apt-get"):
        sys.exit(
            "The tests of the storages need PostgreSQL's server. "
            "Install it (on Debian: sudo apt-get install postgresql), and start again."
        )
    print("Installing PostgreSQL, a minute ...", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], INSTALL):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
