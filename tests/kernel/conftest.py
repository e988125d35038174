"""The kernel is tested with neither Zope nor a WSGI server."""

from collective.wsgifutures.kernel.executors import Executors
from collective.wsgifutures.kernel.executors import under_gevent

import pytest

#: There are no greenlets to test where gevent has not patched.
collect_ignore = [] if under_gevent() else ["test_greenlets.py"]


@pytest.fixture
def executors():
    """Return executors of all kinds, a few of each; they are ended."""
    made = Executors(max_threads=8, max_processes=2)
    yield made
    made.close()
