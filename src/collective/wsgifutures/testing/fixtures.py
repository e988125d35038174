"""The fixture ``futures`` for pytest. In ``conftest.py``::

    pytest_plugins = ["collective.wsgifutures.testing.fixtures"]

Imports nothing of Zope: a test that publishes with Zope brings its own layer.
"""

from .futures import Futures
from collections.abc import Iterator

import pytest


@pytest.fixture
def futures(request: pytest.FixtureRequest) -> Iterator[Futures]:
    """All futures of the test: what each gives is said with ``futures.settle``."""
    failed_before = request.session.testsfailed
    made = Futures()
    with made:
        yield made
        if request.session.testsfailed != failed_before:
            made.unexpected.clear()  # it is told already
