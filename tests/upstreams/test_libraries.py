"""What is made of requests, urllib3 and http.client uses what they promise, and nothing else."""

from collective.wsgifutures.upstreams import connections
from collective.wsgifutures.upstreams import heads
from collective.wsgifutures.upstreams import sessions

import contextlib
import inspect
import pytest
import re

KINDS = [
    kind
    for module in (connections, heads, sessions)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if kind.__module__ == module.__name__
]


def private_names(kind):
    """Return what *kind* itself has, and what its methods have at ``self``, behind one ``_``."""
    names = set(vars(kind)) - {"_abc_impl"}
    with contextlib.suppress(OSError, TypeError):  # it is written in C
        names |= set(re.findall(r"\bself\.(\w+)", inspect.getsource(kind)))
    return {name for name in names if re.match("_[^_]", name)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_private_name_of_a_library_is_used_or_taken(kind):
    """Neither on purpose nor by accident: a newer version may have others."""
    theirs = {
        name for base in kind.__mro__[1:] if base not in KINDS for name in private_names(base)
    }
    assert private_names(kind) & theirs == set()
