"""Build the wheels and the source distributions, and check the files in each.

python tools/wheel.py           build and check them, then remove them
python tools/wheel.py FOLDER    build and check them, and keep them in FOLDER
"""

from environment import alone
from pathlib import Path
from zipfile import ZipFile

import subprocess
import sys
import tarfile
import tempfile

ROOT = Path(__file__).resolve().parent.parent

#: The worker elsewhere, a distribution of its own.
WORKER = ROOT / "worker"

#: Files of the repository that are of no use in the source distribution.
NOT_FOR_OTHERS = {".gitignore"}


class NotRight(Exception):
    """A distribution cannot be built, or has wrong files; ``str`` says why."""


def build(folder: Path, root: Path = ROOT) -> tuple[Path, Path]:
    """Build the wheel of *root* into *folder*, from the source distribution; return both.

    Raises:
        NotRight: The build failed, or a distribution lacks a file or has one too many.
    """
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(root)]
    with alone():
        built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        raise NotRight(built.stdout[-2000:] + built.stderr[-2000:])
    (wheel,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    tracked = _tracked(root)
    _compare(wheel.name, _in_wheel(wheel), {n[4:] for n in tracked if n.startswith("src/")})
    _compare(source.name, _in_source(source), tracked - NOT_FOR_OTHERS)
    return wheel, source


def build_all(folder: Path) -> None:
    """Build the distributions of the repository, each into a folder of its own."""
    for root in (ROOT, WORKER):
        build(folder / root.name if root == WORKER else folder, root)


def _tracked(root: Path) -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True)
    return set(listed.stdout.splitlines())


def _in_wheel(wheel: Path) -> set[str]:
    with ZipFile(wheel) as opened:
        names = set(opened.namelist())
    metadata = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    if f"{metadata}/licenses/LICENSE" not in names or "collective/__init__.py" in names:
        raise NotRight(f"{wheel.name} has no licence, or takes the namespace for itself")
    return {name for name in names if not name.startswith(metadata)}


def _in_source(source: Path) -> set[str]:
    with tarfile.open(source) as opened:
        files = {entry.name.partition("/")[2] for entry in opened if entry.isfile()}
    generated = {name for name in files if ".egg-info/" in name}
    return files - generated - {"PKG-INFO", "setup.cfg"}


def _compare(name: str, packed: set[str], wanted: set[str]) -> None:
    if packed != wanted or not wanted:
        lost, extra = sorted(wanted - packed), sorted(packed - wanted)
        raise NotRight(f"{name} lacks {lost}, and has files that git does not have: {extra}")
    print(f"{name}: {len(packed)} files, as in git")


def main(folder: str | None = None) -> None:
    try:
        if folder:
            build_all(Path(folder))
        else:
            with tempfile.TemporaryDirectory() as made:
                build_all(Path(made))
    except NotRight as wrong:
        sys.exit(str(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
