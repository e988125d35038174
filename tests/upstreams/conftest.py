"""Upstreams are tested against real sockets, without Zope and without a WSGI server."""

from .outside import Outside
from .outside import Raw
from collective.wsgifutures import Upstream
from collective.wsgifutures.kernel.runtime import under_gevent
from collective.wsgifutures.kernel.sites import sites
from collective.wsgifutures.upstreams import cache

import pytest

#: There are no greenlets to test where gevent has not patched.
collect_ignore = [] if under_gevent() else ["test_greenlets.py"]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """What the machine has set is not what is tested."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(autouse=True)
def no_answers():
    """Each test begins with none that is kept: the port of its service may be another test's."""
    cache._caches.clear()


@pytest.fixture(autouse=True)
def no_overrides():
    """Each test begins without what a site says."""
    yield
    sites.clear()


@pytest.fixture
def outside():
    """A service that does what the test says."""
    service = Outside()
    yield service
    service.stop()


@pytest.fixture
def raw():
    """Make services that send bytes as they are."""
    services = []

    def make(handle):
        services.append(Raw(handle))
        return services[-1]

    yield make
    for service in services:
        service.stop()


@pytest.fixture
def weather(outside):
    """Declare an upstream there, with short limits."""

    def declare(**options):
        options = {"timeout": (1.0, 1.0), "total": 3.0, **options}
        return Upstream(options.pop("name", "weather"), options.pop("at", outside.url), **options)

    return declare
