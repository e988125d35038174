"""``fragment``: parts of a page that wait side by side."""

from .fakes import raised_by
from .parts import ask
from .parts import late
from .parts import log
from .parts import passes_of
from .parts import swallow
from .parts import Viewlet
from collective.wsgifutures import fragment
from collective.wsgifutures import FutureCancelled
from collective.wsgifutures import FuturesError
from collective.wsgifutures import HoldExpired
from collective.wsgifutures.kernel.errors import StandsForSuspension
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.kernel.passes import Publisher
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.testing.by_hand import publish_once

import functools
import inspect
import pytest
import time


@pytest.fixture(autouse=True)
def _empty_log():
    log.clear()


@fragment(placeholder="…")
def part(text):
    """Show it."""
    return f"<{ask(text)}>"


# one part


def test_a_part_that_suspends_gives_its_placeholder_and_the_page_goes_on():
    """The page is made to its end, discarded, and published again."""
    assert passes_of(lambda: f"a {part('x')} b") == ["a … b", "a <X> b"]
    assert log == ["call x"]


def test_a_part_without_a_placeholder_gives_nothing():
    """Its placeholder is an empty text."""
    bare = fragment(lambda: ask("x"))
    assert passes_of(lambda: f"[{bare()}]") == ["[]", "[X]"]


def test_a_part_that_has_what_it_needs_takes_no_pass_more():
    """It is an ordinary function then."""
    assert passes_of(fragment(lambda: "at once")) == ["at once"]


def test_a_part_without_a_hold_is_an_ordinary_function():
    """Its call is made in place."""
    assert part("x") == "<X>"


def test_ten_parts_take_one_wait():
    """All of them ask in the first pass, in whatever order and nesting."""

    @fragment(placeholder="-")
    def nested(n):
        inner = nested(n - 1) if n else ""
        return f"{ask(f'b{n}')}{inner}"

    def page():
        return " ".join([*(part(f"a{n}") for n in range(5)), nested(4)])

    first, last = passes_of(page)
    assert first == "… … … … … -"
    assert last == "<A0> <A1> <A2> <A3> <A4> B4B3B2B1B0"
    assert sorted(log) == [f"call {letter}{n}" for letter in "ab" for n in range(5)]


def test_a_part_that_asks_before_its_inner_part_lets_neither_wait_alone():
    """What an outer part asks for first ends it before it comes to the inner one."""
    outer = fragment(lambda: ask("outer") + part("inner"))
    assert passes_of(outer) == ["", "OUTER…", "OUTER<INNER>"]


# what ends a pass with a part that suspended


def test_a_page_that_suspends_besides_ends_at_once():
    """(a) The page needs its own result to go on; what its parts need is waited for too."""

    def page():
        return part("a") + ask("b") + part("c")

    assert passes_of(page) == ["Suspended", "<A>B…", "<A>B<C>"]
    assert log == ["call a", "call b", "call c"]


def test_an_error_after_a_part_suspended_is_no_answer():
    """(c) The placeholder may be its cause."""

    def page():
        return {"<X>": "found"}[part("x")]

    assert passes_of(page) == ["KeyError", "found"]


class Refusing(Publisher):
    """Answers who may not."""

    def is_answer(self, error):
        return isinstance(error, PermissionError)


def test_an_error_that_is_an_answer_is_one_whatever_suspended():
    """(b) Nothing is called for a page that its visitor does not get."""

    def page():
        current_pass().publisher = Refusing()
        part("x")
        raise PermissionError("not yours")

    assert str(raised_by(passes_of, page)) == "not yours"
    assert log == []


def test_an_error_of_the_page_is_raised_where_nothing_suspended():
    """(d) As without parts."""
    assert str(raised_by(passes_of, lambda: part("x") and {}["y"])) == "'y'"
    assert log == ["call x"]


def test_a_page_that_answers_with_an_error_holds_for_none_of_its_parts():
    """(b) A status outside 2xx is an answer."""
    hold = Hold(0.0)
    assert publish_once(hold, lambda: part("x") == "", time.monotonic)
    assert (hold.done, hold.take_starts()) == (True, [])


def test_a_call_that_no_part_waits_for_delays_no_pass():
    """What is only submitted may come later."""

    def page():
        late.submit("y")
        return part("x")

    request = HeldRequest(page)
    assert request.publish() is HELD
    request.settle(ask, "x", value="X")
    assert request.publish() is HELD  # for what is pending still
    request.settle(late, "y", value="Y")
    assert request.publish() == "<X>"


def test_a_placeholder_is_not_sent_though_its_call_was_cancelled():
    """The part is made again, and sees that."""

    def page():
        text = part("x")
        ask.submit("x").cancel()
        return text

    request = HeldRequest(page)
    assert request.publish() is HELD
    assert isinstance(raised_by(request.publish), FutureCancelled)


def test_a_pass_that_has_ended_keeps_none_of_its_parts():
    """A future that somebody kept has its pass, and would have the whole page."""
    seen = []
    HeldRequest(lambda: seen.append(current_pass()) or shown(Updates("a"))).run()
    assert [this.suspended_parts for this in seen] == [{}, {}]


# a part that misbehaves


def test_a_suspension_that_a_part_swallows_still_gives_its_placeholder():
    """What it made of the lost result is seen by nobody."""
    careless = fragment(placeholder="-")(lambda: swallow(ask, "x"))
    assert passes_of(careless) == ["-", "X"]


def test_an_error_that_a_swallowed_suspension_caused_is_no_error():
    """It is not raised: who makes the page would log it."""
    careless = fragment(placeholder="-")(lambda: 1 + len(swallow(ask, "x")) + {"X": 1}[ask("x")])
    assert passes_of(careless)[0] == "-"


def test_an_error_that_an_inner_placeholder_caused_is_no_error():
    """The outer part gives its own."""
    outer = fragment(placeholder="outer")(lambda: {"<X>": "found"}[part("x")])
    assert passes_of(outer) == ["outer", "found"]


def test_an_error_of_a_part_while_another_one_suspends_is_told_in_the_last_pass():
    """Until then the page is discarded anyway, and nobody has to log it in each pass."""
    fails = fragment(placeholder="-")(lambda: {}["y"])

    def page():
        try:
            return part("x") + fails()
        except KeyError as error:
            return f"logged {error}"

    assert passes_of(page) == ["…-", "logged 'y'"]


class NotThere(StandsForSuspension):
    """Stands for a suspension."""

    is_of_pass = True


def test_an_error_that_stands_for_a_suspension_gives_the_placeholder():
    """As where it leaves the page: what is pending is waited for."""

    def view():
        if not ask.submit("x").done():
            raise NotThere("not resolved")
        return ask("x")

    assert passes_of(fragment(placeholder="-")(view)) == ["-", "X"]


def test_an_error_of_a_part_is_raised():
    """A part that suspended not is an ordinary function."""
    assert str(raised_by(passes_of, fragment(lambda: {}["y"]))) == "'y'"


# the last pass


def test_a_part_in_the_last_pass_gives_its_placeholder():
    """The page is sent with it."""
    shown = fragment(placeholder="too late")(lambda: late("x"))
    request = HeldRequest(lambda: f"[{shown()}]")
    assert request.publish() is HELD
    request.advance(55)
    assert request.publish() == "[too late]"


def test_a_part_in_the_last_pass_of_a_cancelled_hold_gives_its_placeholder():
    """As at the deadline."""
    shown = fragment(placeholder="cancelled")(lambda: late("x"))
    request = HeldRequest(lambda: f"[{shown()}]")
    assert request.publish() is HELD
    request.hold.cancel()
    assert request.publish() == "[cancelled]"


def test_a_part_may_catch_that_the_time_is_up():
    """What it makes of that is its own."""

    def view():
        try:
            return late("x")
        except HoldExpired:
            return "its own words"

    request = HeldRequest(fragment(placeholder="-")(view))
    request.publish()
    request.advance(55)
    assert request.publish() == "its own words"


# caches


def test_a_placeholder_is_never_kept(cached):
    """The page suspends in its place, and what is kept is the part."""
    keeps = cached(lambda: f"[{part('x')}]")
    assert passes_of(lambda: f"{keeps()} {part('y')}") == ["Suspended", "[<X>] …", "[<X>] <Y>"]
    assert keeps.kept == {(): "[<X>]"}


def test_a_part_around_the_cache_gives_its_placeholder_instead(cached):
    """It is the first one that nobody keeps."""
    keeps = cached(lambda: f"[{part('x')}]")
    around = fragment(placeholder="around")(lambda: keeps())
    assert passes_of(lambda: f"{around()} {part('y')}") == ["around …", "[<X>] <Y>"]
    assert keeps.kept == {(): "[<X>]"}


def test_a_placeholder_of_the_last_pass_is_not_kept_either(cached):
    """It is the page that is too late then."""
    keeps = cached(fragment(placeholder="-")(lambda: late("x")))
    request = HeldRequest(keeps)
    request.publish()
    request.advance(55)
    assert isinstance(raised_by(request.publish), HoldExpired)
    assert keeps.kept == {}


def test_who_develops_is_told_of_a_part_inside_of_a_cache(cached):
    """It says which, and how to do it right."""
    keeps = cached(part)
    error = raised_by(publish_once, Hold(0.0, debug=True), lambda: bool(keeps("x")))
    assert type(error) is FuturesError
    assert "kernel.test_fragments.part is a fragment and suspends while" in str(error)
    assert "kernel.test_fragments.part caches" in str(error)
    assert keeps.kept == {}


# classes


def shown(viewlet):
    """Return what a manager makes of *viewlet*."""
    viewlet.update()
    return viewlet.render() if viewlet.available else "not available"


def made_by(class_):
    """Return what a page that has two of them gives in each pass, and their steps in the first."""
    steps = []

    def page():
        both = [class_("a"), class_("b")]
        text = " ".join(shown(one) for one in both)
        steps.append(both[0].asked)
        return text

    return passes_of(page), steps[0]


@fragment(placeholder="…")
class Updates(Viewlet):
    def update(self):
        super().update()
        self.text = ask(self.text)


@fragment(placeholder="…")
class Available(Viewlet):
    @property
    def available(self):
        self.asked.append("available")
        return ask(self.text) in "AB"


@fragment(placeholder="…")
class Renders(Viewlet):
    def render(self):
        self.asked.append("render")
        return f"<{ask(self.text)}>"


@pytest.mark.parametrize(
    ("class_", "last", "steps"),
    [
        (Updates, "<A> <B>", ["update"]),
        (Available, "<a> <b>", ["update", "available"]),
        (Renders, "<A> <B>", ["update", "available", "render"]),
    ],
)
def test_a_class_that_suspends_in_a_step_runs_no_later_one(class_, last, steps):
    """It has not what they need."""
    assert made_by(class_) == (["… …", last], steps)


class Base(Viewlet):
    def render(self):
        return f"<{ask(self.text)}>"


def test_a_step_that_is_inherited_is_guarded():
    """Whoever has it."""
    render = Base.render
    inherits = fragment(placeholder="…")(type("Inherits", (Base,), {}))
    assert made_by(inherits)[0] == ["… …", "<A> <B>"]
    assert Base.render is render  # what somebody else wrote stays as it is


def test_a_step_that_a_subclass_brings_is_guarded():
    """As ZCML makes one for template=."""
    marked = fragment(placeholder="…")(type("Marked", (Viewlet,), {}))

    class Mixin:
        def render(self):
            return f"<{ask(self.text)}>"

    over = type("Over", (marked,), {"render": Mixin.render})
    beside = type("Beside", (Mixin, marked), {})
    assert made_by(over)[0] == ["… …", "<A> <B>"]
    assert made_by(beside)[0] == ["… …", "<A> <B>"]


class Template:
    """As a page template in a class: bound where it is found."""

    macros = {"main": "macro"}

    def __get__(self, viewlet, class_):
        bound = functools.partial(self.rendered, viewlet)
        bound.macros = self.macros
        return bound

    def __call__(self, *args):
        raise AssertionError("it is called when it is bound")

    def rendered(self, viewlet):
        return f"<{ask(viewlet.text)}>"


def test_a_step_that_is_a_page_template_is_guarded():
    """Its macros stay where they are."""
    class_ = fragment(placeholder="…")(type("Templated", (Viewlet,), {"render": Template()}))
    assert made_by(class_)[0] == ["… …", "<A> <B>"]
    assert class_("a").render.macros == class_.render.macros == {"main": "macro"}


def test_a_class_without_a_step_gets_none():
    """A class that cannot be called stays one."""
    assert not callable(fragment(type("Nothing", (), {}))())


def test_steps_inside_of_a_step_are_one_part():
    """A tile's call updates it and renders it."""

    @fragment(placeholder="…")
    class Tile(Viewlet):
        def __call__(self):
            self.update()
            return self.render()

        def update(self):
            self.text = ask(self.text)

    assert passes_of(lambda: Tile("a")() + Tile("b")()) == ["……", "<A><B>"]


def test_a_step_ends_where_the_one_it_extends_suspends():
    """What comes after super() needs what that has."""

    class Extends(Updates):
        def update(self):
            super().update()
            log.append(f"has {self.text}")

    assert passes_of(lambda: shown(Extends("a"))) == ["…", "<A>"]
    assert log == ["call a", "has A"]


def test_a_subclass_may_have_a_placeholder_of_its_own():
    """The one that is written nearest counts."""
    other = fragment(placeholder="other")(type("Other", (Updates,), {}))
    assert passes_of(lambda: shown(other("a"))) == ["other", "<A>"]


def test_a_plain_value_in_place_of_a_step_stays_one():
    """``available = True`` is an attribute like another."""
    class_ = fragment(type("Always", (Renders,), {"available": True}))
    viewlet = class_("a")
    assert (class_.available, viewlet.available) == (True, True)
    viewlet.available = False
    assert shown(viewlet) == "not available"


class Wrapper:
    """As an acquisition wrapper: another one each time, around the same object."""

    def __init__(self, viewlet):
        self.aq_base = viewlet

    def __getattr__(self, name):
        return getattr(self.aq_base, name)


def test_steps_of_a_part_in_other_wrappers_are_of_one_part():
    """Zope wraps an object anew each time that it is got."""

    @fragment(placeholder="…")
    class Asks(Viewlet):
        def update(self):
            self.text = ask(self.text)

    made = []

    def page():
        viewlet = Asks("a")
        made.append(viewlet)
        Asks.update(Wrapper(viewlet))
        return Asks.render(Wrapper(viewlet))

    assert HeldRequest(page).publish() is HELD
    steps = [viewlet.asked for viewlet in made]
    assert steps == [[]]  # it was not rendered


def test_one_viewlet_in_a_step_of_another_is_a_part_of_its_own():
    """A portlet that shows a portlet."""

    @fragment(placeholder="outer")
    class Outer(Viewlet):
        def render(self):
            return f"[{shown(Renders('x'))}{ask(self.text)}]"

    assert passes_of(lambda: shown(Outer("a"))) == ["outer", "[<X>A]"]
    assert log == ["call x", "call a"]


def test_a_viewlet_is_asked_again_in_the_next_pass():
    """That it suspended is forgotten with its pass, even where the object lives on."""
    viewlet = Updates("a")
    assert passes_of(lambda: shown(viewlet)) == ["…", "<A>"]


def test_a_class_with_init_subclass_keeps_it():
    """With its options."""
    seen = []

    class Counts(Viewlet):
        def __init_subclass__(cls, *, tag=None):
            seen.append((cls.__name__, tag))

    fragment(Counts)
    type("Sub", (Counts,), {}, tag="x")
    assert seen == [("Sub", "x")]


# declaring


def test_a_part_keeps_what_its_function_says_of_itself():
    """Its arguments are filled from the request as before."""
    assert (part.__name__, part.__doc__) == ("part", "Show it.")
    assert [*inspect.signature(part).parameters] == ["text"]
    assert [*inspect.signature(Renders.render).parameters] == ["self"]


def test_what_is_no_part_is_refused():
    """It says what was given."""
    assert "not for 3" in str(raised_by(fragment, 3))
    assert str(raised_by(fragment, placeholder=None)) == "placeholder=None is not a str"


def test_a_part_of_a_client_that_has_gone_ends_its_pass():
    """Nobody waits for the rest of the page."""

    def page():
        current_pass().hold.close()
        part("x")
        log.append("the rest")

    assert HeldRequest(page).publish() is HELD
    assert log == []
