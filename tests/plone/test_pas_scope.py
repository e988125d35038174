"""The token of a claim is good for the job's object, for what the task allows, and nothing else."""

from App.config import getConfiguration
from bearers import Bearers
from bearers import change
from collective.wsgifutures import task
from collective.wsgifutures.pas.plugin import TokenPlugin
from itertools import product
from plone import api
from plone.app.testing import TEST_USER_ID
from plone.app.testing import TEST_USER_NAME
from plone.app.testing import TEST_USER_PASSWORD
from plone.dexterity.interfaces import IDexterityContainer
from plone.rest.negotiation import _services
from plone.restapi.interfaces import ISerializeToJson
from plone.restapi.services import Service
from plone.subrequest import subrequest
from Products.Five import BrowserView
from zope.component import getGlobalSiteManager
from zope.interface import implementer
from zope.interface import Interface
from zope.publisher.interfaces import IPublishTraverse
from zope.publisher.interfaces.browser import IBrowserRequest

import json
import pytest
import transaction

USER = (TEST_USER_NAME, TEST_USER_PASSWORD)


@pytest.fixture
def bearers(site):
    return Bearers(site)


@pytest.fixture
def token(bearers):
    """A token for a folder, with which it may be read."""
    return bearers.claim().token()


@pytest.fixture
def strong(bearers):
    """A token with which all methods are allowed, and some names."""
    return bearers.claim(task=change).token()


# Where it is good


ADDRESSES = [
    "folder/box",
    "folder/box/",
    "folder/box/page",
    "++api++/folder/box/page",
    "/plone/folder/./box/page",
    "/VirtualHostBase/https/example.com:443/plone/VirtualHostRoot/folder/box/page",
    "/VirtualHostBase/https/example.com:443/plone/++api++/VirtualHostRoot/folder/box",
    "/VirtualHostBase/https/example.com:443/plone/VirtualHostRoot/_vh_a/_vh_b/folder/box/page",
    "/VirtualHostBase/https/example.com:443/VirtualHostRoot/_vh_zope/plone/folder/box",
]


def test_the_object_and_what_is_in_it_is_read_as_the_jobs_user(bearers, token):
    """With the service of plone.restapi that has no name, whatever address the site has."""
    for path in ADDRESSES:
        assert bearers.ask(path).status == 401
        answer = bearers.ask(path, token)
        assert (path, answer.status, bearers.seen) == (path, 200, [TEST_USER_ID])
        assert answer.json["title"] in ("Box", "Inside")


def test_a_view_that_the_task_names_is_the_users_with_the_names_behind_it(bearers, token):
    """As ``@@images/image/large``."""
    for path in ("folder/box/image/@@images/image", "folder/box/image/@@images/image/large"):
        assert bearers.ask(path, accept="image/*").status == 302  # to the login form
        answer = bearers.ask(path, token, accept="image/*")
        assert (answer.status, "<desc>drawn</desc>" in answer.body) == (200, True)
        assert bearers.seen == [TEST_USER_ID]


def test_a_service_that_the_task_names_is_the_users_with_the_names_behind_it(bearers, strong):
    """As ``@history/0``."""
    assert bearers.ask("folder/box/page/@history", strong).status == 200
    assert bearers.seen == [TEST_USER_ID]
    bearers.ask("folder/box/page/@history/0", strong)
    assert bearers.seen == [TEST_USER_ID]


def test_what_the_task_allows_changes_the_object_without_a_token_of_plone_protect(bearers, strong):
    """A header is not sent by a browser that another site talks to."""
    kind = {"kind": "application/json"}
    changed = bearers.ask(
        "folder/box/page", strong, "PATCH", body=b'{"title": "By a worker"}', **kind
    )
    made = bearers.ask(
        "folder/box", strong, "POST", body=b'{"@type": "Document", "title": "Made"}', **kind
    )
    assert (changed.status, made.status) == (204, 201)
    assert bearers.page.title == "By a worker"
    assert bearers.box["made"].Creator() == TEST_USER_ID
    assert bearers.ask("folder/box/made", strong, "DELETE").status == 204
    assert "made" not in bearers.box


def test_a_view_that_the_task_names_may_write(bearers, strong):
    """plone.protect asks for no token of its own."""
    bearers.site.view("described", lambda self: setattr(self.context, "counter", 1) or "<p />")
    more = {"method": "POST", "accept": "text/html", "body": b"x=1"}
    kind = "application/x-www-form-urlencoded"
    answer = bearers.ask("folder/box/page/@@described", strong, kind=kind, **more)
    assert (answer.status, getattr(bearers.page, "counter", 0)) == (200, 1)


def test_a_job_about_the_site_reads_what_is_in_the_site(bearers):
    """And still nothing else of the site."""
    token = bearers.claim(bearers.site.portal).token()
    assert bearers.ask("news/secret", token).json["title"] == "Far away"
    assert bearers.ask("", token).status == 200
    assert bearers.seen == [TEST_USER_ID]
    assert bearers.is_nobodys("@users", token)
    assert bearers.is_nobodys("@login-renew", token, method="POST")


def test_an_object_that_moves_takes_its_scope_along(bearers, token):
    """It is found by its UID, where it is now."""
    api.content.move(bearers.box, bearers.news)
    transaction.commit()
    assert bearers.ask("news/box/page", token).status == 200
    assert bearers.is_nobodys("news/secret", token)
    api.content.move(bearers.news["box"]["page"], bearers.news)
    transaction.commit()
    assert bearers.is_nobodys("news/page", token)


def test_a_copy_is_another_object(bearers, token):
    """It has another UID."""
    api.content.copy(bearers.box, bearers.news, id="copy")
    transaction.commit()
    assert bearers.is_nobodys("news/copy", token)


# Where it is nobody

_JSON = {"kind": "application/json"}
_XMLRPC = b"<?xml version='1.0'?><methodCall><methodName>%s</methodName></methodCall>"

OUTSIDE = [
    # other content
    ("GET", "folder"),
    ("GET", "folder/other"),
    ("GET", "news/secret"),
    ("GET", ""),
    ("GET", "/"),
    # out of the object again
    ("GET", "/plone/folder/box/../other"),
    ("GET", "/plone/folder/box/page/../../../news/secret"),
    ("GET", "folder/box/other"),
    ("GET", "folder/box/news/secret"),
    ("GET", "folder/box/folder/other"),
    ("GET", "folder/box/plone/news/secret"),
    ("GET", "folder/box/aq_parent/other"),
    ("GET", "folder/box/aq_inner/aq_parent/aq_parent/news/secret"),
    ("GET", "folder/box/@@images/aq_parent/aq_parent/other"),
    ("GET", "folder/box/@@images/context"),
    ("GET", "/VirtualHostBase/http/example.com:80/plone/VirtualHostRoot/folder/box/news/secret"),
    ("GET", "/plone/folder/box/VirtualHostBase/http/x:80/plone/VirtualHostRoot/folder/other"),
    # getting more rights
    ("POST", "@login-renew"),
    ("POST", "folder/box/@login-renew"),
    ("POST", "@login"),
    ("POST", "@logout"),
    ("GET", "@users"),
    ("POST", "@users"),
    ("GET", f"@users/{TEST_USER_ID}"),
    ("PATCH", f"@users/{TEST_USER_ID}"),
    ("GET", "@groups"),
    ("GET", "@roles"),
    ("GET", "folder/box/@roles"),
    ("GET", "folder/box/@sharing"),
    ("POST", "folder/box/@sharing"),
    ("GET", "@userschema"),
    # settings
    ("GET", "@controlpanels"),
    ("GET", "@controlpanels/wsgifutures"),
    ("GET", "@registry"),
    ("GET", "@addons"),
    ("GET", "@types"),
    ("GET", "@system"),
    ("GET", "@database"),
    ("GET", "@futures"),
    ("GET", "@jobs"),
    ("GET", "@clock"),
    ("POST", "@clock"),
    ("GET", "folder/box/@jobs"),
    # what knows of all content
    ("GET", "@search"),
    ("GET", "folder/box/@search"),
    ("POST", "folder/box/@querystring-search"),
    ("GET", "folder/box/@navigation"),
    ("GET", "folder/box/@breadcrumbs"),
    ("GET", "folder/box/@vocabularies"),
    ("GET", "folder/box/@vocabularies/plone.app.vocabularies.Users"),
    ("GET", "folder/box/@sources"),
    ("GET", "folder/box/@aliases"),
    ("GET", "folder/box/@workflow"),
    ("GET", "folder/box/@actions"),
    ("POST", "folder/box/@copy"),
    ("POST", "folder/box/@move"),
    ("POST", "folder/box/page/@lock"),
    # the Classic UI and the Management Interface
    ("GET", "@@usergroup-userprefs"),
    ("GET", "@@overview-controlpanel"),
    ("GET", "@@wsgifutures-status"),
    ("GET", "folder/box/view"),
    ("GET", "folder/box/edit"),
    ("GET", "folder/box/@@edit"),
    ("POST", "folder/box/@@edit"),
    ("GET", "folder/box/@@folder_contents"),
    ("GET", "folder/box/sharing"),
    ("GET", "folder/box/@@sharing"),
    ("GET", "folder/box/@@getVocabulary"),
    ("GET", "folder/box/delete_confirmation"),
    ("GET", "folder/box/manage_main"),
    ("GET", "folder/box/manage_access"),
    ("POST", "folder/box/manage_delObjects"),
    ("GET", "manage_main"),
    ("GET", "folder/box/Title"),
    ("GET", "folder/box/page/Title"),
    ("GET", "folder/box/page/getOwner"),
    ("GET", "folder/box/acl_users"),
    ("GET", "folder/box/acl_users/manage_main"),
    ("GET", "folder/box/acl_users/source_users/manage_users"),
    ("GET", "folder/box/portal_catalog/manage_main"),
    ("GET", "folder/box/portal_membership/getAuthenticatedMember"),
    ("GET", "/acl_users/users/manage_users"),
    ("GET", "/manage_main"),
    # names behind a view that are not the view's
    ("GET", "folder/box/image/@@images"),
    ("GET", "folder/box/image/@@images/@@getVocabulary"),
    ("GET", "folder/box/image/@@images/++view++getVocabulary"),
    ("GET", "folder/box/image/@@images/image/large/getVocabulary"),
    ("GET", "folder/box/image/@@images/image/large/@@getVocabulary"),
    ("GET", "folder/box/image/@@images/image/large/data"),
    ("GET", "folder/box/image/@@images/acl_users"),
    ("GET", "folder/box/image/@@images/@users"),
    ("GET", "folder/box/image/@@images/image/large/context/acl_users/manage_main"),
    ("GET", "folder/box/@types/Document"),
    ("GET", "folder/box/GET_application_json_@users"),
    # methods
    ("HEAD", "folder/box"),
    ("OPTIONS", "folder/box"),
    ("PROPFIND", "folder/box"),
    ("PROPPATCH", "folder/box"),
    ("MKCOL", "folder/box/new"),
    ("LOCK", "folder/box/page"),
    ("UNLOCK", "folder/box/page"),
    ("COPY", "folder/box/page"),
    ("MOVE", "folder/box/page"),
    ("SEARCH", "folder/box"),
    ("REPORT", "folder/box"),
    ("PURGE", "folder/box"),
    ("TRACE", "folder/box"),
]


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize("kind", ["weak", "strong"])
def test_everywhere_else_the_token_is_nobody(bearers, token, strong, kind, accept):
    """The answer is the one that an anonymous client gets, in each of its headers."""
    used = {"weak": token, "strong": strong}[kind]
    requests = [{"path": path, "method": method, "accept": accept} for method, path in OUTSIDE]
    if accept == "text/html":
        requests += [{"path": path, "accept": accept} for path in ("folder/box", "folder/box/page")]
    if kind == "strong":  # it may be HEAD and what is named there
        allowed = ("HEAD",)
        requests = [each for each in requests if each.get("method") not in allowed]
    assert [each for each in requests if not bearers.is_nobodys(token=used, **each)] == []


def test_what_the_token_does_not_open_its_user_may(bearers):
    """So an answer that is the anonymous one says something."""
    for path in ("folder/other", "@users", "folder/box/@sharing", "@controlpanels"):
        assert bearers.ask(path).status == 401
        assert bearers.ask(path, user=USER).status == 200
        assert bearers.seen == [TEST_USER_ID]


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PATCH", b'{"title": "Changed"}'),
        ("POST", b'{"@type": "Document", "title": "Made"}'),
        ("PUT", b"text"),
        ("DELETE", b""),
    ],
)
def test_a_method_that_the_task_does_not_name_is_nobodys(bearers, token, method, body):
    """Also if a header or a field of the form says another one."""
    tricks = [{}, {"HTTP_X_HTTP_METHOD_OVERRIDE": "GET"}, {"HTTP_X_METHOD_OVERRIDE": "GET"}]
    for headers in tricks:
        more = {"method": method, "body": body, "headers": headers, **_JSON}
        assert bearers.is_nobodys("folder/box/page", token, **more)
        assert bearers.is_nobodys("folder/box", token, query={"_method": "GET"}, **more)
    assert bearers.page.title == "Inside"
    assert bearers.box.objectIds() == ["page", "image"]


def test_a_get_that_asks_for_another_method_is_a_get(bearers, token):
    """By whatever way it asks."""
    for method in ("PATCH", "DELETE", "POST"):
        headers = {"HTTP_X_HTTP_METHOD_OVERRIDE": method, "HTTP_X_METHOD_OVERRIDE": method}
        query = {"_method": method, "REQUEST_METHOD": method, "method": method}
        assert bearers.ask("folder/box/page", token, headers=headers, query=query).status == 200
    assert bearers.page.title == "Inside"


FORMS = [
    {"_rest_service_id": "POST_application_json_"},
    {"_rest_service_id": "GET_application_json_@use"},
    {"PUBLISHED": "x", "PARENTS:list": "x"},
    {"REQUEST_METHOD": "GET"},
    {"default_page": "news"},
]
CALLS = [{"manage_main:method": "x"}, {"@users:method": "x"}, {"folder/other:action": "x"}]


def test_a_form_says_nothing_of_what_is_published(bearers, token):
    """Though Zope's request lets a form say much."""
    for query in (*FORMS, *CALLS):
        for path in ("folder/other", "@users", "folder/box/@sharing", "folder/box/@history"):
            assert bearers.is_nobodys(path, token, query=query)
    service = {"_rest_service_id": "GET_application_json_", "_rest_cors_preflight": ""}
    path = "folder/box/GET_application_json_"
    assert bearers.is_nobodys(path, token, query=service, accept="text/html")
    assert [bearers.ask("folder/box", token, query=query).status for query in FORMS] == [200] * 5
    assert all(bearers.is_nobodys("folder/box", token, query=query) for query in CALLS)


def test_xml_rpc_is_nobodys(bearers, strong, monkeypatch):
    """Also where the task may POST, and no method is named."""
    monkeypatch.setattr(getConfiguration(), "enable_xmlrpc", True, raising=False)
    paths = ("", "folder/box", "folder/box/page", "acl_users")
    names = (b"manage_main", b"getOwner", b"acl_users.getUserNames", b"")
    requests = [
        {"path": path, "body": _XMLRPC % name, "accept": accept}
        for path, name, accept in product(paths, names, ("text/xml", "application/json"))
    ]
    more = {"method": "POST", "kind": "text/xml"}
    assert [r for r in requests if not bearers.is_nobodys(token=strong, **more, **r)] == []


def test_a_preflight_is_nobodys(bearers, strong):
    """It finds the service of another method."""
    for origin in ("https://evil.example", "http://nohost"):
        headers = {"HTTP_ORIGIN": origin, "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "DELETE"}
        assert bearers.is_nobodys("folder/box/page", strong, method="OPTIONS", headers=headers)
    assert "page" in bearers.box


def test_a_default_page_that_is_elsewhere_is_not_the_object(bearers, token):
    """For a browser the folder is that page; for a client of the API the folder."""
    bearers.box.setDefaultPage("other")
    transaction.commit()
    assert bearers.is_nobodys("folder/box", token, accept="text/html")
    assert bearers.ask("folder/box", token).json["title"] == "Box"


def test_an_old_address_of_the_object_redirects_and_no_more(bearers, token):
    """Whoever is asked at the new one decides anew."""
    for moved in (bearers.other, bearers.page):
        api.content.rename(moved, new_id=f"new-{moved.getId()}")
    transaction.commit()
    assert bearers.ask("folder/other", token).status == 302
    assert bearers.is_nobodys("folder/other", token)
    assert bearers.is_nobodys("folder/new-other", token)
    assert bearers.is_nobodys("folder/box/page", token)
    assert bearers.ask("folder/box/new-page", token).status == 200


def test_the_token_claims_no_job(bearers, token, strong):
    """That takes another one, and the answer says so."""
    for used in (token, strong):
        assert bearers.ask("@jobs/claim", used, "POST").status == 401
        assert TEST_USER_ID not in bearers.seen


# What the object's own service tells


def test_an_answer_that_shows_what_is_elsewhere_is_nobodys(bearers, token):
    """Components of an answer read the whole site."""
    for query in (
        {"expand": "navigation"},
        {"expand": "breadcrumbs,actions,types"},
        {"expand:list": "workflow"},
        {"fullobjects": "1", "include_items": "1"},
    ):
        assert bearers.is_nobodys("folder/box", token, query=query)


def test_a_folder_tells_what_is_in_it(bearers, token):
    """In batches, or whole."""
    for query in ({}, {"fullobjects": "1"}, {"b_size": "1"}, {"metadata_fields": "_all"}):
        answer = bearers.ask("folder/box", token, query=query)
        assert [item["title"] for item in answer.json["items"]][:1] == ["Inside"]


def test_a_collection_tells_of_itself_and_not_what_it_finds(bearers, token):
    """What it finds is everywhere in the site; unless the job is about the site."""
    rule = {
        "i": "portal_type",
        "o": "plone.app.querystring.operation.selection.any",
        "v": ["Document"],
    }
    found = api.content.create(bearers.box, "Collection", "found", title="Found")
    found.query = [rule]
    transaction.commit()
    for query in ({}, {"fullobjects": "1"}, {"include_items": "1"}, {"include_items": ""}):
        assert bearers.is_nobodys("folder/box/found", token, query=query)
        assert "Far away" not in bearers.ask("folder/box", token, query=query).body
    answer = bearers.ask("folder/box/found", token, query={"include_items": "false"})
    assert (answer.json["title"], answer.json.get("items")) == ("Found", None)
    whole = bearers.claim(bearers.site.portal).token()
    assert "Far away" in bearers.ask("folder/box/found", whole).body


def cut(url):
    """Return all that an answer has of what is elsewhere."""
    return {"@id": url}


@pytest.fixture
def neighbours(bearers):
    """A page in the middle of a folder, related to a page far away, with a block that links."""
    folder, portal = bearers.site.portal["folder"], bearers.site.portal
    pages = api.portal.get_tool("portal_types")["Document"]
    pages.manage_changeProperties(behaviors=(*pages.behaviors, "volto.blocks"))
    folder.nextPreviousEnabled = True
    folder.description = "What the editors say"
    middle = api.content.create(folder, "Document", "middle", title="Middle")
    api.content.create(folder, "Document", "middle2", title="The last")
    api.relation.create(middle, bearers.news["secret"], "relatedItems")
    link = f"../resolveuid/{bearers.news['secret'].UID()}"
    block = {"@type": "teaser", "href": [{"@id": link, "title": "An old title"}]}
    inner = {"@type": "teaser", "href": [{"@id": "/folder/middle", "title": "Of its own"}]}
    middle.blocks = {"1": {**block, "overwrite": True}, "2": {**inner, "overwrite": True}}
    middle.blocks_layout = {"items": ["1", "2"]}
    transaction.commit()
    return portal.absolute_url()


def test_what_is_beside_the_object_or_above_is_told_by_its_address_alone(bearers, neighbours):
    """Its user reads more, even of a folder that they may not see."""
    folder, url = bearers.site.portal["folder"], neighbours
    token = bearers.claim(folder["middle"]).token()
    for query in ({}, {"metadata_fields": "_all"}, {"metadata_fields": "UID"}):
        whole = bearers.ask("folder/middle", user=USER, query=query).json
        answer = bearers.ask("folder/middle", token, query=query)
        assert (answer.status, bearers.seen) == (200, [TEST_USER_ID])
        told = answer.json
        assert len(whole["parent"]) > 1
        assert len(whole["next_item"]) > 1
        assert told["parent"] == cut(f"{url}/folder")
        assert told["previous_item"] == cut(f"{url}/folder/other")
        assert told["next_item"] == cut(f"{url}/folder/middle2")
        assert told["relatedItems"] == [cut(f"{url}/news/secret")]
        assert told["blocks"]["1"]["href"] == [cut(f"{url}/news/secret")]
        for text in ("Private", "What the editors say", "Beside", "The last", "Far away"):
            assert text not in answer.body
        own = ("@id", "title", "UID", "review_state", "blocks_layout", "lock", "@components")
        assert {name: told[name] for name in own} == {name: whole[name] for name in own}
        assert set(told) == set(whole)


def test_what_is_in_the_object_is_told_whole(bearers, neighbours):
    """Its parent is the object, or in it."""
    token = bearers.claim(bearers.site.portal["folder"]).token()
    for path in ("folder/middle", "folder/box/page"):
        whole = bearers.ask(path, user=USER).json
        told = bearers.ask(path, token).json
        for each in (whole, told):
            each.pop("relatedItems"), each.pop("blocks")
        assert told == whole
    items = {"fullobjects": "1"}
    whole = bearers.ask("folder", user=USER, query=items).json["items"]
    told = bearers.ask("folder", token, query=items).json["items"]
    assert [item["parent"] for item in told] == [item["parent"] for item in whole]
    whole = bearers.claim(bearers.site.portal).token()
    assert bearers.ask("folder/middle", whole).json == bearers.ask("folder/middle", user=USER).json


def test_an_answer_about_what_was_changed_tells_no_more(bearers, neighbours):
    """A client may ask for the object in the answer to its change, or of what it has made."""
    token = bearers.claim(bearers.box, task=change).token()
    more = {"body": b'{"title": "Changed"}', "headers": {"HTTP_PREFER": "return=representation"}}
    answer = bearers.ask("folder/box", token, "PATCH", **more, **_JSON)
    assert (answer.status, answer.json["title"]) == (200, "Changed")
    assert answer.json["parent"] == cut(f"{neighbours}/folder")
    body = b'{"@type": "Document", "title": "Made"}'
    made = bearers.ask("folder/box", token, "POST", body=body, **_JSON)
    assert made.json["parent"]["title"] == "Changed"


ELSEWHERE = {"@id": "https://cdn.example.com/box", "title": "Box at its other address"}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ELSEWHERE, ELSEWHERE),
        ({"parent": ELSEWHERE}, {"parent": cut(ELSEWHERE["@id"])}),
        ([ELSEWHERE, {"title": "x"}], [cut(ELSEWHERE["@id"]), {"title": "x"}]),
        ("Box", "Box"),
    ],
)
def test_an_answer_of_an_add_on_is_cut_as_well(bearers, token, answer, told):
    """However it is made; the object may give an address of its own."""
    required = (IDexterityContainer, IBrowserRequest)
    bearers.site.adapter(lambda *_: lambda **_: answer, required, ISerializeToJson)
    assert bearers.ask("folder/box", user=USER).json == answer
    assert bearers.ask("folder/box", token).json == told


def test_a_request_of_somebody_else_is_told_all(bearers, neighbours, token):
    """Whatever was asked before, by whomever."""
    bearers.ask("folder/box", token)
    assert bearers.ask("folder/box", user=USER).json["parent"]["title"] == "Private"
    address = ADDRESSES[5]
    assert bearers.ask(address, user=USER).json["parent"]["title"] == "Box"
    for path in ADDRESSES:
        told = bearers.ask(path, token).json
        own = path.rstrip("/").endswith("box")
        assert set(told["parent"]) == {"@id"} if own else told["parent"]["title"] == "Box"


# What an add-on may register


class Described(BrowserView):
    """Says who asks; takes no names."""

    def __call__(self):
        return json.dumps({"user": api.user.get_current().getId()})

    def method(self):
        """Be published by Zope, since there is this text."""
        return self()


@implementer(IPublishTraverse)
class Takes(Described):
    """Takes all names, and gives what they say."""

    def publishTraverse(self, request, name):
        return {"itself": self, "other": Described(self.context, request)}.get(
            name, self.context.portal_url.getPortalObject()
        )


class OfParent(Described):
    """Is found at one object, and is about another one."""

    def __init__(self, context, request):
        super().__init__(context.aq_parent, request)


class Bare(BrowserView):
    """Registered without a ``page`` directive: Zope itself looks for what is behind it."""

    __name__ = "bare"

    def __call__(self):
        return ""


class Reads(BrowserView):
    """Publishes something else inside of its own request."""

    def __call__(self):
        paths = ("/plone/folder/other", "/plone/folder/box/page", "/plone/folder/box")
        inner = [subrequest(f"{path}/@@described") for path in paths]
        return json.dumps([answer.getStatus() for answer in inner])


NAMED = task(
    name="test_pas.named",
    elsewhere=True,
    may=["GET", "@@described", "@@takes", "@@reads", "@@of-parent", "@@bare"],
)


@pytest.fixture
def named(bearers):
    """A token of a task that names views of ours."""
    classes = {"described": Described, "takes": Takes, "reads": Reads, "of-parent": OfParent}
    for name, class_ in classes.items():
        bearers.site.zcml(
            f'<browser:page name="{name}" for="*" class="test_pas_scope.{class_.__name__}"'
            ' permission="zope2.View" />'
        )
    bearers.site.adapter(Bare, (Interface, IBrowserRequest), Interface, "bare")
    return bearers.claim(task=NAMED).token()


class Says(Service):
    """A service that says who asks."""

    def reply(self):
        return {"user": api.user.get_current().getId()}


@pytest.mark.parametrize(
    ("may", "allowed"),
    [
        (["GET", "@search"], ["@search"]),
        (["GET", "search"], []),
        (["GET", "@@search"], []),
        (["GET", "@plain", "@@plain", "plain"], []),
        (["GET", "@described"], []),
        (["GET", "described"], []),
        (["GET", "@@described"], ["@@described", "described"]),
    ],
)
def test_a_name_is_the_one_that_it_was_registered_with(bearers, named, may, allowed, monkeypatch):
    """``@`` and ``@@`` are parts of it; no service is named without them."""
    for name in ("@search", "plain"):
        bearers.site.zcml(
            f'<plone:service method="GET" name="{name}" for="plone.dexterity.interfaces.'
            'IDexterityContent" factory="test_pas_scope.Says" permission="zope.Public" />'
        )
    monkeypatch.setattr(NAMED, "may", tuple(may))
    names = ("@search", "search", "@@search", "plain", "@plain", "described", "@@described")
    found = [name for name in names if not bearers.is_nobodys(f"folder/box/{name}", named)]
    assert sorted(found) == sorted(allowed)


def test_a_view_that_takes_no_names_is_the_users_alone(bearers, named):
    """What Zope finds behind it is looked for by Zope."""
    assert bearers.ask("folder/box/@@described", named).json == {"user": TEST_USER_ID}
    assert bearers.ask("folder/box/page/described", named, accept="text/html").status == 200
    for behind in ("getVocabulary", "@@getVocabulary", "acl_users", "context", "aq_parent", "x"):
        for view in ("described", "bare"):
            assert bearers.is_nobodys(f"folder/box/@@{view}/{behind}", named)


def test_a_view_that_takes_names_is_the_users_with_one_object_behind_it(bearers, named):
    """And not with content, or what is behind that object."""
    for path in ("@@takes", "@@takes/itself", "@@takes/itself/itself", "@@takes/other"):
        assert bearers.ask(f"folder/box/{path}", named).json == {"user": TEST_USER_ID}
    for path in (
        "@@takes/portal",
        "@@takes/portal/@users",
        "@@takes/portal/news/secret",
        "@@takes/@@described",
        "@@takes/@@getVocabulary",
        "@@takes/other/getVocabulary",
        "@@takes/other/@@described",
    ):
        assert bearers.is_nobodys(f"folder/box/{path}", named)


def test_a_named_view_of_something_else_is_nobodys(bearers, named):
    """Also of the site, and by acquisition."""
    for path in ("@@described", "folder/@@described", "folder/other/@@described", "@@reads"):
        assert bearers.is_nobodys(path, named)
    assert bearers.is_nobodys("folder/box/other/@@described", named)
    assert bearers.is_nobodys("folder/box/page/@@of-parent", named)  # though that is in scope
    assert bearers.is_nobodys("folder/box/@@of-parent", named)
    assert bearers.is_nobodys("folder/box/acl_users/@@described", named)
    assert bearers.is_nobodys("folder/box/portal_catalog/@@described", named)


def test_what_a_view_publishes_itself_is_in_scope_or_nobodys(bearers, named):
    """``plone.subrequest`` asks for each user anew."""
    assert bearers.ask("folder/box/@@reads", named, accept="text/html").json == [401, 200, 200]
    assert bearers.ask("folder/box/@@described", named).json == {"user": TEST_USER_ID}


def adapters(components):
    """Yield the registrations of a registry and of those below it."""
    yield from components.registeredAdapters()
    for base in components.__bases__:
        yield from adapters(base)


def services():
    """Return method, ``Accept`` and name of each service that is registered."""
    ids = {
        id: (method, f"{kind}/{sub}")
        for method, kinds in _services.items()
        for kind, subs in kinds.items()
        for sub, id in subs.items()
    }
    for registered in adapters(getGlobalSiteManager()):
        for id, (method, accept) in ids.items():
            if registered.name.startswith(id):
                yield method, accept, registered.name[len(id) :]


def test_each_service_that_is_not_named_lets_nobody_in(bearers, strong, monkeypatch):
    """A new one is out of scope by itself."""
    admitted = []
    extract = TokenPlugin.extractCredentials

    def spy(self, request):
        found = extract(self, request)
        admitted.extend([request["URL"]] if found else [])
        return found

    monkeypatch.setattr(TokenPlugin, "extractCredentials", spy)
    known = sorted(set(services()))
    assert len(known) > 100
    for method, accept, name in known:
        for path in ("", "folder/", "folder/box/", "folder/box/page/"):
            if name not in ("", "@history") or not path.startswith("folder/box/"):
                bearers.ask(f"{path}{name}", strong, method, accept, held=False)
    assert admitted == []
    bearers.ask("folder/box", strong)
    assert len(admitted) == 1
