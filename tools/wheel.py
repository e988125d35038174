"""Build the wheel and see that it holds what the package needs beside its modules."""

from pathlib import Path
from zipfile import ZipFile

import subprocess
import sys
import tempfile

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # By way of the source distribution, which so is complete too.
        build = [sys.executable, "-m", "build", "--outdir", folder, str(ROOT)]
        built = subprocess.run(build, capture_output=True, text=True)
        if built.returncode:
            sys.exit(built.stdout[-2000:] + built.stderr[-2000:])
        (wheel,) = Path(folder).glob("*.whl")
        with ZipFile(wheel) as opened:
            held = set(opened.namelist())
    tracked = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, text=True)
    wanted = {line.removeprefix("src/") for line in tracked.stdout.splitlines()}
    packed = {name for name in held if ".dist-info/" not in name}
    if packed != wanted or not wanted:
        sys.exit("In the wheel or in git alone:\n" + "\n".join(sorted(packed ^ wanted)))
    kinds = {suffix: sum(name.endswith(suffix) for name in held) for suffix in (".zcml", ".xml")}
    if "collective/__init__.py" in held or not all(kinds.values()):
        sys.exit(f"The wheel is not what it should be: {kinds}")
    print(f"{wheel.name}: {len(wanted)} files, {kinds}")


if __name__ == "__main__":
    main()
