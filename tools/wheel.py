"""Build the wheel and the source distribution, and see that each holds what it should.

python tools/wheel.py           build them, look into them, forget them
python tools/wheel.py FOLDER    leave them there
"""

from environment import alone
from pathlib import Path
from zipfile import ZipFile

import subprocess
import sys
import tarfile
import tempfile

ROOT = Path(__file__).resolve().parent.parent

#: In the repository, and of no use to who has the source distribution.
NOT_FOR_OTHERS = {".gitignore"}


class NotRight(Exception):
    """A distribution cannot be built, or not be what it should; ``str`` says why."""


def build(folder: Path) -> tuple[Path, Path]:
    """Build the wheel, by way of the source distribution, into *folder*; return both.

    Raises:
        NotRight: That failed, or a file is in one of them alone.
    """
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    with alone():
        built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        raise NotRight(built.stdout[-2000:] + built.stderr[-2000:])
    (wheel,) = folder.glob("*.whl")
    (source,) = folder.glob("*.tar.gz")
    _compare(wheel.name, _in_wheel(wheel), {n[4:] for n in _tracked() if n.startswith("src/")})
    _compare(source.name, _in_source(source), _tracked() - NOT_FOR_OTHERS)
    return wheel, source


def _tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
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
        files = {one.name.partition("/")[2] for one in opened if one.isfile()}
    made = {name for name in files if ".egg-info/" in name}
    return files - made - {"PKG-INFO", "setup.cfg"}


def _compare(name: str, packed: set[str], wanted: set[str]) -> None:
    if packed != wanted or not wanted:
        lost, extra = sorted(wanted - packed), sorted(packed - wanted)
        raise NotRight(f"{name} lacks {lost}, and has what git does not: {extra}")
    print(f"{name}: {len(packed)} files, as in git")


def main(folder: str | None = None) -> None:
    try:
        if folder:
            build(Path(folder))
        else:
            with tempfile.TemporaryDirectory() as made:
                build(Path(made))
    except NotRight as wrong:
        sys.exit(str(wrong))


if __name__ == "__main__":
    main(*sys.argv[1:])
