"""The versions that are installed, and whether this package can use them."""

from .findings import error
from .findings import Finding
from .findings import ok
from collections.abc import Iterable
from collections.abc import Iterator
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import importlib.metadata
import platform

PACKAGE = "collective.wsgifutures"

#: The distributions whose versions are printed.
SHOWN = ("Zope", "Products.CMFPlone", "gevent", "gunicorn", PACKAGE)


def versions() -> Iterator[Finding]:
    """Yield the installed versions, and errors for those that this package cannot use."""
    unmet = list(_check_requirements(map(Requirement, importlib.metadata.requires(PACKAGE) or ())))
    for text, remedy in [*_check_python(), *unmet]:
        yield error("versions", text, remedy)
    installed = [f"{name} {version}" for name in SHOWN if (version := _version(name))]
    yield ok("versions", f"Python {platform.python_version()}, {', '.join(installed)}.")


def _check_requirements(requirements: Iterable[Requirement]) -> Iterator[tuple[str, str]]:
    for needed in requirements:
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        version = _version(needed.name)
        if version is None:
            yield f"{needed.name} is not installed.", f"Install {needed}."
        elif not needed.specifier.contains(version, prereleases=True):
            yield f"{needed.name} is {version}; {PACKAGE} needs {needed}.", f"Install {needed}."


def _check_python() -> Iterator[tuple[str, str]]:
    wanted = importlib.metadata.metadata(PACKAGE)["Requires-Python"] or ""
    version = platform.python_version()
    if not SpecifierSet(wanted).contains(version, prereleases=True):
        text = f"This is Python {version}; {PACKAGE} needs {wanted}."
        yield text, "Use such a version of Python."


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
