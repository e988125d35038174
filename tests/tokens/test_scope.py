"""What a token may: what it was made for, and nothing else."""

from .made import Asked
from collective.wsgifutures.tokens.errors import ScopeRefused
from collective.wsgifutures.tokens.offered import offer
from collective.wsgifutures.tokens.offered import offers
from collective.wsgifutures.tokens.offered import withdraw_offer
from collective.wsgifutures.tokens.scope import make_scope
from collective.wsgifutures.tokens.scope import read_scope
from collective.wsgifutures.tokens.scope import Scope
from collective.wsgifutures.tokens.scope import whole_scope

import pickle
import pytest

ALL = [
    (f"{verb}:{one.name}", one.name, method)
    for one in offers()
    for verb in ("read", "write")
    for method in one.methods(verb)
]


@pytest.mark.parametrize("service", sorted({service for service, _, _ in ALL}))
def test_a_scope_allows_the_methods_of_its_service_and_no_other(service):
    """Of all services and methods that there are."""
    scope = make_scope([service])
    allowed = {each for each in ALL if scope.allows(Asked(each[1], each[2]))}
    assert allowed == {each for each in ALL if each[0] == service}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PROPFIND", "get", "", "PURGE", "TRACE"])
def test_a_method_that_nothing_offers_is_not_allowed(method):
    """Content is read with GET."""
    assert not whole_scope().allows(Asked("", method))


def test_what_nobody_offers_is_not_allowed():
    """Whatever a scope says that was made without a check."""
    scope = Scope(("read:@users", "read:@@view", "write:@users", "read:@new"))
    for name in ("@users", "@@view", "@new", "@login-renew", "@@@token"):
        assert not any(scope.allows(Asked(name, method)) for method in ("GET", "POST"))


def test_what_is_not_offered_any_more_is_not_allowed_any_more():
    """An add-on is gone; its name is nobody's."""
    offer("@orders", read=("GET",), title="Orders")
    scope = make_scope(["read:@orders"])
    assert scope.allows(Asked("@orders"))
    withdraw_offer("@orders")
    assert not scope.allows(Asked("@orders"))


def test_a_part_of_the_site_is_what_is_at_or_in_an_object():
    """And nothing beside it."""
    scope = make_scope(["read:", "read:@history"], part="uid1")
    for name in ("", "@history"):
        assert scope.allows(Asked(name, inside=("uid3", "uid1")))
        assert not scope.allows(Asked(name, inside=("uid2",)))
        assert not scope.allows(Asked(name))


def test_what_shows_others_needs_the_whole_site():
    """Also if the scope was made without a check."""
    limited, whole = Scope(("read:", "read:@search"), "uid1"), make_scope(["read:", "read:@search"])
    for asked in (Asked(shows_others=True, inside=("uid1",)), Asked("@search", inside=("uid1",))):
        assert whole.allows(asked)
        assert not limited.allows(asked)


def test_what_is_shown_in_another_answer_has_to_be_in_the_scope_too():
    """As ``expand=navigation``."""
    asked = Asked(expands=("navigation", "workflow"))
    assert not make_scope(["read:"]).allows(asked)
    assert not make_scope(["read:", "read:@navigation", "write:@workflow"]).allows(asked)
    assert make_scope(["read:", "read:@navigation", "read:@workflow"]).allows(asked)
    assert not whole_scope().allows(Asked(expands=("upgrade",)))
    assert not whole_scope().allows(Asked(expands=("",)))


@pytest.mark.parametrize("part", ["", "uid1"])
def test_a_scope_is_read_as_it_was_written(part):
    """In one order, each once."""
    scope = make_scope(["write:", "read:@history", "read:", "read:"], part)
    assert scope == read_scope(scope.text) == read_scope(f" {scope.text}  read: ")
    assert scope.services == ("read:", "read:@history", "write:")
    assert pickle.loads(pickle.dumps(scope)) == scope


def test_the_whole_scope_is_all_that_is_offered():
    """In the whole site."""
    scope = whole_scope()
    assert set(scope.services) == {service for service, _, _ in ALL}
    assert read_scope(scope.text) == scope


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "scope"),
        ("part:uid1", "scope"),
        ("read:@users", "scope"),
        ("read", "scope"),
        ("delete:", "scope"),
        ("write:@search", "scope"),
        ("read:@copy", "scope"),
        ("session", "scope"),
        ("read: part:a part:b", "part"),
        ("read: part:../x", "part"),
        ("read: part:", "part"),
        ("part: read:@search", "part"),
        ("read:@search part:uid1", "part"),
        ("read: " * 2000, "scope"),
        (" ".join(f"read:@{n}" for n in range(300)), "scope"),
    ],
)
def test_what_no_token_may_is_refused(text, field):
    """With the field that is wrong, and a sentence for people."""
    with pytest.raises(ScopeRefused) as refused:
        read_scope(text)
    assert refused.value.field == field
    assert "$" not in str(refused.value)
