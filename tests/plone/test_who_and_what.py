"""Whose a held request is, and which view is published: for limits and for logs."""

from collective.wsgifutures.kernel.passes import current_pass
from collective.wsgifutures.publisher import zope
from holdsite import ADMIN
from holdsite import ask
from Products.Five import BrowserView
from ZODB.POSException import ConflictError
from ZPublisher import HTTPRequest

import pytest
import transaction

seen = []


class Look(BrowserView):
    """Notes what the middleware knows in its last pass."""

    def __call__(self):
        ask("a")
        this = current_pass()
        seen.append((this.hold.client, this.publisher.view_name()))
        return "seen"

    method = __call__


@pytest.fixture(autouse=True)
def _nothing_seen():
    seen.clear()


@pytest.fixture
def looking(site):
    """The site with the view, as its class, as a method of it and as a template."""
    module = __name__
    site.zcml(
        f'<browser:page name="look" for="*" class="{module}.Look" permission="zope2.View" />'
        f'<browser:page name="method" for="*" class="{module}.Look" attribute="method"'
        ' permission="zope2.View" />'
    )
    return site


CLIENTS = [(ADMIN, ("user", "/acl_users", "admin")), (None, ("address", "203.0.113.7"))]

VISITOR = {"REMOTE_ADDR": "203.0.113.7"}


@pytest.mark.parametrize(("user", "client"), CLIENTS)
def test_held_request_is_its_users_or_its_addresses(looking, user, client):
    """Who logs in from many places is one; who does not is known by the address."""
    assert looking.get("look", user=user, headers=VISITOR).status == 200
    assert [found for found, _ in seen] == [client]


def test_user_is_known_by_the_user_folder_too(looking):
    """A user of the site and one of Zope's root may have the same id."""
    looking.portal.acl_users.userFolderAddUser("twin", "of-the-site-1", ["Member"], [])
    root = looking.portal.aq_parent
    root.acl_users.userFolderAddUser("twin", "of-the-root-1", ["Manager"], [])
    transaction.commit()
    for password in ("of-the-site-1", "of-the-root-1"):
        assert looking.get("look", user=("twin", password)).status == 200
    (first, _), (second, _) = seen
    assert first == ("user", "/plone/acl_users", looking.portal.acl_users.getUser("twin").getId())
    assert second == ("user", "/acl_users", "twin")


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("10.0.0.1", "9.9.9.9, 203.0.113.7:5678, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::/64"),
        ("10.0.0.1", "unknown", ""),
        ("10.0.0.1", f"{'x' * 900_000}, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7", "9.9.9.9", "203.0.113.7"),
        ("[203.0.113.7", "9.9.9.9", ""),
    ],
)
def test_address_is_the_last_that_is_no_trusted_proxys(
    looking, monkeypatch, remote, forwarded, address
):
    """Those of ``zope.conf``. Who is none cannot claim an address."""
    monkeypatch.setattr(HTTPRequest, "trusted_proxies", ("10.0.0.1", "10.0.0.2"))
    headers = {"REMOTE_ADDR": remote, "HTTP_X_FORWARDED_FOR": forwarded}
    assert looking.get("look", headers=headers).status == 200
    assert [found for found, _ in seen] == [("address", address)]


def test_long_header_is_read_from_its_end_only(looking, monkeypatch):
    """What is kept of it, and looked at, does not grow with it."""
    read = []
    monkeypatch.setattr(zope, "find_client", lambda *args: read.append(args) or "here")
    assert looking.get("look", headers={"HTTP_X_FORWARDED_FOR": "1.2.3.4, " * 90_000}).status == 200
    assert {len(forwarded) for _, forwarded, _ in read} == {1000}


@pytest.mark.parametrize(("user", "client"), CLIENTS)
def test_request_that_conflicted_is_its_users_or_its_addresses(site, user, client):
    """Not its proxy's: it counts as held while it waits to be published again."""

    def view(self):
        seen.append(current_pass().hold.client)
        if len(seen) == 1:
            raise ConflictError
        return "seen"

    site.view("conflict", view)
    assert site.get("conflict", user=user, headers=VISITOR).status == 200
    assert seen == [None, client]


@pytest.mark.parametrize("name", ["look", "method"])
def test_view_is_known_by_the_name_of_its_class(looking, name):
    """Not by that of what ZCML makes of it."""
    looking.get(name)
    assert [view for _, view in seen] == [f"{__name__}.Look"]


def test_view_that_is_only_a_template_is_known_by_its_name(looking):
    """It has no class of anybody's own."""
    looking.view("page", template='<p tal:content="context/@@look" />')
    looking.get("page")
    assert [view for _, view in seen] == ["@@page"]
