"""The kernel is tested with neither Zope nor a WSGI server."""

from collective.wsgifutures.kernel import keepers
from collective.wsgifutures.kernel.executors import Executors
from collective.wsgifutures.kernel.runtime import under_gevent

import functools
import pytest

#: There are no greenlets to test where gevent has not patched; and no loop here where it has.
collect_ignore = ["test_asynced.py", "test_asyncio.py"] if under_gevent() else ["test_greenlets.py"]


@pytest.fixture
def executors():
    """Return executors of all kinds, a few of each; they are ended."""
    made = Executors(max_threads=8, max_processes=2)
    yield made
    made.close()


@pytest.fixture
def cached(monkeypatch):
    """A decorator that keeps for ever what a function gives, as plone.memoize does."""
    monkeypatch.setattr(keepers, "CACHES", (__name__,))
    monkeypatch.setattr(keepers, "_modules", {})

    def decorate(function):
        kept = {}

        @functools.wraps(function)
        def replacement(*args):
            if args not in kept:
                kept[args] = function(*args)
            return kept[args]

        replacement.kept = kept
        return replacement

    return decorate
