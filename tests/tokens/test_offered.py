"""What tokens can be made for: what is offered by name, and never what gives more."""

from collective.wsgifutures.tokens.offered import find_offer
from collective.wsgifutures.tokens.offered import NEVER
from collective.wsgifutures.tokens.offered import NEVER_WRITTEN
from collective.wsgifutures.tokens.offered import offer
from collective.wsgifutures.tokens.offered import OfferRefused
from collective.wsgifutures.tokens.offered import offers
from collective.wsgifutures.tokens.offered import withdraw_offer

import pickle
import pytest


@pytest.fixture
def orders():
    """A service of an add-on."""
    offer("@orders", read=("GET",), write=("POST",), title="Orders")
    yield find_offer("@orders")
    withdraw_offer("@orders")


def test_an_add_on_offers_its_own_service(orders):
    """By name, with the methods that read and write; for the whole site, unless it says more."""
    assert orders in offers()
    assert (orders.methods("read"), orders.methods("write")) == ({"GET"}, {"POST"})
    assert not orders.is_local


def test_what_was_withdrawn_is_not_offered(orders):
    """Nor is what nobody has offered."""
    withdraw_offer("@orders")
    assert find_offer("@orders") is None
    assert find_offer("@another") is None


@pytest.mark.parametrize("name", sorted(NEVER))
def test_what_gives_more_than_it_was_made_for_is_never_offered(name):
    """However it is written, and also for reading."""
    for written in (name, name.upper(), name.title()):
        with pytest.raises(OfferRefused, match="gives rights or sessions"):
            offer(written, read=("GET",), title="x")
        assert find_offer(written) is None


@pytest.mark.parametrize(
    "name",
    [
        "@@usergroup-controlpanel",
        "@@plone-setup",
        "@@sharing",
        "@@login",
        "@@password-x",
        "@@futures-jobs",
    ],
)
def test_views_of_site_setup_and_of_logins_are_never_offered(name):
    """With their forms somebody gets rights."""
    with pytest.raises(OfferRefused):
        offer(name, read=("GET",), title="x")


@pytest.mark.parametrize("name", sorted(NEVER_WRITTEN))
def test_what_may_only_be_read_is_not_offered_for_writing(name):
    """What kinds of content there are is a setting."""
    with pytest.raises(OfferRefused, match="only be read"):
        offer(name, read=("GET",), write=("POST",), title="x")


@pytest.mark.parametrize(
    ("name", "methods", "reason"),
    [
        ("orders", {"read": ("GET",)}, "like @name"),
        ("@", {"read": ("GET",)}, "like @name"),
        ("@a b", {"read": ("GET",)}, "like @name"),
        ("@@@token", {"read": ("GET",)}, "like @name"),
        ("@orders\n", {"read": ("GET",)}, "like @name"),
        (None, {"read": ("GET",)}, "like @name"),
        ("@orders", {}, "methods of HTTP"),
        ("@orders", {"read": ("get",)}, "methods of HTTP"),
        ("@orders", {"read": "GET"}, "methods of HTTP"),
        ("@orders", {"read": ("GET",), "write": ("GET",)}, "either reads or writes"),
    ],
)
def test_a_mistake_is_refused_with_its_reason(name, methods, reason):
    """Where the offer is made, at the start of the process."""
    with pytest.raises(OfferRefused, match=reason) as refused:
        offer(name, title="x", **methods)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)


def test_nothing_that_is_offered_lists_users_or_changes_settings():
    """The list is short, and each line of it was decided."""
    assert [one.name for one in offers()] == sorted(
        {
            *("", "@@images", "@@download", "@@display-file", "@tus-upload", "@tus-replace"),
            *("@history", "@workflow", "@lock", "@comments", "@search", "@querystring-search"),
            *("@navigation", "@contextnavigation", "@navroot", "@breadcrumbs", "@site"),
            *("@types", "@copy", "@move", "@workingcopy", "@aliases", "@relations"),
            *("@linkintegrity", "@translations"),
        }
    )
