"""Make the development environment: a virtual environment with the versions of constraints.txt.

    python3 tools/environment.py .venv
    python3 tools/environment.py .venv-storages requirements-storages.txt
    python3 tools/environment.py .venv-plone61 requirements-plone61.txt constraints-plone61.txt

make runs this. The default files are requirements-dev.txt and constraints.txt. Needs Python
3.11, 3.12 or 3.13 with the module ``venv``, and no compiler.

``.venv`` is made with pip, which each Python has. It has uv, which makes the others: that takes
seconds, where pip computes for a minute.
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

#: The environment that everybody has.
FIRST = Path(".venv")


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
    time = "one to five minutes" if venv == FIRST else "half a minute"
    print(f"Making {venv}: about 330 packages, {time} ...", flush=True)
    constrained = ["-c", constraints, "--only-binary", ":all:"]
    install = (_with_pip if venv == FIRST else _with_uv)(venv)
    with alone():
        _run("Installing the packages", *install, "-r", requirements, *constrained)
        without = ["--no-deps", "-r", "requirements-alone.txt"]
        _run("Installing the packages", *install, *without, *constrained)
    (venv / "templates").mkdir()  # what tests compile
    ready.touch()


def _with_pip(venv: Path) -> list[str]:
    """Make *venv*; return the command that installs into it."""
    _run("Making the environment", sys.executable, "-m", "venv", str(venv))
    pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
    _run("Installing pip", *pip, "install", "--upgrade", "pip", "-c", "constraints.txt")
    return [*pip, "install"]


def _with_uv(venv: Path) -> list[str]:
    """Make *venv*; return the command that installs into it."""
    _run("Making the environment", sys.executable, "-m", "venv", "--without-pip", str(venv))
    uv = FIRST / "bin" / "uv"
    return [str(uv), "pip", "install", "-q", "--python", str(venv / "bin" / "python")]


@contextmanager
def alone(where: Path = ROOT) -> Iterator[None]:
    """Let no other process do that: builds in the repository write the same egg-info.

    Args:
        where: A folder that stands for what is done.
    """
    folder = os.open(where, os.O_RDONLY)
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
