"""What is meant for one pass is not kept by hand either."""

from . import hand_made
from .fakes import BrowserView
from .fakes import raised_by
from .hand_made import GIVEN
from .hand_made import KEEPS
from .parts import ask
from .parts import late
from .parts import log
from .parts import part
from .parts import passes_of
from .test_executors import SECONDS
from collective.wsgifutures import fragment
from collective.wsgifutures import FuturesError
from collective.wsgifutures.kernel import checks
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.testing.by_hand import publish_once

import logging
import pytest
import threading


@pytest.fixture(autouse=True)
def _forget():
    log.clear()
    checks._logged.clear()
    hand_made.forget()
    yield
    hand_made.forget()


@pytest.fixture(params=KEEPS.values(), ids=KEEPS)
def keep(request):
    return request.param


@pytest.fixture(params=GIVEN.values(), ids=GIVEN)
def given(request):
    return request.param


def test_what_was_kept_by_hand_is_put_back(keep, given, caplog):
    """The next pass and the next visitor get the value; the log names the function, once."""
    page = lambda: keep(lambda: given(ask))  # noqa: E731
    with caplog.at_level(logging.WARNING, "collective.wsgifutures"):
        first, *_, last = passes_of(page)
    assert first != last
    assert "X" in str(last)
    assert passes_of(page) == [last]
    assert log == ["call x"]
    (warning,) = [r.getMessage() for r in caplog.records]
    assert warning.startswith("kernel.hand_made.")
    assert "has put a placeholder or a default= into " in warning


def test_what_the_last_pass_has_kept_is_put_back_too(keep, given):
    """This visitor gets the default, the next one does not."""
    page = lambda: keep(lambda: given(late))  # noqa: E731
    request = HeldRequest(page)
    assert request.publish() is HELD
    request.advance(55)
    assert request.publish() is not HELD
    assert HeldRequest(page).publish() is HELD


@pytest.mark.parametrize("now", [0.0, 60.0], ids=["first pass", "last pass"])
def test_who_develops_gets_an_error(keep, given, now):
    """It names the function and the place."""

    def page():
        keep(lambda: given(ask))
        current_pass().suspend_if_it_waits(successful=True)  # as a publisher does

    error = raised_by(publish_once, Hold(0.0, debug=True), page, lambda: now)
    assert type(error) is FuturesError
    assert str(error).startswith("kernel.hand_made.")


def test_what_was_there_before_is_there_again():
    """A cache whose entry is too old keeps the old one until there is a new one."""
    hand_made._cache_of_times["key"] = old = (0, "old")
    page = lambda: hand_made.with_a_time(lambda: part("x"))  # noqa: E731
    assert HeldRequest(page).publish() is HELD
    assert hand_made._cache_of_times == {"key": old}


# what is not undone


def test_what_else_was_put_away_stays():
    """Only what is for one pass is put back."""

    def page():
        hand_made._cache["other"] = "value"
        hand_made.in_a_dict(lambda: part("x"))
        hand_made._cache["more"] = "value"

    assert HeldRequest(page).publish() is HELD
    assert hand_made._cache == {"other": "value", "more": "value"}


def test_what_was_there_with_the_same_text_stays():
    """It was there before anything was given."""
    hand_made._cache["dots"] = "…"
    assert HeldRequest(lambda: hand_made.in_a_dict(lambda: part("x"))).publish() is HELD
    assert hand_made._cache == {"dots": "…"}


def test_a_view_may_keep_what_it_gets():
    """It lasts one pass."""

    class View(BrowserView):
        def __call__(self):
            self.text = part("x")
            return self.text

    views = [View()]
    assert HeldRequest(lambda: views[0]()).publish() is HELD
    assert views[0].text == "…"


def test_an_object_that_is_in_no_module_may_keep_what_it_gets():
    """It may last one pass, as a helper of a view does."""
    helpers = []

    def page():
        helpers.append(hand_made.Keeper())
        return helpers[-1].value(lambda: part("x")) + helpers[-1].cached(lambda: part("x"))

    assert HeldRequest(page).publish() is HELD
    assert (helpers[0].kept, helpers[0].cache) == ("…", {"key": "…"})


class Persistent:
    """As an object of the ZODB."""

    _p_jar = None

    def value(self, name):
        setattr(self, name, part("x"))


def test_a_volatile_attribute_of_a_persistent_object_is_put_back():
    """No transaction undoes it; the others are undone by the abort of the pass."""
    kept = Persistent()
    assert HeldRequest(lambda: [kept.value("_v_kept"), kept.value("kept")]).publish() is HELD
    assert vars(kept) == {"kept": "…"}


def test_a_volatile_attribute_of_a_views_context_is_put_back():
    """The usual place of a cache of one's own."""
    kept = Persistent()

    class View(BrowserView):
        context = kept

        def __call__(self):
            self.context._v_kept = part("x")

    assert HeldRequest(View()).publish() is HELD
    assert vars(kept) == {}


def test_a_value_is_kept():
    """What is for all passes is nobody's placeholder."""
    page = lambda: hand_made.in_a_dict(lambda: ask("x"))  # noqa: E731
    assert passes_of(page) == ["Suspended", "X"]
    assert hand_made._cache == {"key": "X"}


def test_a_pass_that_gives_nothing_looks_at_nothing():
    """A page without defaults and placeholders costs nothing."""
    seen = []

    def page():
        seen.append(current_pass().put_away)
        return fragment(lambda: "at once")() + ask("x")

    HeldRequest(page).run()
    assert seen == [None, None]


# beside other requests


@pytest.mark.parametrize(
    ("default", "theirs"),
    [(None, None), (False, False), (0, 0), ("", ""), ("-", "front-page")],
)
def test_what_another_request_sets_meanwhile_stays(default, theirs):
    """Anybody may set nothing, or a text with a dash, for a reason of their own."""
    hand_made._cache["open_until"] = 123

    def page():
        ask.submit("x").result(default=default)
        hand_made._cache["open_until"] = theirs  # as another request does at our I/O

    HeldRequest(lambda: hand_made.through(page)).publish()
    assert hand_made._cache == {"open_until": theirs}


def test_what_a_request_kept_that_was_given_up_meanwhile_is_put_back():
    """Its client has left in the middle of the pass."""
    boxes = []

    def page():
        hand_made.in_a_dict(lambda: part("x"))
        boxes[0].hold.close()

    boxes.append(HeldRequest(page))
    boxes[0].publish()
    assert hand_made._cache == {}


@pytest.mark.parametrize("text", ["{}", "<{}>"])
def test_what_passes_kept_that_overlap_is_put_back(text):
    """The second looks while that of the first is there, and keeps its own when it is gone."""

    def keep_one():
        hand_made.in_a_dict(lambda: text.format(ask.submit("x").result(default="…")))

    ends, looks = threading.Event(), threading.Event()

    def first_view():
        keep_one()
        threads[0].start()
        assert looks.wait(SECONDS)

    def second_view():
        hand_made.through(lambda: ask.submit("w").result(default="…"))
        looks.set()
        assert ends.wait(SECONDS)
        keep_one()

    threads = [threading.Thread(target=lambda: HeldRequest(second_view).publish())]
    HeldRequest(first_view).publish()
    ends.set()
    threads[0].join(SECONDS)
    assert hand_made._cache == {}


class Asks:
    def __getattr__(self, name):
        return ask.submit(name).result(default="…")


class Fails:
    def __getattr__(self, name):
        raise KeyError(name)

    def title(self):
        return ask.submit("title").result(default="…")


class Unbound:
    @property
    def __dict__(self):
        raise RuntimeError("unbound")


@pytest.mark.parametrize("view", [lambda: Asks().title, Fails().title])
def test_no_object_on_the_stack_is_asked_for_an_attribute(view):
    """It may do anything then, even ask for a future."""
    held = HeldRequest(view)
    assert held.publish() is HELD
    assert len(held.hold.calls) == 1


def test_odd_objects_in_a_module_are_no_error():
    """One without attributes, and a list that contains itself."""
    rows = []
    rows.append(rows)
    hand_made._kept = Unbound()

    def page():
        ask.submit("x").result(default="…")
        hand_made._cache["rows"] = rows

    assert HeldRequest(lambda: hand_made.through(page)).publish() is HELD
    assert hand_made._cache == {"rows": rows}
