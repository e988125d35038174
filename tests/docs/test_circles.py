"""No module of the package needs, by whatever way, one that needs it."""

from pathlib import Path

import ast
import collective.wsgifutures as package
import pytest

HOUSE = Path(package.__file__).parent

#: A module that is a room, inside of another one: see ``test_rooms.py``.
OWN_ROOMS = {("compat", "taskqueue")}


@pytest.mark.parametrize("depth", [None, 1], ids=["modules", "rooms"])
def test_no_circle(depth):
    """Imports inside of functions and for types alone count: a reader follows them too."""
    found = circles(graph(depth))
    assert not found, "\n".join(map(" ".join, found))


def graph(depth):
    """Return which modules import which, by the first *depth* parts of their names; None: all.

    A package is its ``__init__``. It may import its own modules, if these do not import it.
    """
    files = {name_of(path): path for path in HOUSE.rglob("*.py")}
    edges = {}
    for name, path in files.items():
        found = edges.setdefault(cut(name, depth), set())
        targets = {longest_known(target, files) for target in imported_names(path)}
        found |= {cut(target, depth) for target in targets - {None}} - {cut(name, depth)}
    return edges


def cut(name, depth):
    """Return the first *depth* parts of a module's name, or the room that it is."""
    return name if name in OWN_ROOMS else name[:depth]


def circles(edges):
    """Return the groups in which each module leads to each other one."""
    reached = {name: set() for name in edges}
    for name, seen in reached.items():
        ahead = [name]
        while ahead:
            new = edges[ahead.pop()] - seen
            seen |= new
            ahead.extend(new)
    found = {frozenset(n for n in seen if name in reached[n]) for name, seen in reached.items()}
    return sorted(sorted("/".join(name) or "." for name in group) for group in found if group)


def name_of(path):
    """Return the parts of a module's name below the package; none: the package itself."""
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def longest_known(target, files):
    """Return the module that *target* is, or is a name of; None: it is not of this package."""
    ends = range(len(target), -1, -1) if target is not None else ()
    return next((target[:end] for end in ends if target[:end] in files), None)


def imported_names(path):
    """Yield the parts of each name that a module imports; None: it is somebody else's."""
    place = path.relative_to(HOUSE).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            up = place[: len(place) - node.level + 1] if node.level else ()
            module = tuple((node.module or "").split(".")) if node.module else ()
            names = [(*module, alias.name) for alias in node.names]
            yield from ((*up, *name) if node.level else below(name) for name in names)
        elif isinstance(node, ast.Import):
            yield from (below(tuple(alias.name.split("."))) for alias in node.names)


def below(name):
    """Return the rest of an absolute name of this package; None: it is somebody else's."""
    own = tuple(package.__name__.split("."))
    return name[len(own) :] if name[: len(own)] == own else None
