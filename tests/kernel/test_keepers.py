"""What is meant for one pass is not given where a cache would keep it."""

from .fakes import BrowserView
from .fakes import raised_by
from .keeping import DECORATORS
from .keeping import PLACES
from .keeping import View
from .keeping import with_default
from .keeping import with_late_default
from .keeping import with_late_part
from .keeping import with_part
from .parts import ask
from .parts import late
from .parts import log
from .parts import part
from .parts import passes_of
from collective.wsgifutures import compat
from collective.wsgifutures import fragment
from collective.wsgifutures import FuturesError
from collective.wsgifutures import HoldExpired
from collective.wsgifutures.kernel import checks
from collective.wsgifutures.kernel import keepers
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.testing.by_hand import publish_once
from types import ModuleType
from zope.cachedescriptors.property import Lazy

import functools
import logging
import pytest

GIVEN = {"placeholder": with_part, "default": with_default}
LATE = {"placeholder": with_late_part, "default": with_late_default}


@pytest.fixture(autouse=True)
def _nothing_logged():
    log.clear()
    checks._logged.clear()


@pytest.fixture(params=DECORATORS.values(), ids=DECORATORS)
def decorate(request):
    """A decorator that makes a cached function, of each kind."""
    return request.param


def around(kept):
    """Return a page that has *kept*, a cached function, and a part of its own."""
    return lambda: f"{kept()} {part('y')}"


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_what_is_for_one_pass_is_never_kept(decorate, given, caplog):
    """The page waits in its place, and what is kept is the value; the log has a warning."""
    page = around(_new(decorate, given))
    with caplog.at_level(logging.WARNING, "collective.wsgifutures"):
        assert passes_of(page) == ["Suspended", *_rest(given)]
        assert passes_of(page) == _rest(given)
    assert sorted(log) == ["call x", "call y", "call y"]
    (warning,) = [r.getMessage() for r in caplog.records]
    assert "<lambda> caches" in warning or "<lambda> is cached" in warning
    assert "the cache would keep" in warning
    assert warning.endswith("Here the page waits instead.")


def _new(decorate, given):
    """Return a new cached function of its own."""
    return decorate(lambda: given())


def _rest(given):
    text = "<[X]>" if given is with_part else "<X>"
    return [f"{text} …", f"{text} [Y]"]


@pytest.mark.parametrize("given", LATE.values(), ids=LATE)
def test_what_is_for_the_last_pass_is_not_kept_either(decorate, given):
    """It is this page that is too late, and not every page after it."""
    kept = _new(decorate, given)
    request = HeldRequest(kept)
    assert request.publish() is HELD
    request.advance(55)
    assert isinstance(raised_by(request.publish), HoldExpired)
    log.clear()
    again = HeldRequest(kept)
    assert again.publish() is HELD


@pytest.mark.parametrize("given", LATE.values(), ids=LATE)
def test_a_part_around_the_cache_has_its_placeholder_in_the_last_pass(decorate, given):
    """The rest of the page is there."""
    kept = _new(decorate, given)
    shown = fragment(placeholder="too late")(lambda: kept())
    request = HeldRequest(lambda: f"[{shown()}]")
    assert request.publish() is HELD
    request.advance(55)
    assert request.publish() == "[too late]"


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_who_develops_gets_an_error_that_names_the_function(decorate, given):
    """It says what the cache would keep, and what to do."""
    kept = _new(decorate, given)
    error = raised_by(publish_once, Hold(0.0, debug=True), lambda: bool(kept()))
    assert type(error) is FuturesError
    assert "<lambda> caches" in str(error) or "<lambda> is cached" in str(error)
    assert "Cache a function that gets the result as an argument" in str(error)


@pytest.mark.parametrize(("kept", "name"), PLACES.values(), ids=PLACES)
def test_a_function_of_lru_cache_is_found_wherever_it_stands(kept, name):
    """It has no frame of its own."""
    error = raised_by(publish_once, Hold(0.0, debug=True), lambda: bool(kept()))
    assert type(error) is FuturesError
    assert f"kernel.keeping.{name} is cached" in str(error)


def test_a_part_that_is_cached_itself_is_never_kept():
    """Whatever it is called by."""
    kept = functools.cache(part)
    assert passes_of(lambda: kept("x")) == ["Suspended", "[X]"]
    error = raised_by(publish_once, Hold(0.0, debug=True), lambda: bool(kept("z")))
    assert "kernel.parts.part caches" in str(error)


# what is no cache of this


def test_a_cache_inside_of_a_part_is_in_nobodys_way(decorate):
    """What ends the cached function is an exception, which no cache keeps."""
    kept = decorate(lambda: ask("x"))
    shown = fragment(placeholder="…")(lambda: f"<{kept()}>")
    assert passes_of(lambda: f"{shown()} {part('y')}") == ["… …", "<X> [Y]"]


def test_another_part_beside_a_cached_one_is_not_cached():
    """All parts share the code that makes them fragments."""
    kept = functools.cache(fragment(placeholder="-")(lambda: ask("x")))
    assert passes_of(lambda: f"{part('y')} {kept and ''}") == ["… ", "[Y] "]


def test_a_function_that_functools_calls_is_not_cached():
    """As ``singledispatch`` and ``partialmethod`` do."""

    @functools.singledispatch
    def show(value):
        return with_default()

    assert passes_of(lambda: show(1)) == ["<…>", "<X>"]


@pytest.mark.parametrize("decorate", [functools.cached_property, Lazy])
def test_what_a_view_keeps_is_kept_for_its_pass(decorate):
    """A view, a viewlet and a portlet are new in each pass."""

    class View(BrowserView):
        value = decorate(lambda self: with_default())

    assert passes_of(lambda: View().value) == ["<…>", "<X>"]


def test_lru_cache_of_a_views_method_is_kept_for_its_pass():
    """The view is part of the key."""

    assert passes_of(lambda: View().value()) == ["<…>", "<X>"]


def test_a_default_that_is_not_given_needs_no_search(monkeypatch):
    """A settled call is not asked whether anything keeps its value."""
    kept = functools.cache(lambda: with_default())
    request = HeldRequest(kept)
    request.publish()
    request.settle(ask, "x", value="X")
    monkeypatch.setattr(keepers, "walk", None)
    assert request.publish() == "<X>"


# the names of collective.futures


def result_with_default():
    compat.submit("key", str.upper, "x")
    return compat.result("key", "…")


def result_or_submit():
    return compat.resultOrSubmit("key", "…", str.upper, "x")


@pytest.mark.parametrize("given", [result_with_default, result_or_submit])
def test_a_placeholder_of_compat_is_never_kept(given):
    """As with ``default=``."""
    kept = functools.cache(lambda: given())
    request = HeldRequest(kept)
    assert request.publish() is HELD
    request.executor.run_all()


@pytest.mark.parametrize("name", ["beaker.middleware", "plone.memoize.request"])
def test_what_only_stands_beside_a_cache_or_lasts_a_pass_is_in_nobodys_way(name):
    """A filter around the whole site; what the request keeps."""
    module = ModuleType(name)
    exec("def around(view):\n    return view()", module.__dict__)
    page = lambda: module.around(lambda: late.submit("x").result(default="…"))  # noqa: E731
    seen = []
    passes_of(lambda: seen.append(page()) or seen[-1])
    assert seen[0] == "…"
