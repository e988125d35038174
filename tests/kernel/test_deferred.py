"""``fragment(deferred=True)``: parts of a page that the page does not wait for."""

from . import parts
from .fakes import raised_by
from .parts import ask
from .parts import late
from .parts import log
from .parts import swallow
from .parts import Viewlet
from collective.wsgifutures import fragment
from collective.wsgifutures import FuturesError
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import gather
from collective.wsgifutures import HoldExpired
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.kernel.passes import Publisher
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.testing.by_hand import publish_once

import functools
import pytest
import time


@pytest.fixture(autouse=True)
def _empty_log():
    log.clear()


@fragment(deferred=True, placeholder="…", height=3)
def later(text):
    return f"<{ask(text)}>"


@fragment(placeholder="-")
def waited(text):
    return f"<{ask(text)}>"


def addressed(fragment):
    """What stands for a part where there is somebody who can fetch it."""
    return f"[{fragment.name.rpartition('.')[2]}]"


class Deferring(Publisher):
    """Publishes pages whose parts can be fetched."""

    defers = True

    def __init__(self, defer):
        self.defer = defer


def page_of(view, defer=addressed):
    """Return *view* as a page whose parts can be fetched."""

    def page():
        if defer is not None:
            current_pass().publisher = Deferring(defer)
        return view()

    return page


def passes_of(view, defer=addressed, **options):
    """Return what *view* gave in each pass, as such a page."""
    return parts.passes_of(page_of(view, defer), **options)


# what the page does


def test_a_deferred_part_that_suspends_does_not_hold_its_page():
    """The page is sent at once, with what stands for the part."""
    assert passes_of(lambda: f"a {later('x')} b") == ["a [later] b"]


def test_what_a_deferred_part_asked_for_is_not_started_by_its_page():
    """Its own request starts it."""
    request = HeldRequest(page_of(lambda: later("x")))
    assert request.publish() == "[later]"
    assert (request.running, log) == ([], [])


def test_a_deferred_part_whose_result_is_there_is_rendered_at_once():
    """Another part of the page had asked for the same, say."""
    assert passes_of(lambda: waited("x") + later("x")) == ["-[later]", "<X><X>"]
    assert log == ["call x"]


def test_a_deferred_part_that_needs_nothing_is_an_ordinary_function():
    """It has no address."""
    assert passes_of(fragment(deferred=True)(at_once)) == ["at once"]


def at_once():
    return "at once"


def test_a_page_is_held_for_its_other_parts_only():
    """In the second pass the deferred part stands where it stood."""
    assert passes_of(lambda: later("x") + waited("y")) == ["[later]-", "[later]<Y>"]
    assert log == ["call y"]


def test_a_page_that_suspends_itself_is_held_for_that_only():
    """(a)"""
    assert passes_of(lambda: later("x") + ask("y")) == ["Suspended", "[later]Y"]
    assert log == ["call y"]


def test_the_same_deferred_part_twice_stands_twice():
    """Neither is asked for."""
    assert passes_of(lambda: later("x") + later("x")) == ["[later][later]"]
    assert log == []


def test_a_call_that_the_page_wants_too_is_kept_for_the_page():
    """Whoever asked first."""
    assert passes_of(lambda: later("x") + ask("x")) == ["Suspended", "<X>X"]
    assert log == ["call x"]


def test_a_deferred_part_is_ordinary_where_nothing_can_be_fetched():
    """A form's answer, a script, a part that was fetched."""
    assert passes_of(lambda: later("x"), defer=None) == ["…", "<X>"]


def test_a_deferred_part_that_cannot_be_found_again_is_waited_for():
    """As an ordinary one."""
    assert passes_of(lambda: later("x"), defer=lambda fragment: None) == ["…", "<X>"]


def test_a_deferred_part_without_a_hold_is_an_ordinary_function():
    """Its call is made in place."""
    assert later("x") == "<X>"


def test_what_stands_for_a_part_is_told_how_it_was_declared():
    """Its name, its height, its placeholder, its arguments."""
    seen = []
    passes_of(lambda: later("x"), defer=lambda one: seen.append(one) or "")
    (one,) = seen
    assert (one.height, one.placeholder, one.part) == (3, "…", None)
    assert one.call == (later, ("x",), {})


def test_an_error_of_who_gives_the_address_is_the_pages_error():
    """It says what is wrong with the part: waiting would not mend it."""

    def refuse(fragment):
        raise FuturesError("it cannot be found")

    request = HeldRequest(page_of(lambda: later("x"), refuse))
    assert str(raised_by(request.publish)) == "it cannot be found"


# what the part asks for


@fragment(deferred=True)
def prefers_default():
    return ask.submit("x").result(default="soon")


@fragment(deferred=True)
def only_submits():
    ask.submit("x")
    return "done"


@fragment(deferred=True)
def gathers():
    a, b = gather(ask.submit("a"), ask.submit("b"))
    return a + b


@fragment(deferred=True)
def careless():
    return swallow(ask, "x")


@fragment(deferred=True)
def errs():
    return {}[swallow(ask, "x")]


@pytest.mark.parametrize("part", [prefers_default, only_submits, gathers, careless, errs])
def test_a_deferred_part_never_holds_its_page(part):
    """However it asks for what is not there."""
    assert passes_of(lambda: part()) == [f"[{part.__name__}]"]
    assert log == []


@fragment(deferred=True)
def fails():
    raise LookupError("its own")


def test_an_error_of_a_deferred_part_is_raised():
    """It suspended not."""
    assert str(raised_by(passes_of, fails)) == "its own"


# nested parts


@fragment(deferred=True)
def around_ordinary():
    return f"({waited('a')}{waited('b')})"


@fragment(deferred=True)
def around_deferred():
    return f"({later('a')})"


@fragment
def ordinary_around_deferred():
    return f"({later('a')}{ask('b')})"


def test_an_ordinary_part_inside_of_a_deferred_one_defers_that():
    """Nothing of it is waited for."""
    assert passes_of(around_ordinary) == ["[around_ordinary]"]
    assert log == []


def test_an_ordinary_part_inside_of_a_deferred_one_needs_no_pass_either():
    """It is the deferred one that suspends, and that is never too late for its page."""
    assert passes_of(around_ordinary, max_passes=1) == ["[around_ordinary]"]


def test_a_deferred_part_inside_of_another_one_stands_by_itself():
    """The innermost is put off."""
    assert passes_of(around_deferred) == ["([later])"]


def test_a_deferred_part_inside_of_an_ordinary_one_does_not_hold_it():
    """What the ordinary one needs itself does."""
    assert passes_of(ordinary_around_deferred) == ["", "([later]B)"]
    assert log == ["call b"]


# the last passes


def test_a_deferred_part_at_the_deadline_is_put_off_as_ever():
    """It is the page that is too late, not the part."""
    too_late = fragment(placeholder="too late")(lambda: late("y"))
    request = HeldRequest(page_of(lambda: later("x") + too_late()))
    assert request.publish() is HELD
    request.advance(55)
    assert request.publish() == "[later]too late"


def test_a_deferred_part_needs_no_pass():
    """A page that may be published once may have it."""
    assert passes_of(lambda: later("x"), max_passes=1) == ["[later]"]


def test_a_deferred_part_of_a_client_that_has_gone_ends_its_pass():
    """Nobody reads the rest."""
    hold = Hold(0.0)

    def page():
        current_pass().publisher = Deferring(addressed)
        hold.close()
        later("x")
        raise AssertionError("not reached")

    assert publish_once(hold, page, time.monotonic) is False


# caches


@pytest.mark.parametrize("part", [later, lambda text: prefers_default()])
def test_the_address_of_a_deferred_part_is_never_kept_by_a_cache(cached, part):
    """It may be for one user: the page waits, and what is kept is the part."""
    keeps = cached(part)
    assert passes_of(lambda: keeps("x"))[-1] in ("<X>", "X")
    assert "[" not in "".join(keeps.kept.values())


def test_who_develops_is_told_of_a_deferred_part_inside_of_a_cache(cached):
    """As of any fragment."""
    keeps = cached(later)
    page = page_of(lambda: bool(keeps("x")))
    error = raised_by(publish_once, Hold(0.0, debug=True), page)
    assert "later is a fragment and suspends while" in str(error)
    assert type(error) is FuturesError


# classes


@fragment(deferred=True)
class Updates(Viewlet):
    def update(self):
        super().update()
        self.text = ask(self.text)


@fragment(deferred=True)
class Submits(Viewlet):
    def update(self):
        super().update()
        self.answer = ask.submit(self.text)

    def render(self):
        return f"<{self.answer.result()}>"


@fragment(deferred=True)
class Available(Viewlet):
    @property
    def available(self):
        return ask(self.text) in "AB"


def shown(viewlet):
    viewlet.update()
    return viewlet.render() if viewlet.available else "not available"


@pytest.mark.parametrize("class_", [Updates, Submits, Available])
def test_a_deferred_class_stands_once_where_it_renders(class_):
    """In whichever step it asks, the later ones are not run."""
    made = [class_("a"), class_("b")]
    expected = f"[{class_.__name__}]"
    assert passes_of(lambda: "".join(map(shown, made))) == [expected * 2]
    assert made[0].asked == ["update"]
    assert log == []


def by_itself(viewlet):
    """Return what is published where a browser fetches *viewlet*."""

    def published():
        current_pass().publish_alone(viewlet)
        return shown(viewlet)

    return published


def test_a_deferred_class_that_is_published_by_itself_is_waited_for():
    """What it suspends on ends the pass, and what comes too late is raised."""
    request = HeldRequest(by_itself(Updates("a")))
    assert request.publish() is HELD
    request.advance(30)
    assert isinstance(raised_by(request.publish), FutureTimeout)


def test_a_subclass_may_be_ordinary_again():
    """The declaration that is nearest counts."""
    ordinary = fragment(placeholder="-")(type("Ordinary", (Updates,), {}))
    assert passes_of(lambda: shown(ordinary("a"))) == ["-", "<A>"]


@fragment(deferred=True, placeholder="…")
class Hangs(Viewlet):
    def update(self):
        late(self.text)


def test_a_deferred_class_that_is_published_by_itself_gives_no_placeholder_at_the_deadline():
    """Who fetches it is told that it came too late."""
    request = HeldRequest(by_itself(Hangs("a")))
    assert request.publish() is HELD
    request.advance(55)
    assert isinstance(raised_by(request.publish), HoldExpired)


# declaring


@pytest.mark.parametrize("height", [-1, 41, 2.5, "3", True])
def test_a_height_that_is_no_number_of_lines_is_refused(height):
    """It says which are."""
    declare = functools.partial(fragment, deferred=True, height=height)
    assert str(raised_by(declare)) == f"height={height!r} is not a number of lines from 0 to 40"


def test_a_height_of_a_part_that_is_not_deferred_is_refused():
    """It would mean nothing."""
    assert "deferred=True" in str(raised_by(functools.partial(fragment, height=3)))


def test_a_function_that_cannot_be_found_by_its_name_is_refused():
    """Where it is declared."""
    for function in (lambda: "x", functools.partial(at_once)):
        error = raised_by(fragment(deferred=True), function)
        assert "has no dotted name by which" in str(error)
