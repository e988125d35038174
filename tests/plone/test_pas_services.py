"""A token is good for what it was made for, of all services and views that there are."""

from collective.wsgifutures.pas import applications
from collective.wsgifutures.pas import plugin
from collective.wsgifutures.tokens.offered import find_offer
from collective.wsgifutures.tokens.offered import offers
from collective.wsgifutures.tokens.scope import make_scope
from collective.wsgifutures.tokens.scope import whole_scope
from itertools import product
from plone.app.testing import TEST_USER_ID
from test_pas_scope import _XMLRPC
from test_pas_scope import adapters
from test_pas_scope import CALLS
from test_pas_scope import FORMS
from test_pas_scope import OUTSIDE
from test_pas_scope import services
from zExceptions import NotFound
from zope.component import getGlobalSiteManager
from zope.component import getSiteManager
from zope.interface import Interface
from zope.interface import providedBy
from zope.publisher.interfaces.browser import IBrowserRequest

import pytest
import transaction

PATHS = ("", "folder/box/", "folder/box/page/", "folder/box/image/")

SERVICES = [
    f"{verb}:{one.name}" for one in offers() for verb in ("read", "write") if one.methods(verb)
]

#: What is about nothing but what is at or below its content.
LOCAL = [service for service in SERVICES if find_offer(service.partition(":")[2]).is_local]


@pytest.fixture
def publish(tokens, monkeypatch):
    """Ask with a token for all that is offered; return what it was let in to, and by whom."""
    secret, let_in = tokens.secret(*whole_scope().services), []
    find = plugin.find_published

    def spy(request):
        published = find(request)
        if published is not None and applications.read_application(secret, published, "/plone"):
            let_in.append(published)
        raise NotFound  # so that nothing is done, whoever asks

    monkeypatch.setattr(plugin, "find_published", spy)

    def ask(path, method="GET", accept="application/json"):
        let_in.clear()
        tokens.ask(path, secret, method, accept, held=False)
        return let_in[:1]

    return ask


def test_of_all_services_a_token_is_good_for_the_one_that_it_was_made_for(publish):
    """A new one is closed by itself: what may be, is offered by its name."""
    known, found = sorted(set(services())), {}
    assert len(known) > 100  # @translations is only there with plone.app.multilingual
    for (method, accept, name), path in product(known, PATHS):
        for published in publish(f"{path}{name}", method, accept):
            found[published.name, published.method] = published
    expected = {(m, one.name) for one in offers() for m in one.read | one.write}
    there = {(method, name) for method, _, name in known if name != "@translations"}
    assert {(method, name) for name, method in found} == expected & there
    for service in SERVICES:
        verb, _, name = service.partition(":")
        scope = make_scope([service])
        allowed = {key for key, published in found.items() if scope.allows(published)}
        assert allowed == {(name, m) for m in find_offer(name).methods(verb) if (name, m) in found}


def views():
    """Return the names of all browser views that are registered."""
    for registered in adapters(getGlobalSiteManager()):
        requests = [each for each in registered.required[1:2] if each is not None]
        for each in requests:
            if IBrowserRequest.isOrExtends(each) or each.isOrExtends(IBrowserRequest):
                yield registered.name


FILES = ("images", "download", "display-file")


def _is_view_of(content, tokens, name):
    provided = map(providedBy, (content, tokens.site.portal.REQUEST))
    return getSiteManager().adapters.lookup([*provided], Interface, name) is not None


def test_of_all_views_a_token_is_good_for_images_and_files(tokens, publish):
    """Every other one is a form, a page or a part of one: for people."""
    known = sorted({name for name in views() if name and "application_json" not in name})
    assert len(known) > 300
    at_image = {name for name in known if _is_view_of(tokens.image, tokens, name)}
    assert len(at_image) > 100
    for name in known:
        path = "folder/box/image/" if name in at_image else ""
        found = publish(f"{path}@@{name}", accept="text/html")
        assert not found or name in FILES, name
    for name in FILES:
        assert publish(f"folder/box/image/@@{name}/image", accept="text/html")


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_outside_of_its_part_and_its_services_a_token_is_nobody(tokens, accept):
    """However somebody tries: the answer is the one that an anonymous client gets."""
    weak = tokens.secret("read:", part=tokens.box)
    strong = tokens.secret(*LOCAL, part=tokens.box)
    offered = ("@workflow", "@lock")
    for method, path in OUTSIDE:
        more = {"path": path, "method": method, "accept": accept}
        assert tokens.is_nobodys(token=weak, **more), more
        if not path.endswith(offered) or not path.startswith("folder/box"):
            assert tokens.is_nobodys(token=strong, **more), more
    for path in ("folder/box", "folder/box/page"):
        assert tokens.is_nobodys(path, strong, accept="text/html")


def test_what_is_not_offered_is_nobodys_for_a_token_of_the_whole_site(tokens):
    """Sessions, users, settings, the Classic UI and its forms, WebDAV, the Management Interface."""
    secret = tokens.secret(*whole_scope().services)
    closed = [(m, p) for m, p in OUTSIDE if not _is_offered(m, p)]
    assert len(closed) > 70
    for method, path in closed:
        assert tokens.is_nobodys(path, secret, method=method), (method, path)


def _is_offered(method, path):
    name = path.rpartition("/")[2]
    name = "@types" if "@types" in path else name if name.startswith("@") else ""
    found = find_offer(name)
    is_content = name == "" and path.rpartition("/")[2] in ("folder", "other", "secret", "", "box")
    return found is not None and (is_content or name) and method in found.read | found.write


def test_forms_and_methods_say_nothing_of_what_is_published(tokens):
    """Though Zope's request lets a form say much."""
    secret = tokens.secret("read:", part=tokens.box)
    for query in (*FORMS, *CALLS):
        for path in ("folder/other", "@users", "folder/box/@sharing", "@search"):
            assert tokens.is_nobodys(path, secret, query=query)
    assert all(tokens.is_nobodys("folder/box", secret, query=query) for query in CALLS)
    for method in ("PATCH", "DELETE", "POST", "PUT"):
        for headers in ({}, {"HTTP_X_HTTP_METHOD_OVERRIDE": "GET"}):
            assert tokens.is_nobodys("folder/box/page", secret, method=method, headers=headers)
    for name, accept in product((b"manage_main", b"getOwner", b""), ("text/xml", "text/html")):
        more = {"method": "POST", "kind": "text/xml", "body": _XMLRPC % name, "accept": accept}
        assert tokens.is_nobodys("folder/box", tokens.secret(*SERVICES), **more)


def test_what_is_shown_in_another_answer_is_in_the_scope_or_the_request_is_nobodys(tokens):
    """Also in the answers of a search."""
    whole = tokens.secret("read:", "read:@search", "read:@breadcrumbs")
    part = tokens.secret("read:", part=tokens.box)
    for path, expand in product(("folder/box", "@search"), ("navigation", "breadcrumbs,types")):
        for query in ({"expand": expand}, {"expand:list": expand}):
            assert tokens.is_nobodys(path, whole, query=query)
    for query in ({"expand": "breadcrumbs"}, {"expand:list": "breadcrumbs"}):
        assert tokens.ask("folder/box", whole, query=query).status == 200
        assert tokens.is_nobodys("folder/box", part, query=query)


def test_a_part_is_not_found_by_a_search_of_the_site(tokens):
    """A token for a part cannot be made with the search, nor search with what it has."""
    secret = tokens.secret("read:", part=tokens.box)
    for method, name in (("GET", "@search"), ("POST", "@querystring-search")):
        for path in (name, f"folder/box/{name}"):
            assert tokens.is_nobodys(path, secret, method=method, query={"Title": "Inside"})


def test_it_cannot_be_exchanged_for_a_session(tokens):
    """Neither for one of plone.restapi, nor for another token."""
    secret = tokens.secret(*whole_scope().services)
    for path in (
        "@login-renew",
        "@login",
        "folder/box/@login-renew",
        "@token",
        "@tokens",
        "@logout",
    ):
        answer = tokens.ask(path, secret, "POST", body=b"{}", kind="application/json")
        assert TEST_USER_ID not in tokens.seen
        assert "token" not in answer.body or answer.status >= 400


def test_an_object_that_moves_out_of_a_part_is_out_of_the_scope(tokens):
    """Where it is, its containers tell."""
    secret = tokens.secret("read:", part=tokens.box)
    assert tokens.ask("folder/box/page", secret).status == 200
    tokens.news._setObject("page", tokens.box._getOb("page").aq_base)
    tokens.box._delOb("page")
    transaction.commit()
    assert tokens.is_nobodys("news/page", secret)
