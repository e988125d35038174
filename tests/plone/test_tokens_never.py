"""Nothing of our own can be offered to tokens: all that is registered is looked at."""

from collective.wsgifutures.tokens.offered import find_offer
from collective.wsgifutures.tokens.offered import NEVER
from collective.wsgifutures.tokens.offered import offer
from collective.wsgifutures.tokens.offered import OfferRefused
from collective.wsgifutures.tokens.offered import withdraw_offer
from plone.rest.negotiation import _services
from test_pas_scope import adapters
from zope.component import getGlobalSiteManager
from zope.interface import Interface

OURS = "collective.wsgifutures."

#: What has a name that others have, at something that is no content: no token is let in there.
NOT_OF_CONTENT = {
    "@@index.html",  # of an error
    "@@edit",  # of an action of a content rule
    "@@collective.wsgifutures.actions.RunTask",
}


def is_ours(factory):
    """Tell whether it is a class of ours, or one that ZCML has made of ours."""
    classes = getattr(factory, "__mro__", ())
    return any(f"{each.__module__}.".startswith(OURS) for each in classes)


def is_view(registered):
    """Tell whether it is asked for by its name, in an address."""
    return len(registered.required) >= 2 and registered.provided is Interface


def as_offered(name):
    """Return a name as an offer has it: ``@name`` of a service, ``@@name`` of a view."""
    ids = (id for kinds in _services.values() for subs in kinds.values() for id in subs.values())
    for id in ids:
        name = name.removeprefix(id)
    return name if name.startswith("@") else f"@@{name}"


def ours():
    """Return the names of all views and services of ours."""
    found = adapters(getGlobalSiteManager())
    return {as_offered(one.name) for one in found if is_view(one) and is_ours(one.factory)}


def can_be_offered(name):
    """Tell whether an add-on could offer it, by mistake or on purpose."""
    before = find_offer(name)
    try:
        offer(name, read=("GET",), write=("POST",), title="x")
    except OfferRefused:
        return False
    finally:
        if before is None:
            withdraw_offer(name)
    return True


def test_no_service_and_no_view_of_ours_can_be_offered(site):
    """Tokens, jobs, workers, timed work, settings, the status: a new one is closed as well."""
    open_to_offers = {name for name in ours() if can_be_offered(name)}
    assert open_to_offers == NOT_OF_CONTENT


def test_all_of_ours_are_found(site):
    """A walk that finds nothing would pass."""
    found = ours()
    assert found >= {
        *("@tokens", "@token", "@token-revoke", "@service-accounts", "@jwks", "@login"),
        *("@jobs", "@workers", "@clock", "@futures"),
        *("@@wsgifutures-tokens", "@@wsgifutures-tokens-act", "@@wsgifutures-tokens-of-all"),
        *("@@wsgifutures-workers", "@@wsgifutures-clock", "@@wsgifutures-controlpanel"),
        *("@@futures-status", "@@futures-jobs-act", "@@futures-metrics", "@@wsgifutures-task"),
    }
    assert len(found) > 40
    assert {name for name in found if not name.startswith("@@")} <= NEVER


def test_a_service_of_ours_that_somebody_adds_is_found(site):
    """Though nobody has thought of tokens: then the first test fails."""
    site.zcml(
        '<plone:service xmlns:plone="http://namespaces.plone.org/plone" method="GET"'
        ' for="plone.base.interfaces.IPloneSiteRoot" name="@new-one" permission="zope2.View"'
        ' factory="collective.wsgifutures.restapi.tokens.Get" />'
    )
    assert "@new-one" in ours()
    assert can_be_offered("@new-one")
