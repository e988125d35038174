"""Zope and Plone inside of a future: the error says where it ran and what to do."""

from collective.wsgifutures import future
from persistent import Persistent
from plone import api
from plone.registry.interfaces import IRegistry
from Products.CMFCore.utils import getToolByName
from zope.component import getMultiAdapter
from zope.component import getUtility
from zope.component.hooks import getSite
from zope.globalrequest import getRequest

import pytest
import transaction


class Counter(Persistent):
    """What a careless module keeps of the database."""

    number = 0


#: What a view has left here.
kept = []


def get_content():
    return api.content.get("/plone").title


def get_user():
    return api.user.get_current().getId()


def get_record():
    return api.portal.get_registry_record("plone.site_title")


def ask_utility():
    return getUtility(IRegistry)["plone.site_title"]


def ask_site():
    return getSite().title


def ask_request():
    return getRequest().form


def ask_tool():
    return getToolByName(getSite(), "portal_catalog")()


def ask_view():
    return getMultiAdapter((getSite(), getRequest()), name="plone_portal_state")


def load_object():
    return kept[0].number


ASKING = [
    *(get_content, get_user, get_record, ask_utility, ask_site, ask_request, ask_tool, ask_view),
    load_object,
]


@pytest.mark.parametrize("function", ASKING)
def test_zope_in_a_future_is_an_error_that_says_what_to_do(site, function):
    """In whatever way it is used."""
    if function is load_object:
        site.portal.counter = Counter()
        transaction.commit()
        kept[:] = [_ghost_of_closed_connection(site.portal.counter)]
    call = future(key="acme.news")(function)
    notes = []

    def view(self):
        try:
            call()
        except Exception as error:
            notes[:] = error.__notes__
        return "done"

    site.view("asks", view)
    assert site.get("asks").passes == ["Suspended", "200"]
    (note,) = notes
    assert note.startswith("acme.news ran outside of Zope, as every future does: ")
    assert note.endswith("Read what it needs in the view, and pass it as an argument.")


def _ghost_of_closed_connection(counter):
    connection = counter._p_jar.db().open()
    ghost = connection.get(counter._p_oid)
    ghost._p_deactivate()
    connection.close()
    return ghost
