"""Gather what is to be translated, and compile what was.

    python tools/translations.py

Run by ``make translations``. Writes the template ``locales/*.pot`` anew from the code, brings
new texts into each ``.po``, and compiles it. The ``.mo`` files are part of the packages, so
that a site needs no compiler and no setting. A text that is not translated yet is for
whoever changed it: the tests tell.
"""

from pathlib import Path
from pythongettext.msgfmt import Msgfmt

import subprocess
import sys

DOMAIN = "collective.wsgifutures"
SOURCE = Path(__file__).resolve().parent.parent / "src" / "collective" / "wsgifutures"
POT = SOURCE / "locales" / f"{DOMAIN}.pot"


def main() -> None:
    gather(POT)
    translations = sorted(POT.parent.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))
    _i18ndude("sync", "--pot", POT, *translations)
    for po in translations:
        po.with_suffix(".mo").write_bytes(compiled(po))


def gather(pot: Path) -> None:
    """Write what the code has into the template *pot*, which keeps its header."""
    _i18ndude("rebuild-pot", "--pot", pot, "--no-line-numbers", SOURCE)


def compiled(po: Path) -> bytes:
    """Return the catalogue that gettext reads, as zope.i18n would compile it."""
    with po.open("rb") as texts:
        return Msgfmt(texts, DOMAIN).get()


def _i18ndude(*arguments: object) -> None:
    program = Path(sys.executable).parent / "i18ndude"
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, cwd=SOURCE.parent, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
