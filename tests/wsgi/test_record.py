"""The responses that are held: so many, each known by its number."""

from collective.wsgifutures.kernel.arrivals import Refused
from collective.wsgifutures.kernel.hold import Hold
from collective.wsgifutures.wsgi.record import HeldResponses
from collective.wsgifutures.wsgi.record import Record
from collective.wsgifutures.wsgi.settings import Settings
from contextlib import ExitStack
from types import SimpleNamespace


def visit(client, waiter=None):
    """Return what is known of a visit of *client*."""
    return SimpleNamespace(client=client, path=client, waiter=waiter, number=0, hold=Hold(0.0))


def hold(held, stack, *clients):
    """Hold a response of each of *clients*, or return the limit that is in the way."""
    for client in clients:
        try:
            one = visit(client)
            held.add(one)
            stack.callback(held.remove, one, 0.0)
        except Refused as refused:
            return refused.limit
    return None


def test_so_many_responses_are_held_and_no_more():
    """When one ends there is room for another."""
    held = HeldResponses(Settings(max_held=3, max_held_per_client=3), Record())
    with ExitStack() as first, ExitStack() as others:
        assert hold(held, first, "a") is None
        assert hold(held, others, "b", "c") is None
        assert hold(held, others, "d") == "max_held"
        assert held.count == 3
        first.close()
        assert hold(held, others, "d") is None
    assert held.count == 0


def test_one_client_holds_so_many_and_no_more():
    """Others are not in its way."""
    held = HeldResponses(Settings(max_held=10, max_held_per_client=2), Record())
    with ExitStack() as first, ExitStack() as others:
        assert hold(held, first, "a", "a") is None
        assert hold(held, others, "a") == "max_held_per_client"
        assert hold(held, others, "b", "b") is None
        first.close()
        assert hold(held, others, "a") is None


def test_of_those_that_are_held_the_oldest_are_told_first():
    """Each by a number of its own, which is not given again."""
    held = HeldResponses(Settings(), Record())
    with ExitStack() as first, ExitStack() as others:
        hold(held, first, "/a")
        hold(held, others, "/b", "/c", "/d")
        first.close()
        assert [(one.number, one.path) for one in held.oldest(2)] == [(2, "/b"), (3, "/c")]


class Waiter:
    """Knows whether it was cancelled."""

    def __init__(self):
        self.cancelled = 0

    def cancel(self):
        self.cancelled += 1


def test_cancel_reaches_the_one_of_that_number_while_it_is_held():
    """One that is answered meanwhile is nobody's."""
    held = HeldResponses(Settings(), Record())
    one, other = Waiter(), Waiter()
    visits = [visit("a", one), visit("a", other)]
    for each in visits:
        held.add(each)
    held.cancel(2)
    held.cancel(3)
    for each in visits:
        held.remove(each, 0.0)
    assert (held.count, held._by_client) == (0, {})
    held.cancel(1)
    assert (one.cancelled, other.cancelled) == (0, 1)
