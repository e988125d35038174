"""Each test begins with an empty log; what needs gevent is only collected where it has patched."""

from .applications import log
from .applications import never
from .applications import setting
from collective.wsgifutures.kernel.runtime import under_gevent

import pytest

GEVENT = [
    "test_body_patience.py",
    "test_interrupted_jobs.py",
    "test_interrupted_requests.py",
    "test_interrupted_streams.py",
    "test_interrupts.py",
    "test_monitor_blocked.py",
]
collect_ignore = ["test_asgi.py", "test_scope.py", "test_uvicorn.py"] if under_gevent() else GEVENT


@pytest.fixture(autouse=True)
def _empty_log():
    log.clear()
    setting.set("unset")
    never.clear()
    yield
    never.set()
