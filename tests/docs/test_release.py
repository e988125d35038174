"""What a release is made of says what the code needs, and what was tested."""

from blocks import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from xml.etree import ElementTree

import ast
import contextlib
import docutils.core
import importlib.metadata
import pytest
import re
import sys

PACKAGE = "collective.wsgifutures"

#: Imported only where they are installed, or by who tests; and what Zope itself stands on.
OPTIONAL = {
    "kombu": "with the extra broker, asked for where it is used",
    "opentelemetry-api": "asked for where it is used",
    "plone-app-caching": "zcml:condition",
    "plone-app-contenttypes": "nothing in its place where it is missing",
    "plone-observability": "zcml:condition",
    "plone-rest": "with plone.restapi",
    "plone-restapi": "zcml:condition",
    "plone-testing": "testing",
    "plone-tiles": "a stand-in where it is missing",
    "plone-transformchain": "with plone.app.caching",
    "pytest": "testing",
    "pastedeploy": "Zope",
    "zope-annotation": "with plone.app.caching",
}

#: Modules of those that not each environment has.
MAY_BE_ABSENT = {"opentelemetry": "opentelemetry-api"}


def modules_of_distributions():
    """Return which distribution has which module, by its dotted name."""
    found = {}
    for one in importlib.metadata.distributions():
        for file in one.files or ():
            if file.suffix in {".py", ".so"}:
                parts = [*file.parts[:-1], file.name.split(".")[0]]
                name = ".".join(parts).removesuffix(".__init__")
                found.setdefault(name, canonicalize_name(one.metadata["Name"]))
    return found


def imported():
    """Return each module that the code imports, with what it takes from it."""
    found = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names}


def distribution_of(name, known):
    """Return the distribution that has *name*, a module or something in one."""
    while name not in known:
        if name in MAY_BE_ABSENT:
            return MAY_BE_ABSENT[name]
        name = name.rpartition(".")[0]
        assert name, "a module that is of no distribution that is installed"
    return known[name]


def setup_py():
    """Return what setup.py says, where it is written down as it is."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (call,) = (n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.keywords[5:])
    said = {}
    for keyword in call.keywords:
        with contextlib.suppress(ValueError):
            said[keyword.arg] = ast.literal_eval(keyword.value)
    return said


def required():
    return {canonicalize_name(Requirement(one).name) for one in setup_py()["install_requires"]}


def test_each_package_that_is_imported_is_required():
    """Whoever installs this package has it, or it is left out where it is missing."""
    known = modules_of_distributions()
    used = {distribution_of(name, known) for name in imported()} - {canonicalize_name(PACKAGE)}
    assert used - required() - set(OPTIONAL) == set()
    assert set(OPTIONAL) <= used


def test_pythons_that_are_named_are_those_that_are_tested():
    """Classifiers, the environment and the README agree."""
    named = re.findall(r"Python :: (3\.\d+)", " ".join(setup_py()["classifiers"]))
    tested = (ROOT / "tools" / "environment.py").read_text(encoding="utf-8")
    oldest, newest = (int(n) for n in re.findall(r"EST = \(3, (\d+)\)", tested))
    assert named == [f"3.{minor}" for minor in range(oldest, newest + 1)]
    assert setup_py()["python_requires"] == f">=3.{oldest}"
    text = (ROOT / "README.rst").read_text(encoding="utf-8")
    assert f"Python {', '.join(named[:-1])} and {named[-1]}" in text


def test_all_tests_are_run():
    """Each folder of tests is in a command of the Makefile."""
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    folders = {file.parent for file in (ROOT / "tests").rglob("test_*.py")}
    names = {f"tests/{folder.relative_to(ROOT / 'tests').parts[0]}" for folder in folders}
    commands = {
        word
        for line in re.findall(r"^\t.*pytest.*|^\t.*PYTEST.*", rules, re.M)
        for word in line.split()
    }
    assert names - commands == set()


def test_extras_are_explained():
    """Each one that somebody else may want is on the page of installing."""
    extras = set(setup_py()["extras_require"])
    text = (ROOT / "docs" / "howto" / "install.rst").read_text(encoding="utf-8")
    assert extras - {"docs"} == set(re.findall(r"^``\[([a-z]+)\]``", text, re.M))


@pytest.mark.parametrize("name", ["README.rst", "CHANGES.rst", "CONTRIBUTING.rst", "SECURITY.rst"])
def test_file_is_rendered_by_docutils_alone(name):
    """Two of them are the page on PyPI, where Sphinx is not."""
    docutils.core.publish_string(
        (ROOT / name).read_text(encoding="utf-8"),
        writer="html5",
        settings_overrides={"report_level": 1, "halt_level": 1, "raw_enabled": False},
    )


def test_page_of_security_lists_all_permissions_with_their_roles():
    """As permissions.zcml has them."""
    tree = ElementTree.parse(ROOT / "src" / "collective" / "wsgifutures" / "permissions.zcml")
    space = "{http://namespaces.zope.org/zope}"
    granted = {
        one.get("title"): ", ".join(role.get("name") for role in one.iter(f"{space}role"))
        for one in tree.iter(f"{space}permission")
    }
    text = (ROOT / "docs" / "security.rst").read_text(encoding="utf-8")
    assert dict(re.findall(r"\* - ``(collective.wsgifutures: .*)``\n +- (.*)\n", text)) == granted
