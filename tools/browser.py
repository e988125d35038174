"""Find the browser that tests need, and axe-core, and install what is missing.

    python tools/browser.py

``make test-browser`` runs this. Debian's packages need root; without root a message says what to
do. axe-core comes from npm, in the version of ``tests/browser/package-lock.json``.
"""

from debian import install
from pathlib import Path

import shutil
import subprocess
import sys

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "browser"

#: Programs, each with Debian's package.
PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver", "npm": "npm"}


def main() -> None:
    if _missing():
        install([PROGRAMS[program] for program in _missing()])
    if _missing():
        sys.exit(f"Installed, but not found on the PATH: {', '.join(_missing())}")
    _install_axe()
    print(f"{', '.join(PROGRAMS)}, axe-core: installed")


def _missing() -> list[str]:
    return [program for program in PROGRAMS if not shutil.which(program)]


def _install_axe() -> None:
    command = ["npm", "ci", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} in {FOLDER} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
