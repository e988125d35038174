"""An upstream's failure that no view catches: its status, and when to ask again."""

from collective.wsgifutures import FuturesError
from collective.wsgifutures import Upstream
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures import UpstreamOff
from collective.wsgifutures import UpstreamStatus
from collective.wsgifutures import UpstreamTooLarge
from collective.wsgifutures.compat import FutureNotResolvedError
from collective.wsgifutures.kernel import errors as of_kernel
from collective.wsgifutures.kernel.errors import HandshakeRefused
from collective.wsgifutures.kernel.errors import Unavailable
from collective.wsgifutures.publisher.joint import overrides
from collective.wsgifutures.publisher.joint import statuses
from collective.wsgifutures.upstreams import errors as of_upstreams
from collective.wsgifutures.wsgi.findings import Level
from plone.rest import Service
from zope.event import notify
from zope.processlifetime import DatabaseOpenedWithRoot
from ZPublisher.HTTPResponse import status_codes

import pytest
import socket

OFF = Upstream("off", "http://127.0.0.1:9", off=True)
NOBODY = Upstream("nobody", "http://127.0.0.1:9", retries=0, failure_calls=10_000)
BUSY = UpstreamBusy("weather", "example.com", 6.5, "too many of its calls failed")

#: What raises it, the passes that this takes, and when to ask again.
AWAY = {
    "UpstreamBusy": (lambda: raise_it(BUSY), ["503"], "7"),
    "UpstreamOff": (lambda: OFF.get("/"), ["503"], "60"),
    "UpstreamFailed": (lambda: NOBODY.get("/"), ["Suspended", "503"], "5"),
    "UpstreamStatus": (lambda: raise_it(UpstreamStatus("a", "b", 404)), ["503"], "5"),
    "UpstreamTooLarge": (lambda: raise_it(UpstreamTooLarge("a", "b", 1)), ["503"], "5"),
}

each = pytest.mark.parametrize("name", AWAY)


def raise_it(error):
    raise error


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def all_errors():
    """Return each error that is declared, whatever it stands on."""
    kinds = [*vars(of_kernel).values(), *vars(of_upstreams).values(), FutureNotResolvedError]
    return {one for one in kinds if isinstance(one, type) and issubclass(one, FuturesError)}


def test_each_error_has_the_status_of_its_kind(site):
    """What came too late 504, what cannot be had now 503, who may have no websocket its own.

    The others are the site's own, 500.
    """
    expected = {}
    for kind in all_errors():
        if issubclass(kind, (TimeoutError, FutureNotResolvedError)):
            expected[kind.__name__.lower()] = 504
        elif issubclass(kind, Unavailable):
            expected[kind.__name__.lower()] = 503
        elif issubclass(kind, HandshakeRefused):
            expected[kind.__name__.lower()] = kind.status
    found = statuses()
    assert {name: found.get(name) for name in expected} == expected
    others = {kind.__name__.lower() for kind in all_errors()} - expected.keys()
    assert others & found.keys() == set()
    assert {name: status_codes[name] for name in expected} == expected


def test_error_of_a_packages_own_has_the_status_of_what_it_stands_on(site, functional):
    """As soon as Zope starts; the names that Zope knows keep theirs."""

    class WeatherIsAway(UpstreamBusy):
        pass

    class NotFound(UpstreamStatus):
        pass

    assert issubclass(NotFound, UpstreamStatus)
    notify(DatabaseOpenedWithRoot(functional["zodbDB"]))
    assert status_codes.pop(WeatherIsAway.__name__.lower()) == 503
    assert status_codes["notfound"] == 404


def test_variable_that_is_mistyped_is_a_warning_at_the_start(monkeypatch):
    """With what there is; not with what it says."""
    monkeypatch.setenv("WSGIFUTURES_UPSTREAM_NOBODY_MAXCALLS", "s3cret")
    (finding,) = [one for one in overrides() if "NOBODY" in one.meaning]
    assert (finding.level, finding.topic) == (Level.WARNING, "upstreams")
    assert "nobody has no setting maxcalls; the settings are base_url" in finding.meaning
    assert "s3cret" not in str(finding)


@each
def test_upstream_that_is_away_is_503_in_a_page_of_the_site(site, name):
    """With Retry-After."""
    call, passes, seconds = AWAY[name]
    site.view("away", lambda self: call())
    answer = site.get("away")
    assert (answer.status, answer.passes) == (503, passes)
    assert answer.headers["retry-after"] == seconds
    assert "portal-footer" in answer.body
    assert site.errors == [name]


def test_upstream_that_is_away_when_asked_for_in_a_template_is_503(site):
    """Chameleon raises an exception of the same name, of a class that it makes."""
    site.view("away", template='<b tal:content="view/call" />', call=lambda self: OFF.get("/"))
    answer = site.get("away")
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")


class AwayService(Service):
    """A service."""

    def render(self):
        return AWAY[self.request.form["name"]][0]()


@each
def test_upstream_that_is_away_when_in_a_service_is_503_in_json(site, name):
    """plone.rest locks the status that it takes from the exception's name."""
    site.zcml(
        """<plone:service
            name="@away" method="GET" for="*" permission="zope2.Public"
            factory="test_upstreams.AwayService" />"""
    )
    answer = site.get("@away", accept="application/json", query={"name": name})
    assert (answer.status, answer.json["type"]) == (503, name)
    assert answer.headers["retry-after"] == AWAY[name][2]


def test_upstream_that_does_not_answer_is_504(site):
    """As any future that is out of time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        slow = Upstream("slow", f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=(1, 0.1))
        site.view("late", lambda self: slow.post("/"))
        answer = site.get("late")
    assert (answer.status, answer.passes) == (504, ["Suspended", "504"])
    assert "retry-after" not in answer.headers
    assert site.errors == ["UpstreamTimeout"]


def test_upstream_that_is_away_is_caught_by_the_view(site):
    """Which renders without it."""

    def view(self):
        try:
            return OFF.get("/").text
        except UpstreamOff as error:
            return f"without {error.name}"

    site.view("without", view)
    answer = site.get("without")
    assert (answer.status, answer.text, answer.passes) == (200, "without off", ["200"])


def test_upstream_of_a_persistent_objects_value_is_refused_where_it_is_submitted(site):
    """A future gets plain data."""
    site.view("persistent", lambda self: OFF.post("/", json={"page": self.context}))
    answer = site.get("persistent")
    assert (answer.status, site.errors) == (500, ["ArgumentRefused"])
