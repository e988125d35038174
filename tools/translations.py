"""Gather the texts to translate, and compile the translations.

    python tools/translations.py

``make translations`` runs this. Writes the template ``locales/*.pot`` from the code, adds new
texts to each ``.po``, and compiles it. The ``.mo`` files are part of the packages, so that a
site needs no compiler and no setting. The tests report texts that are not translated: whoever
changed a text translates it.
"""

from pathlib import Path
from pythongettext.msgfmt import Msgfmt

import subprocess
import sys

ROOT = Path(__file__).resolve().parent.parent
DOMAIN = "collective.wsgifutures"
SOURCE = ROOT / "src" / "collective" / "wsgifutures"
DEMO = ROOT / "examples" / "wsgifutures_demo" / "src" / "wsgifutures_demo"
POT = SOURCE / "locales" / f"{DOMAIN}.pot"

#: The templates of the catalogues, and the code that each is made from.
CATALOGUES = {POT: SOURCE, DEMO / "locales" / "wsgifutures_demo.pot": DEMO}


def main() -> None:
    for pot, source in CATALOGUES.items():
        gather(pot, source)
        translations = sorted(pot.parent.glob(f"*/LC_MESSAGES/{pot.stem}.po"))
        _i18ndude("sync", "--pot", pot, *translations, folder=source.parent)
        for po in translations:
            po.with_suffix(".mo").write_bytes(compile_catalogue(po))


def gather(pot: Path, source: Path = SOURCE) -> None:
    """Write the texts of the code in *source* into the template *pot*, which keeps its header."""
    _i18ndude("rebuild-pot", "--pot", pot, "--no-line-numbers", source, folder=source.parent)


def compile_catalogue(po: Path) -> bytes:
    """Return the catalogue that gettext reads, as zope.i18n would compile it."""
    with po.open("rb") as texts:
        return Msgfmt(texts, po.stem).get()


def _i18ndude(*arguments: object, folder: Path) -> None:
    program = Path(sys.executable).parent / "i18ndude"
    command = [str(program), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
