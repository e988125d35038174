"""Websockets as answers of a site's views: who may have one, and how others are refused."""

from collective.wsgifutures import UpgradeRequired
from collective.wsgifutures import websocket
from collective.wsgifutures.kernel import runtime
from collective.wsgifutures.kernel.runtime.asynced import ASYNCIO
from collective.wsgifutures.wsgi.asgi import Asgi
from collective.wsgifutures.wsgi.settings import Settings
from collective.wsgifutures.wsgi.worker import Worker
from holdsite import ADMIN
from holdsite import ask
from plone import api
from plone.protect.interfaces import IDisableCSRFProtection
from Products.SiteAccess.VirtualHostMonster import manage_addVirtualHostMonster
from zExceptions import NotFound
from zope.interface import alsoProvides
from ZPublisher.httpexceptions import HTTPExceptionHandler
from ZPublisher.WSGIPublisher import publish_module

import asyncio
import base64
import pytest
import transaction

begun = []

OURS = "http://nohost"


@pytest.fixture(autouse=True)
def _none_begun():
    begun.clear()


@pytest.fixture
def shake(site, monkeypatch):
    """Send a handshake, in a process that waits with asyncio; return what its client gets."""
    monkeypatch.setattr(runtime, "_unpatched", ASYNCIO)

    def shake(path, **options):
        sent = asyncio.run(send(scope_of(path, **options)))
        site.sync()
        return sent

    yield shake
    monkeypatch.setattr(ASYNCIO, "_loop", None)


@websocket
async def chat(socket, room, user):
    begun.append(bool(transaction.get()._resources))
    await socket.send(f"{user} in {room}")


def who():
    return api.user.get_current().getId()


def scope_of(path, *, user=None, **headers):
    headers = {"host": "nohost", **headers}
    if user is not None:
        token = base64.b64encode(":".join(user).encode()).decode()
        headers["authorization"] = f"Basic {token}"
    return {
        **{"type": "websocket", "http_version": "1.1", "scheme": "ws", "query_string": b""},
        **{"path": path, "extensions": {"websocket.http.response": {}}},
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


async def send(scope):
    sent = []

    async def keep(message):
        sent.append(message)

    ASYNCIO.serve_in(asyncio.get_running_loop())
    app = Asgi(Worker(HTTPExceptionHandler(publish_module), Settings(slots=1)))
    await asyncio.wait_for(app(scope, asyncio.Event().wait, keep), 30)
    assert app.worker.held.count == 0
    return sent


def said(sent):
    """Return what a function said, or the status of a refusal."""
    return sent[1]["text"] if sent[0]["type"] == "websocket.accept" else sent[0]["status"]


# the handshake


def test_view_writes_and_waits_before_and_the_function_has_nothing_of_zope(site, shake):
    """It begins after the commit."""

    def view(self):
        alsoProvides(self.request, IDisableCSRFProtection)
        api.portal.get().title = "written"
        return chat(ask("a"), who()).accept()

    site.view("chat", view)
    sent = shake("/plone/@@chat", user=ADMIN)
    assert [one["type"] for one in sent] == [
        *("websocket.accept", "websocket.send", "websocket.close")
    ]
    assert (said(sent), begun) == ("admin in A", [False])
    assert site.portal.title == "written"


def test_permission_is_checked(site, shake):
    """As ever: Plone leads to its login, and no function runs."""
    site.view("chat", lambda self: chat("hall", who()).accept(), permission="cmf.ManagePortal")
    assert said(shake("/plone/@@chat")) == 302
    assert begun == []
    assert said(shake("/plone/@@chat", user=ADMIN)) == "admin in hall"


def test_path_is_traversed(site, shake):
    """404 where nothing is."""
    assert said(shake("/plone/nowhere/@@chat")) == 404


@pytest.mark.parametrize(("error", "status"), [(NotFound("no"), 404), (ValueError("secret"), 500)])
def test_error_after_it_refuses(site, shake, error, status):
    """And nothing is written."""

    def view(self):
        api.portal.get().title = "written"
        chat("hall", who()).accept()
        raise error

    site.view("chat", view)
    assert said(shake("/plone/@@chat")) == status
    assert (begun, site.portal.title == "written") == ([], False)


def test_redirect_refuses(site, shake):
    """With where it leads."""

    def view(self):
        self.request.response.redirect("http://nohost/plone/login")
        return chat("hall", who()).accept()

    site.view("chat", view)
    sent = shake("/plone/@@chat")
    assert (said(sent), begun) == (302, [])
    assert (b"location", b"http://nohost/plone/login") in sent[0]["headers"]


def test_error_in_the_commit_refuses(site, shake):
    """500: what the view wrote is not there."""

    def fail():
        raise ValueError("secret")

    def view(self):
        transaction.get().addBeforeCommitHook(fail)
        return chat("hall", who()).accept()

    site.view("chat", view)
    assert (said(shake("/plone/@@chat")), begun) == (500, [])


def test_view_that_writes_for_a_user_without_a_token_is_refused(site, shake):
    """plone.protect throws its work away."""

    def view(self):
        api.portal.get().title = "written"
        return chat("hall", who()).accept()

    site.view("chat", view)
    assert (said(shake("/plone/@@chat", user=ADMIN)), begun) == (403, [])


def test_page_of_another_site_is_refused_before_anything_is_written(site, shake):
    """With words, and the log says how it is allowed."""

    def view(self):
        api.portal.get().title = "written"
        return chat("hall", who()).accept()

    site.view("chat", view)
    sent = shake("/plone/@@chat", origin="https://evil.example.org")
    assert (said(sent), begun) == (403, [])
    assert sent[1]["body"] == b"The websocket is refused to a page of another site.\n"
    assert "accept(origins=...)" in site.logged[-1]
    assert "evil" not in site.logged[-1]
    assert said(shake("/plone/@@chat", origin=OURS)) == "None in hall"


def test_this_site_is_where_its_visitors_have_it(site, shake):
    """As a proxy has rewritten the address, whatever Host it sends."""
    manage_addVirtualHostMonster(site.portal.aq_parent, "virtual_hosting")
    transaction.commit()
    site.view("chat", lambda self: chat("hall", who()).accept())
    public = "https://example.com"
    path = "/VirtualHostBase/https/example.com:443/plone/VirtualHostRoot/@@chat"
    assert said(shake(path, origin=public)) == "None in hall"
    assert said(shake(path, origin=OURS)) == 403


def test_other_sites_can_be_allowed(site, shake):
    """By the view, which may read them from anywhere."""
    other = "https://app.example.com"
    site.view("chat", lambda self: chat("hall", who()).accept(origins=[other]))
    assert said(shake("/plone/@@chat", origin=other)) == "None in hall"


# requests that are none


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_request_for_a_page_is_told_to_upgrade(site, accept):
    """426, with words, and nothing is written."""

    def view(self):
        api.portal.get().title = "written"
        return chat("hall", who()).accept()

    site.view("chat", view)
    answer = site.get("@@chat", accept=accept)
    assert answer.status == 426
    assert answer.body == "This address is for a websocket. Open it with ws:// or wss://.\n"
    assert (answer.headers["cache-control"], site.portal.title == "written") == ("no-store", False)


def test_view_can_answer_with_a_page_instead(site):
    """One address for both."""

    def view(self):
        try:
            return chat("hall", who()).accept()
        except UpgradeRequired:
            return "a page"

    site.view("chat", view)
    assert site.get("@@chat").body == "a page"


@pytest.mark.parametrize("held", [True, False])
def test_server_without_websockets_says_what_to_do(site, held):
    """501, and the log has the flag."""
    site.view("chat", lambda self: chat("hall", who()).accept())
    answer = site.get("@@chat", headers={"HTTP_UPGRADE": "websocket"}, held=held)
    assert (answer.status, answer.body) == (501, "This server has no websockets.\n")
    assert "Run gunicorn with -k asgi" in site.logged[-1]
