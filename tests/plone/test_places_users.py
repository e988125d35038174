"""A PAS plugin may wait while the visitor is authenticated, and tells nobody of another.

The directory stands for an OIDC provider or LDAP: whoever asks it waits for somebody else.
"""

from AccessControl import Unauthorized
from collections import Counter
from collective.wsgifutures import future
from collective.wsgifutures import FutureTimeout
from concurrent.futures import ThreadPoolExecutor
from holdsite import ADMIN
from holdsite import calls
from holdsite import count
from lxml.html import fromstring
from places import JSON
from places import publish
from plone import api
from plone.protect.interfaces import IDisableCSRFProtection
from Products.PluggableAuthService.interfaces.plugins import IAuthenticationPlugin
from Products.PluggableAuthService.interfaces.plugins import IChallengePlugin
from Products.PluggableAuthService.interfaces.plugins import IExtractionPlugin
from Products.PluggableAuthService.interfaces.plugins import IGroupsPlugin
from Products.PluggableAuthService.interfaces.plugins import IPropertiesPlugin
from Products.PluggableAuthService.interfaces.plugins import IRolesPlugin
from Products.PluggableAuthService.interfaces.plugins import IUserEnumerationPlugin
from Products.PluggableAuthService.plugins.BasePlugin import BasePlugin
from Products.PluggableAuthService.UserPropertySheet import UserPropertySheet
from urllib.parse import quote
from zope.interface import alsoProvides
from zope.interface import implementer
from ZPublisher.interfaces import IPubSuccess

import json
import pytest
import threading
import transaction

#: The two requests at once are both held before one of them has its answer.
both = threading.Barrier(2)

#: Raised by the directory.
trouble: list[Exception] = []


@future
def directory(question, key):
    """Answer from outside: whatever is asked of alice is answered about alice."""
    calls.append((question, key))
    if trouble:
        raise trouble[0]
    if question == "together":
        both.wait(5)
    return {"of": key.partition(":")[0]}


def told(question, key, plugin):
    """Ask the directory where this place is the one that asks."""
    return directory(question, key)["of"] if question in plugin.asks else key.partition(":")[0]


@implementer(
    IExtractionPlugin,
    IAuthenticationPlugin,
    IPropertiesPlugin,
    IRolesPlugin,
    IGroupsPlugin,
    IUserEnumerationPlugin,
    IChallengePlugin,
)
class Directory(BasePlugin):
    """A plugin for all that PAS asks about a user."""

    meta_type = "Directory"

    def __init__(self, id, asks):
        self._setId(id)
        self.asks = asks

    def extractCredentials(self, request):
        kind, _, token = (request.getHeader("X-Token") or "").partition(" ")
        if kind != "Bearer":
            return {}
        return {"directory": told("extraction", token, self), "token": token}

    def authenticateCredentials(self, credentials):
        name = credentials.get("directory")
        if name is None and credentials.get("login", "").endswith("@directory"):
            name = credentials["login"].partition("@")[0]
            if credentials["password"] != f"{name}-secret":
                return None
        if name is None:
            return None
        name = told("authentication", name, self)
        return name, name

    def getPropertiesForUser(self, user, request=None):
        if not self.knows(user.getId()):
            return {}
        name = told("properties", user.getId(), self)
        return UserPropertySheet(self.getId(), fullname=f"{name} of the directory")

    def getRolesForPrincipal(self, principal, request=None):
        if not self.knows(principal.getId()):
            return ()
        return (told("roles", f"Reader:{principal.getId()}", self),)

    def getGroupsForPrincipal(self, principal, request=None):
        if not self.knows(principal.getId()):
            return ()
        return (told("groups", f"Administrators:{principal.getId()}", self),)

    def enumerateUsers(self, id=None, login=None, exact_match=False, **more):
        if not self.knows(id or login):
            return ()
        name = told("enumeration", id or login, self)
        return ({"id": name, "login": name, "pluginid": self.getId()},)

    def challenge(self, request, response):
        where = told("challenge", "login.example.com", self)
        response.redirect(f"https://{where}/authorize", lock=True)
        return True

    @staticmethod
    def knows(name):
        return name in ("alice", "bob")


PLACES = {
    "extraction": IExtractionPlugin,
    "authentication": IAuthenticationPlugin,
    "properties": IPropertiesPlugin,
    "roles": IRolesPlugin,
    "groups": IGroupsPlugin,
    "enumeration": IUserEnumerationPlugin,
}


def install(site, *asks, plugins=None):
    """Put the directory into the site's PAS; *asks* are the places that ask outside."""
    trouble.clear()
    users = site.portal.acl_users
    users._setObject("directory", Directory("directory", asks))
    for plugin in plugins or PLACES.values():
        users.plugins.activatePlugin(plugin, "directory")
        while users.plugins.listPluginIds(plugin)[0] != "directory":
            users.plugins.movePluginsUp(plugin, ["directory"])
    site.view("who", who)
    transaction.commit()
    site.get("who", held=False)  # what a site writes on its first page
    calls.clear()
    return site


def who(self):
    """Write, and say all that is known of the user."""
    if self.request.method == "POST":
        alsoProvides(self.request, IDisableCSRFProtection)
        count(self)
    self.request.response.setHeader("Content-Type", JSON)
    user = api.user.get_current()
    groups = [] if api.user.is_anonymous() else user.getGroups()
    return json.dumps(
        {
            "id": user.getId(),
            "name": user.getProperty("fullname"),
            "reads": "Reader" in user.getRoles(),
            "administrates": "Administrators" in groups,
        }
    )


def bearer(name):
    return {"HTTP_X_TOKEN": f"Bearer {name}"}


def about(name):
    """What is known of a user of the directory, None for who is not logged in."""
    return {
        "id": name,
        "name": f"{name} of the directory" if name else None,
        "reads": bool(name),
        "administrates": bool(name),
    }


def keys(place):
    return {"roles": "Reader:alice", "groups": "Administrators:alice"}.get(place, "alice")


@pytest.mark.parametrize("place", [place for place in PLACES if place != "enumeration"])
def test_a_pas_plugin_when_it_suspends_is_asked_again(site, place):
    """The user of the last pass is found anew, with all that belongs to it."""
    install(site, place)
    asked = [(place, keys(place))]
    answer = publish(site, "get", "who", asked=asked, headers=bearer("alice"))
    assert answer.json == about("alice")


def test_a_pas_plugin_when_it_suspends_in_each_place_waits_for_one_after_the_other(site):
    """One needs what the other gave: a pass for each, and one call."""
    install(site, *PLACES)
    order = ["extraction", "authentication", "properties", "groups", "roles"]
    asked = [(place, keys(place)) for place in order]
    passes = ["Suspended"] * 5 + ["200"]
    answer = publish(site, "get", "who", asked=asked, passes=passes, headers=bearer("alice"))
    assert answer.json == about("alice")


def test_a_user_that_is_looked_up_when_that_suspends_is_found(site):
    """Also of other users than the one who asks."""
    install(site, "enumeration")
    site.view("find", lambda self: api.user.get("bob").getProperty("fullname"))
    answer = publish(site, "get", "find", asked=[("enumeration", "bob")], user=ADMIN)
    assert answer.text == "bob of the directory"


def test_a_write_when_the_authentication_suspends_is_committed_once(site):
    """Nothing of the view runs before its user is known."""
    install(site, "authentication")
    asked = [("authentication", "alice")]
    answer = publish(
        site, "post", "who", {"text": "x"}, asked=asked, wrote=1, headers=bearer("alice")
    )
    assert answer.json == about("alice")
    assert site.portal.counter == 1


def test_a_challenge_when_it_suspends_is_sent_in_the_last_pass(site):
    """Where to log in may be somebody else's to say."""
    install(site, "challenge", plugins=[IChallengePlugin])

    def view(self):
        raise Unauthorized("x")

    site.view("private", view)
    asked = [("challenge", "login.example.com")]
    answer = publish(site, "get", "private", passes=["Suspended", "302"], asked=asked)
    assert answer.headers["location"] == "https://login.example.com/authorize"


def login(site, password):
    """Return Plone's login form, filled in."""
    forms = fromstring(site.get("login", held=False).body).forms
    (form,) = [form for form in forms if "__ac_name" in form.fields]
    filled = {"__ac_name": "alice@directory", "__ac_password": password, "buttons.login": "Log in"}
    return {**dict(form.form_values()), **filled}


def test_plones_login_form_when_the_directory_is_asked_logs_in_once(site):
    """The cookie is that of the last pass; with it nobody is asked again."""
    install(site, "authentication")
    asked = [("authentication", "alice")]
    form = login(site, "alice-secret")
    cookies = []
    site.subscriber(IPubSuccess, lambda event: cookies.append(event.request.response.cookies))
    publish(site, "post", "login", form, passes=["Suspended", "302"], asked=asked, wrote=1)
    (cookie,) = [f"__ac={quote(set_['__ac']['value'])}" for set_ in cookies]
    calls.clear()
    remembered = {"HTTP_COOKIE": cookie}
    logged_in = publish(site, "get", "who", passes=["200"], asked=[], headers=remembered)
    assert logged_in.json == about("alice")


def test_plones_login_form_when_the_password_is_wrong_asks_nobody(site):
    """What is known to be wrong before a call is answered without one."""
    install(site, "authentication")
    answer = publish(site, "post", "login", login(site, "wrong"), passes=["200"], asked=[])
    assert "Login failed" in answer.text


# what goes wrong


@pytest.mark.parametrize(
    ("error", "status"), [(FutureTimeout("directory", 5.0), 504), (ConnectionError("away"), 500)]
)
def test_a_directory_when_it_is_away_is_no_wrong_password(site, error, status):
    """PAS goes on with the next plugin after a ValueError and the like, and after no other."""
    install(site, "authentication")
    trouble.append(error)
    answer = site.get("who", headers=bearer("alice"))
    assert (answer.status, answer.passes) == (status, ["Suspended", str(status)])
    assert calls == [("authentication", "alice")]
    assert site.errors == [type(error).__name__]


def test_a_directory_when_its_answer_is_a_value_error_is_skipped_as_without_us(site):
    """PAS catches it: the visitor is nobody, and is not let in as somebody."""
    install(site, "authentication")
    trouble.append(ValueError("x"))
    answer = publish(
        site, "get", "who", asked=[("authentication", "alice")], headers=bearer("alice")
    )
    assert answer.json == about(None)


def careless(plugin, credentials):
    """Pass what a future cannot take."""
    return directory("authentication", plugin) if "directory" in credentials else None


@pytest.mark.parametrize("swallow", [True, False])
def test_a_refused_argument_when_pas_swallows_it_may_be_seen(site, monkeypatch, swallow):
    """It is a TypeError; a plugin says that its errors are not to be dropped."""
    install(site, "authentication")
    monkeypatch.setattr(Directory, "authenticateCredentials", careless)
    if not swallow:
        monkeypatch.setattr(Directory, "_dont_swallow_my_exceptions", True, raising=False)
    answer = site.get("who", headers=bearer("alice"))
    assert (answer.status, calls) == (200 if swallow else 500, [])
    assert site.errors == ([] if swallow else ["ArgumentRefused"])


# nobody finds what is another's


def at_once(site, *names):
    """Send a request of each of *names*; both are held at the same time."""
    both.reset()
    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(lambda name: site.get("who", headers=bearer(name)), names))


@pytest.mark.parametrize("place", [place for place in PLACES if place != "enumeration"])
def test_two_users_at_once_when_both_are_held_get_what_is_theirs(site, monkeypatch, place):
    """In whatever place their passes suspend."""
    install(site, place)

    @future(key=f"meets {place}")
    def together(question, key):
        both.wait(5)
        calls.append((question, key))
        return {"of": key.partition(":")[0]}

    monkeypatch.setitem(globals(), "directory", together)
    alice, bob = at_once(site, "alice", "bob")
    assert (alice.json, bob.json) == (about("alice"), about("bob"))
    assert alice.passes == bob.passes == ["Suspended", "200"]
    assert sorted(calls) == sorted(
        (place, keys(place).replace("alice", n)) for n in ("alice", "bob")
    )
    assert alice.left_over == bob.left_over == []


def test_two_users_at_once_when_they_ask_the_same_ask_twice(site):
    """The same question with the same arguments is another call in another's request."""
    install(site)

    def view(self):
        name = api.user.get_current().getId()
        answer = directory("together", "everybody")
        answer["seen by"] = name  # its own copy
        return json.dumps(answer)

    site.view("who-else", view)
    both.reset()
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(lambda name: site.get("who-else", headers=bearer(name)), ["alice", "bob"])
        )
    assert [a.json["seen by"] for a in answers] == ["alice", "bob"]
    assert Counter(calls) == {("together", "everybody"): 2}


def test_a_user_after_another_in_the_same_site_asks_anew(site):
    """What was found for one request is gone with it; also for the same user."""
    install(site, "authentication", "properties")
    for name in ("alice", "bob", "alice"):
        calls.clear()
        asked = [("authentication", name), ("properties", name)]
        passes = ["Suspended", "Suspended", "200"]
        answer = publish(site, "get", "who", asked=asked, passes=passes, headers=bearer(name))
        assert answer.json == about(name)
    calls.clear()
    assert publish(site, "get", "who", passes=["200"], asked=[]).json == about(None)
