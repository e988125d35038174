"""What the settings of a site do, once they are saved in its control panel."""

from collective.wsgifutures import compat
from collective.wsgifutures import future
from collective.wsgifutures import gather
from collective.wsgifutures import held
from collective.wsgifutures import HoldExpired
from collective.wsgifutures import UpstreamOff
from collective.wsgifutures.controlpanel import site as reader
from holdsite import ask
from holdsite import calls
from holdsite import hang_on
from holdsite import released
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from plone.registry.interfaces import IRegistry
from sitesettings import install
from sitesettings import Panel
from sitesettings import WEATHER
from zope.component import getUtility

import pytest
import threading
import transaction


class Outside(BaseHTTPRequestHandler):
    def do_GET(self):
        calls.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"sun")

    def log_message(self, *args):
        pass


@pytest.fixture
def outside(monkeypatch):
    """A service at another address; return that."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Outside)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def save(site, functional):
    """Save settings as an administrator does, through the form."""
    install(site.portal)
    reader._log_once.cache_clear()
    reader._parse.cache_clear()
    return Panel(functional["app"], site.portal.absolute_url()).save


@future
def patient(text):
    calls.append(text)
    released.wait(10)
    return text


# Hold responses


@held(first=lambda self: ask.submit("a"))
def held_view(self, first):
    return first


FORMS = {
    "called": lambda self: ask("a"),
    "submitted": lambda self: ask.submit("a").result(default="-"),
    "gathered": lambda self: gather(ask.submit("a"))[0],
    "held": held_view,
    "of the ancestor": lambda self: compat.resultOrSubmit("key", "-", ask.plain, "a"),
    "of the ancestor, in two steps": lambda self: (
        compat.result("key", None)
        or (compat.submit("key", ask.plain, "a") and compat.result("key"))
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_view_of_a_site_that_is_off_runs_its_calls_in_place(site, save, form):
    """In one pass, however it asks; and with two as soon as it is on again."""
    site.view("asks", FORMS[form])
    save(enabled=[])
    answer = site.get("asks")
    assert (answer.text, answer.passes, calls) == ("A", ["200"], ["a"])

    save(enabled=["selected"])
    calls.clear()
    answer = site.get("asks")
    assert (answer.text, answer.passes[-1], calls) == ("A", "200", ["a"])
    assert len(answer.passes) == 2


def test_an_upstream_of_a_site_that_is_off_is_called_in_place(site, save, outside):
    """With the address that the site has for it."""
    site.view("asks", lambda self: WEATHER.get("/now").text)
    save(enabled=[], upstream_addresses=[f"weather.base_url = {outside}"])
    answer = site.get("asks")
    assert (answer.text, answer.passes, calls) == ("sun", ["200"], ["/now"])


# Limits


def test_the_time_limit_of_a_call_is_for_calls_that_have_none(site, save):
    """504 where no view catches it."""
    site.view("asks", lambda self: patient("a"))
    save(timeout="0.05")
    answer = site.get("asks")
    assert (answer.status, answer.passes) == (504, ["Suspended", "504"])
    assert site.errors == ["FutureTimeout"]
    assert "0.05 s" in site.error_log[0]["value"]


def test_the_time_limit_of_a_page_ends_its_wait(site, save):
    """The last pass renders without what is missing."""

    def view(self):
        try:
            return hang_on("a")
        except HoldExpired as error:
            return f"nothing within {error.deadline} s"

    site.view("asks", view)
    save(deadline="0.1")
    answer = site.get("asks")
    assert (answer.text, answer.passes) == ("nothing within 0.1 s", ["Suspended", "200"])


def test_the_limit_of_passes_ends_a_waterfall(site, save):
    """With the error that names what is asked for anew."""
    site.view("asks", lambda self: ask(ask("a") + "b"))
    assert site.get("asks").passes == ["Suspended", "Suspended", "200"]
    save(max_passes="2")
    answer = site.get("asks")
    assert (answer.status, site.errors) == (500, ["TooManyPasses"])
    assert "new futures after 2 passes" in site.error_log[0]["value"]


def test_limits_above_the_process_s_change_nothing(site, save):
    """A site may lower them, never raise."""
    site.view("asks", lambda self: hang_on("a"))
    save(deadline="50", max_passes="20")
    answer = site.get("asks", deadline=0.1, max_passes=2)
    assert (answer.status, answer.passes) == (504, ["Suspended", "504"])


def test_a_site_that_sets_nothing_is_as_the_process_is(site, save):
    """Installed, and nothing else."""
    site.view("asks", lambda self: hang_on("a"))
    assert site.get("asks", deadline=0.1).status == 504


# Upstreams


def test_an_upstream_is_off_for_this_site(site, save):
    """Its calls fail at once, without a further pass."""

    def view(self):
        try:
            return WEATHER.get("/").text
        except UpstreamOff:
            return "off"

    site.view("asks", view)
    save(upstream_limits=["weather.off = on"])
    answer = site.get("asks")
    assert (answer.text, answer.passes) == ("off", ["200"])


def test_an_upstream_is_elsewhere_for_this_site(site, save, outside):
    """Read in the pass, where the call is submitted."""
    site.view("asks", lambda self: WEATHER.get("/now").text)
    save(upstream_addresses=[f"weather.base_url = {outside}"])
    answer = site.get("asks")
    assert (answer.text, answer.passes, calls) == ("sun", ["Suspended", "200"], ["/now"])


@pytest.mark.parametrize(("wanted", "here"), [("5", 5), ("50000", 50)])
def test_what_the_process_has_to_bear_is_only_lowered(site, save, wanted, here):
    """A site does not raise the number of calls that a worker makes at once."""
    save(upstream_limits=[f"weather.max_calls = {wanted}"])
    assert reader.PloneSites().of_upstream("weather") == {"max_calls": here}


def test_another_upstream_is_as_it_was(site, save):
    """A line is for the one that it names."""
    save(upstream_limits=["weather.total = 5"])
    assert reader.PloneSites().of_upstream("llm") == {}


# What is wrong in a registry


BROKEN = {
    "timeout": "soon",
    "deadline": -1.0,
    "max_passes": 0,
    "upstream_limits": ["weather.total = never", "nonsense"],
    "upstream_addresses": ["weather.base_url = https://me:secret@example.com"],
}


def break_record(portal, name, value):
    """Write what no form takes, as a script may."""
    getUtility(IRegistry, context=portal).records._values[f"wsgifutures.{name}"] = value
    transaction.commit()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_record_is_logged_once_and_ignored(site, save, name):
    """No page fails for it."""
    break_record(site.portal, name, BROKEN[name])
    site.view("asks", lambda self: [ask("a"), dict(reader.PloneSites().of_upstream("weather"))][0])
    for _ in range(2):
        answer = site.get("asks")
        assert (answer.status, answer.text, answer.passes) == (200, "A", ["Suspended", "200"])
    logged = [one for one in site.logged if "wsgifutures." in one]
    assert len(logged) == len(BROKEN[name]) if name == "upstream_limits" else 1
    assert "secret" not in "".join(logged)


def test_a_site_without_the_add_on_is_as_the_process_is(site):
    """There are no records."""
    site.view("asks", lambda self: str(reader.PloneSites().settings()) and ask("a"))
    answer = site.get("asks")
    assert (answer.text, answer.passes, site.logged) == ("A", ["Suspended", "200"], [])
