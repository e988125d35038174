"""Whose a held request is, and which view is published: for limits and for logs."""

from collective.wsgifutures.kernel.passes import current_pass
from holdsite import ADMIN
from holdsite import ask
from Products.Five import BrowserView
from ZODB.POSException import ConflictError

import pytest

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


@pytest.mark.parametrize(("user", "kind"), [(ADMIN, "user"), (None, "address")])
def test_held_request_is_its_users_or_its_addresses(looking, user, kind):
    """Who logs in from many places is one; who does not is known by the address."""
    assert looking.get("look", user=user).status == 200
    ((client, _),) = seen
    assert client == (kind, {"user": "admin", "address": ""}[kind])


@pytest.mark.parametrize(("user", "kind"), [(ADMIN, "user"), (None, "address")])
def test_request_that_conflicted_is_its_users_or_its_addresses(site, user, kind):
    """Not its proxy's: it counts as held while it waits to be published again."""

    def view(self):
        seen.append(current_pass().hold.client)
        if len(seen) == 1:
            raise ConflictError
        return "seen"

    site.view("conflict", view)
    assert site.get("conflict", user=user).status == 200
    assert seen == [None, (kind, {"user": "admin", "address": ""}[kind])]


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
