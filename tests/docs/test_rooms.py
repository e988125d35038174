"""Which room imports which: what CONTRIBUTING.rst says, and no other way."""

from pathlib import Path

import ast
import collective.wsgifutures as package
import pytest
import re

ROOT = Path(__file__).parents[2]
HOUSE = Path(package.__file__).parent

_ROW = re.compile(r"    \* - (``.+)\n      - .+\n      - (.+)\n")


def allowed():
    """Return the rooms from the ground up, each with those that it may import."""
    rooms = {}
    for names, may_import in _ROW.findall((ROOT / "CONTRIBUTING.rst").read_text()):
        above = [*rooms]
        words = above if may_import.startswith("all above") else re.findall(r"\w+", may_import)
        for name in re.findall(r"``(\w+/\w+\.py|\w+(?=/``))", names):
            rooms[name] = {*words, *(["interfaces"] if "Plone" in may_import else [])}
            words = [*words, name]  # of several in a row each may import those before it
    return rooms


ROOMS = allowed()
BELOW_ZOPE = ("kernel", "traces", "wsgi", "upstreams", "status")
ZOPE = {"AccessControl", "Acquisition", "OFS", "Products", "ZODB", "ZPublisher", "plone", "zope"}

#: The rooms that are only used in a Plone site, and what they ask plone.api for instead.
IN_PLONE = ("browser", "contentrules", "controlpanel", "restapi")
PLONE_API_HAS = {"getSecurityManager", "getSite", "getToolByName", "IRegistry", "IStatusMessage"}

#: The modules that ask Zope all the same; each says why.
ASK_ZOPE = {
    "browser/apology.py",
    "browser/sealed.py",
    "controlpanel/guard.py",
    "controlpanel/shown_times.py",
    "controlpanel/site.py",
    "restapi/controlpanel.py",
}


def test_each_room_is_in_the_table():
    """A new one is put where it belongs."""
    folders = {path.name for path in HOUSE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert {room for room in ROOMS if not room.endswith(".py")} == folders


def test_each_module_that_is_a_room_is_there():
    """In the room that it stands apart from."""
    modules = [room for room in ROOMS if room.endswith(".py")]
    assert modules
    assert [room for room in modules if not (HOUSE / room).is_file()] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_the_table_allows(room):
    """From the ground up, inside of functions too; nothing of Zope before the publisher."""
    for path in files_of(room):
        for level, module in imports(path):
            place = path.relative_to(HOUSE).parent.parts
            target = [*place[: len(place) - level + 1], *module.split(".")] if level else []
            assert not level or room_of(target) in {room, *ROOMS[room]}, f"{path}: {module}"
            first = module.partition(".")[0]
            assert level or room not in BELOW_ZOPE or first not in ZOPE, f"{path}: {module}"


def test_the_plone_side_asks_plone_api():
    """If that costs too much, there may be no portal, or plone.api cannot, a comment says so."""
    files = [path for room in IN_PLONE for path in (HOUSE / room).rglob("*.py")]
    others = {str(path.relative_to(HOUSE)) for path in files if names(path) & PLONE_API_HAS}
    assert others == ASK_ZOPE
    assert [name for name in others if "plone.api" not in (HOUSE / name).read_text()] == []


@pytest.mark.parametrize(
    "page", ["CONTRIBUTING.rst", "docs/a-request.rst", "docs/_static/a-request.svg"]
)
def test_pages_for_developers_name_files_that_are_there(page):
    """In the package or beside it."""
    named = re.findall(r"[a-z]\w*(?:/\w+)*/\w+\.py\b", (ROOT / page).read_text())
    assert named
    assert [name for name in named if not ((HOUSE / name).exists() or (ROOT / name).exists())] == []


def files_of(room):
    """Return the files of a room, without those of a module in it that is a room."""
    if room.endswith(".py"):
        return [HOUSE / room]
    found = sorted((HOUSE / room).rglob("*.py"))
    return [path for path in found if str(path.relative_to(HOUSE)) not in ROOMS]


def room_of(target):
    """Return the room of a module, by the parts of its name."""
    module = "/".join(target[:2]) + ".py"
    return module if module in ROOMS else target[0]


def imports(path):
    """Yield how far up each import goes, and what it names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is None:
            yield from ((node.level, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module
        elif isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)


def names(path):
    """Return the names that *path* imports from other modules."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {a.name for node in nodes if isinstance(node, ast.ImportFrom) for a in node.names}
