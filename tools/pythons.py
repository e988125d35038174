"""Run the tests of the kernel, the middleware and one real server on other Pythons.

    python tools/pythons.py 3.12      test on that version
    python tools/pythons.py --list    print the interpreters, one for each supported version

Interpreters are looked for on the PATH and among pyenv's versions. Each gets an environment of
its own, as ``.venv-3.12``, kept for the next time. A version that is not found is reported as
left out. The version that runs this is left to ``make test``.
"""

from environment import NEWEST
from environment import OLDEST
from pathlib import Path

import os
import shutil
import subprocess
import sys

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = [f"3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:plone"]
GEVENTED = ["tests/gevented.py", *PYTEST[2:]]
#: What is above the kernel stands on its runtimes, and is tested as a server with gevent has it.
ABOVE = ["tests/wsgi", "tests/upstreams"]
#: What another Python can change, by the options of pytest: threads and processes, greenlets, the
#: libraries of Python, and a start of a server with all that it imports.
SUITES = [
    [*PYTEST, "tests/kernel"],
    [*PYTEST, "-m", "not concurrency and not storages", *ABOVE],
    [*GEVENTED, "-m", "concurrency and not storages", "tests/kernel", *ABOVE],
    [*PYTEST, "-m", "smoke", "tests/server"],
    [*PYTEST, "worker/tests/test_worker.py", "worker/tests/test_processes.py"],
]


def find(version: str) -> str | None:
    """Return an interpreter of *version* that works, None if there is none."""
    candidates = [shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += sorted(map(str, pyenv.glob(f"{version}.*/bin/python")), reverse=True)
    return next((c for c in candidates if c and _has_version(c, version)), None)


def _has_version(python: str, version: str) -> bool:
    minor = version.removeprefix("3.")
    code = f"import ensurepip, sys, venv; sys.exit(sys.version_info.minor != {minor})"
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def test(version: str, python: str) -> bool:
    """Run the tests on *python*; return True if they pass."""
    venv = Path(f".venv-{version}")
    if not _is_fresh(ROOT / venv):
        done = subprocess.run([python, "tools/environment.py", str(venv)], cwd=ROOT)
        if done.returncode:
            return False
    runner = str(venv / "bin" / "python")
    return all(subprocess.run([runner, *suite], cwd=ROOT).returncode == 0 for suite in SUITES)


def _is_fresh(venv: Path) -> bool:
    ready = venv / ".ready"
    sources = [
        ROOT / name
        for name in ("constraints.txt", "requirements-dev.txt", "setup.py", "worker/pyproject.toml")
    ]
    return ready.exists() and all(ready.stat().st_mtime > s.stat().st_mtime for s in sources)


def main(asked: str) -> None:
    if asked == "--list":
        print(*filter(None, map(find, VERSIONS)))
        return
    if asked not in VERSIONS:
        sys.exit(f"Python {asked} is not supported; supported are: {', '.join(VERSIONS)}")
    python = find(asked)
    if asked == f"3.{sys.version_info.minor}":
        print(f"Python {asked}: the version of `make test`")
    elif python is None:
        print(f"Python {asked}: LEFT OUT: no such interpreter with venv was found")
    else:
        passed = test(asked, python)
        print(f"Python {asked} ({python}): {'passed' if passed else 'FAILED'}")
        sys.exit(not passed)


if __name__ == "__main__":
    main(*sys.argv[1:])
