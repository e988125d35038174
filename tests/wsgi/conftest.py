"""Each test begins with an empty log; what needs gevent is only collected where it has patched."""

from .applications import log
from .applications import never
from .applications import setting
from collective.wsgifutures.kernel import runtime
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
ASYNCIO = ["test_asgi.py", "test_scope.py", "test_sockets.py", "test_uvicorn.py"]
collect_ignore = ASYNCIO if under_gevent() else GEVENT


@pytest.fixture
def asyncio_runtime(monkeypatch):
    """This process waits with asyncio, as under gunicorn's worker for it."""
    from collective.wsgifutures.kernel.runtime.asynced import ASYNCIO  # it makes locks

    monkeypatch.setattr(runtime, "_unpatched", ASYNCIO)
    yield
    monkeypatch.setattr(ASYNCIO, "_loop", None)


@pytest.fixture(autouse=True)
def _empty_log():
    log.clear()
    setting.set("unset")
    never.clear()
    yield
    never.set()
