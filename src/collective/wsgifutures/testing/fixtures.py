"""The fixtures ``futures`` and ``submitted_jobs`` for pytest. In ``conftest.py``::

    pytest_plugins = ["collective.wsgifutures.testing.fixtures"]

It imports nothing of Zope, as long as no test asks for ``submitted_jobs``: a test that publishes
with Zope brings its own layer.
"""

from .futures import Futures
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def futures(request: pytest.FixtureRequest) -> Iterator[Futures]:
    """All futures of the test. ``futures.settle`` says what each of them gives."""
    yield from _of_test(request, Futures())


@pytest.fixture
def submitted_jobs(request: pytest.FixtureRequest) -> Iterator[Any]:
    """All jobs that the test submits: ``submitted_jobs.allow`` says which ones it may."""
    from .jobs import SubmittedJobs

    yield from _of_test(request, SubmittedJobs())


def _of_test(request: pytest.FixtureRequest, made: Any) -> Iterator[Any]:
    """Give what was *made* to the test, and fail the test at its end if it has to."""
    failed_before = request.session.testsfailed
    with made:
        yield made
        if request.session.testsfailed != failed_before:
            made.unexpected.clear()  # the test's own failure is reported already
