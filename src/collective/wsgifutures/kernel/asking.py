"""Finds ``gather(f(1), f(2))``, where each call waits by itself: the setting ``debug``.

``f(1)`` has returned, after its wait, before ``gather`` is called. So the source is read where
``f(1)`` is about to suspend.
"""

from .checks import asking_frame
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from types import FrameType
from types import ModuleType
from typing import Any

import ast
import functools
import itertools
import linecache


def is_argument_of(function: Callable[..., Any]) -> bool:
    """Tell whether what asks now is called as an argument of a call of *function*."""
    frame = asking_frame()
    here = next(itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), ())
    around = (
        call
        for call in _calls(frame.f_code.co_filename)
        if here in [_place(value) for value in _values(call.args)]
    )
    return any(_named(call.func, frame) is function for call in around)


@functools.lru_cache(maxsize=100)
def _calls(file: str) -> list[ast.Call]:
    """Return the calls in the source *file* that have another call in their arguments."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):  # it is no Python, as a template
        return []
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [c for c in calls if any(isinstance(v, ast.Call) for v in _values(c.args))]


def _values(nodes: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """Yield *nodes*; of a list or a comprehension, what it is made of."""
    for node in nodes:
        if isinstance(node, ast.Starred):
            yield from _values([node.value])
        elif isinstance(node, ast.List | ast.Tuple):
            yield from _values(node.elts)
        elif isinstance(node, ast.ListComp | ast.GeneratorExp):
            yield node.elt
        else:
            yield node


def _place(node: ast.expr) -> tuple[int | None, ...]:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _named(node: ast.expr, frame: FrameType) -> Any:
    """Return the value of a name, or of a name in a module, as *frame* sees it."""
    if isinstance(node, ast.Attribute):
        owner = _named(node.value, frame)
        return getattr(owner, node.attr, None) if isinstance(owner, ModuleType) else None
    if not isinstance(node, ast.Name):
        return None
    return frame.f_locals.get(node.id, frame.f_globals.get(node.id))
