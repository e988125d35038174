"""What a site wants of its futures: in place, sooner, and with fewer passes."""

from collective.wsgifutures import future
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import gather
from collective.wsgifutures import held
from collective.wsgifutures import HoldExpired
from collective.wsgifutures import TooManyPasses
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.passes import Pass
from collective.wsgifutures.kernel.sites import Sites
from collective.wsgifutures.kernel.sites import sites
from collective.wsgifutures.kernel.sites import SiteSettings
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest

import pytest

calls = []


@future
def ask(text):
    calls.append(text)
    return text.upper()


@future(timeout=20)
def patient(text):
    return text


class Knows(Sites):
    """Knows what a function says."""

    def __init__(self, settings):
        self.settings = settings


@pytest.fixture
def know():
    """Let the process know of a site what a function says, for one test."""
    before = list(sites)

    def know(settings):
        sites[:] = [Knows(settings)]

    yield know
    sites[:] = before


@pytest.fixture
def site(know):
    """What the one site of this process wants; ``None`` before the path got to it."""
    calls.clear()
    wanted = [None]
    know(lambda: wanted[-1])
    return wanted


class Page:
    @held(a=lambda self: ask.submit("a"))
    def held(self, a):
        return a


FORMS = {
    "called": lambda: ask("a"),
    "submitted": lambda: ask.submit("a").result(),
    "with a default": lambda: ask.submit("a").result(default="-"),
    "gathered": lambda: gather(ask.submit("a"))[0],
    "held": lambda: Page().held(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_future_where_the_site_wants_no_hold_runs_in_place(site, form):
    """However it is asked for."""
    site.append(SiteSettings(in_place=True))
    request = HeldRequest(FORMS[form])
    assert (request.publish(), request.passes, calls) == ("A", 1, ["a"])


@pytest.mark.parametrize("form", FORMS)
def test_a_future_where_the_site_wants_a_hold_is_held(site, form):
    """The other half of the table."""
    site.append(SiteSettings())
    request = HeldRequest(FORMS[form])
    assert (request.publish(), calls) == (HELD, [])
    request.settle(f"{__name__}.ask", value="A")
    assert (request.publish(), request.passes) == ("A", 2)


def test_a_timeout_where_the_site_has_one_is_for_futures_that_have_none(site):
    """What a developer declared stands."""
    site.append(SiteSettings(timeout=5.0))
    request = HeldRequest(lambda: gather(ask.submit("a"), patient.submit("b")))
    request.publish()
    request.advance(5)
    assert request.running == [f"{__name__}.patient"]
    request.settle(f"{__name__}.patient", value="b")
    with pytest.raises(FutureTimeout, match="ask gave no result within 5 s"):
        request.publish()


def test_a_timeout_where_the_site_has_none_is_the_process_s(site):
    """30 seconds."""
    site.append(SiteSettings())
    request = HeldRequest(lambda: type(ask.submit("a").exception()))
    request.publish()
    request.advance(29.9)
    assert request.running
    request.advance(0.1)
    assert request.publish() is FutureTimeout


@pytest.mark.parametrize(("wanted", "deadline"), [(10.0, 10.0), (100.0, 55.0), (None, 55.0)])
def test_a_deadline_of_the_site_is_never_later_than_the_process_s(site, wanted, deadline):
    """It counts from when the request was there."""
    site.append(SiteSettings(timeout=200.0, deadline=wanted))

    def view():
        try:
            return ask("a")
        except HoldExpired as error:
            return error.deadline

    request = HeldRequest(view)
    request.clock.advance(3)
    assert request.publish() is HELD
    request.advance(deadline - 3 - 0.1)
    assert request.running
    request.advance(0.1)
    assert request.publish() == deadline


def test_a_deadline_of_the_site_that_is_over_when_it_is_read_starts_nothing(site):
    """A first pass that takes longer than that has one more, which cannot wait."""
    site.append(SiteSettings(deadline=1.0))
    request = HeldRequest(lambda: request.clock.advance(2) or ask.submit("a").result(default="-"))
    assert (request.publish(), request.running) == (HELD, [])
    assert (request.publish(), calls) == ("-", [])


@pytest.mark.parametrize(("wanted", "passes"), [(2, 2), (30, 25), (None, 25)])
def test_a_limit_of_passes_of_the_site_is_never_above_the_process_s(site, wanted, passes):
    """A view that asks for something new in each pass."""
    site.append(SiteSettings(max_passes=wanted))
    request = HeldRequest(lambda: [ask(str(n)) for n in range(99)])
    with pytest.raises(TooManyPasses) as raised:
        request.run()
    assert (raised.value.passes, request.passes) == (passes, passes)


def test_a_site_that_is_changed_meanwhile_is_as_it_was_for_this_request(site):
    """A future runs once, though the site goes off between two passes."""
    site.append(SiteSettings())
    request = HeldRequest(lambda: ask("a"))
    request.publish()
    site.append(SiteSettings(in_place=True))
    request.settle(f"{__name__}.ask", value="A")
    assert (request.publish(), calls) == ("A", [])


def test_a_site_that_the_path_has_not_got_to_is_looked_for_again(site):
    """A plugin of the root asks before its site is known."""

    def view():
        early = ask.submit("a").result(default="-")
        site.append(SiteSettings(in_place=True))
        return early, ask("b")

    request = HeldRequest(view)
    assert request.publish() is HELD
    assert calls == ["b"]
    assert request.hold.site == SiteSettings(in_place=True)


def test_a_request_that_asks_for_nothing_reads_nothing(know):
    """It costs a page that holds nothing nothing."""
    read = []
    know(lambda: read.append(1))
    assert HeldRequest(lambda: "page").publish() == "page"
    assert read == []


def test_where_nothing_knows_of_a_site_the_process_is_as_it_is(know):
    """The kernel alone."""
    know(lambda: None)
    hold = Hold(0.0)
    assert (Pass(hold, 0.0).site, hold.site) == (SiteSettings(), None)
