"""Make the development environment: a virtual environment with the versions of constraints.txt.

    python3 tools/environment.py .venv
    python3 tools/environment.py .venv-storages requirements-storages.txt
    python3 tools/environment.py .venv-plone61 requirements-plone61.txt constraints-plone61.txt

make runs this. The default files are requirements-dev.txt and constraints.txt. Needs Python
3.11, 3.12 or 3.13 with the module ``venv``, and no compiler.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fcntl
import os
import shutil
import subprocess
import sys

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
NEWEST = (3, 13)


def main(
    venv: Path,
    requirements: str = "requirements-dev.txt",
    constraints: str = "constraints.txt",
) -> None:
    version = sys.version_info[:2]
    if not OLDEST <= version <= NEWEST:
        sys.exit(
            f"This is Python {version[0]}.{version[1]}; Python 3.11, 3.12 or 3.13 is needed. "
            "Name an interpreter: make PYTHON=python3.13"
        )
    try:
        import ensurepip  # noqa: F401
        import venv as _  # noqa: F401
    except ImportError:
        sys.exit("Python's module venv is missing. On Debian: apt install python3-venv")
    ready = venv / ".ready"
    if venv.exists():  # it has other constraints, or is half-made
        print(f"{venv} is not up to date and is made again.", flush=True)
        shutil.rmtree(venv)
    print(f"Making {venv}: about 330 packages, one to five minutes ...", flush=True)
    _run("Making the environment", sys.executable, "-m", "venv", str(venv))
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
    constrained = ["-c", constraints]
    _run("Installing pip", *pip, "install", "--upgrade", "pip", *constrained)
    only_wheels = ["--only-binary", ":all:"]
    wanted = ["-r", requirements, *constrained, *only_wheels]
    without = ["--no-deps", "-r", "requirements-alone.txt", *constrained, *only_wheels]
    with alone():
        _run("Installing the packages", *pip, "install", *wanted)
        _run("Installing the packages", *pip, "install", *without)
    ready.touch()


@contextmanager
def alone() -> Iterator[None]:
    """Let no other process build in the repository: all builds write the same egg-info."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _run(what: str, *command: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        print("\n".join(done.stdout.splitlines()[-30:]), file=sys.stderr)
        sys.exit(
            f"{what} failed, see above. Check the network and the free space on the disk. "
            "The same command tries again from the start."
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
