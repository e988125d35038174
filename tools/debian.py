"""Install packages of Debian that tests need; without root, say what to do."""

from environment import alone
from pathlib import Path

import os
import shutil
import subprocess
import sys

INSTALL = ["apt-get", "install", "--yes", "--no-install-recommends"]


def install(packages: list[str]) -> None:
    """Install *packages*, or exit with a message that says what to do."""
    names = " ".join(packages)
    if os.geteuid() or not shutil.which("apt-get"):
        sys.exit(
            f"These tests need packages that are missing: {names}. "
            f"Install them (on Debian: sudo apt-get install {names}), and start again."
        )
    print(f"Installing {names}, a minute ...", flush=True)
    with alone(Path(__file__).parent):
        for command in (["apt-get", "update", "-q"], [*INSTALL, *packages]):
            _run(command)


def _run(command: list[str]) -> None:
    # In this runlevel an installed server is not started: its port may be in use.
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    done = subprocess.run(command, env=quiet, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
