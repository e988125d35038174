"""The fixture ``futures`` for pytest. In ``conftest.py``::

    pytest_plugins = ["collective.wsgifutures.testing.fixtures"]

It imports nothing of Zope: a test that publishes with Zope brings its own layer.
"""

from .futures import Futures
from collections.abc import Iterator

import pytest


@pytest.fixture
def futures(request: pytest.FixtureRequest) -> Iterator[Futures]:
    """All futures of the test. ``futures.settle`` says what each of them gives."""
    failed_before = request.session.testsfailed
    with Futures() as made:
        yield made
        if request.session.testsfailed != failed_before:
            made.unexpected.clear()  # the test's own failure is reported already
