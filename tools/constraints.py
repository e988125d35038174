"""Write constraints.txt and versions.cfg: the newest versions that resolve, for each Python.

    python tools/constraints.py PYTHON [PYTHON ...]

Each PYTHON is an interpreter. A fresh environment is made with each of them. The files get all
that the package with its extras, the demo, the development tools and the storages require, with
an environment marker if the versions differ.
"""

from collections import defaultdict
from pathlib import Path

import re
import subprocess
import sys
import tempfile

ROOT = Path(__file__).resolve().parent.parent
OWN = {"collective-wsgifutures", "wsgifutures-demo"}

HEADER = """\
# Every package of the development environment, for all supported Python versions.
# Written by `make constraints`, for pip in constraints.txt and for buildout in versions.cfg.
# Do not edit; what must be said by hand is in constraints.in.
"""


def freeze(python: str) -> tuple[str, dict[str, str]]:
    """Install everything with *python*; return its version and the installed packages."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "-q", "--upgrade", "pip"], check=True)
        wanted = ["-r", "requirements-storages.txt", "-c", "constraints.in"]
        subprocess.run([*pip, "install", "-q", *wanted], cwd=ROOT, check=True)
        alone = ["--no-deps", "-r", "requirements-alone.txt"]
        subprocess.run([*pip, "install", "-q", *alone], cwd=ROOT, check=True)
        listed = subprocess.run(
            [*pip, "list", "--format=freeze"], check=True, capture_output=True, text=True
        ).stdout
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        version = subprocess.run(
            [python, "-c", code], check=True, capture_output=True, text=True
        ).stdout.strip()
    pins = dict(line.split("==") for line in listed.splitlines() if "==" in line)
    return version, {n: v for n, v in pins.items() if re.sub(r"[-_.]+", "-", n).lower() not in OWN}


def merge(frozen: dict[str, dict[str, str]]) -> list[str]:
    """Return the lines for *frozen*: versions of packages, by Python version."""
    versions: dict[str, dict[str, str]] = defaultdict(dict)
    for python, pins in frozen.items():
        for name, pin in pins.items():
            versions[name][python] = pin
    lines = []
    for name in sorted(versions, key=str.lower):
        by_python = versions[name]
        if len(by_python) == len(frozen) and len(set(by_python.values())) == 1:
            lines.append(f"{name}=={next(iter(by_python.values()))}")
            continue
        lines.extend(f'{name}=={pin} ; python_version == "{p}"' for p, pin in by_python.items())
    return lines


def buildout(lines: list[str]) -> str:
    """Return *lines* as buildout's sections of versions."""
    sections: dict[str, list[str]] = {"[versions]": []}
    for line in lines:
        pin, _, marker = line.partition(" ; ")
        section = f"[versions:{marker}]".replace(" ", "") if marker else "[versions]"
        sections.setdefault(section, []).append(pin.replace("==", " = "))
    return "\n\n".join("\n".join([name, *pins]) for name, pins in sections.items()) + "\n"


def main() -> None:
    frozen = {}
    for python in sys.argv[1:]:
        print(f"Resolving with {python}, a few minutes ...", flush=True)
        version, pins = freeze(python)
        frozen[version] = pins
        print(f"  Python {version}: {len(pins)} packages", flush=True)
    if not frozen:
        sys.exit(__doc__)
    lines = merge(frozen)
    (ROOT / "constraints.txt").write_text(HEADER + "\n".join(lines) + "\n")
    (ROOT / "versions.cfg").write_text(HEADER + buildout(lines))
    print("constraints.txt and versions.cfg are written.")


if __name__ == "__main__":
    main()
