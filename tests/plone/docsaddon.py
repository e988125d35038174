"""An add-on that a page of the docs has its readers write, loaded in a test."""

from collective.wsgifutures.jobs.tasks import tasks
from pathlib import Path
from zope.component import hooks
from zope.configuration import xmlconfig

import importlib
import runpy
import sys

DOCS = runpy.run_path(str(Path(__file__).parent.parent / "docs" / "blocks.py"))

HOWTO = DOCS["DOCS"] / "howto"


class Addon:
    """A package below ``src`` in a folder, until ``forget``.

    Args:
        name: Of the package.
        folder: Where its files are written.
        functional: The layer of the test.
        monkeypatch: Of the test.
    """

    def __init__(self, name, folder, functional, monkeypatch):
        self.name = name
        self._folder = folder
        self._functional = functional
        monkeypatch.syspath_prepend(str(folder / "src"))

    def write(self, files):
        """Write blocks of a page by the paths of their files."""
        (self._folder / "src" / self.name).mkdir(parents=True, exist_ok=True)
        (self._folder / "src" / self.name / "__init__.py").touch()
        for path, block in files.items():
            file = self._folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)

    def load_howto(self, page, module):
        """Write the files of a how-to, which has one version of each; return a module of it."""
        files = DOCS["files_of"](HOWTO / page)
        self.write({f"src/{name}": block for name, (block,) in files.items()})
        return self.load(module)

    def load(self, module):
        """Load its ZCML, if it has some; return a module of it."""
        importlib.invalidate_caches()
        package = importlib.import_module(self.name)
        if (self._folder / "src" / self.name / "configure.zcml").exists():
            with hooks.site(None):
                context = self._functional["configurationContext"]
                xmlconfig.file("configure.zcml", package, context=context)
        return importlib.import_module(f"{self.name}.{module}")

    def forget(self):
        """Let the next add-on have the same names, also of tasks."""
        for known in (sys.modules, tasks):
            for name in [name for name in known if name.partition(".")[0] == self.name]:
                del known[name]
