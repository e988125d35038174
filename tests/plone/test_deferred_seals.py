"""Who may have a deferred part: whom it was offered to, and who may see it still."""

from collective.wsgifutures import fragment
from collective.wsgifutures.browser import sealed
from deferredparts import address
from deferredparts import addresses
from deferredparts import fetch
from deferredparts import Later
from deferredparts import MARK
from deferredparts import MARY
from deferredparts import parts_of
from deferredparts import told_by
from deferredparts import viewlet
from holdsite import ADMIN
from holdsite import ask
from holdsite import calls
from plone.app.viewletmanager.interfaces import IViewletSettingsStorage
from plone.keyring.interfaces import IKeyManager
from Products.Five import BrowserView
from zope.component import getUtility

import base64
import hashlib
import hmac
import json
import pytest
import transaction

ME = "test_deferred_seals"
DAY = 24 * 3600


@pytest.fixture
def document(site):
    """A page that only Mary may see, beside Managers, with a deferred viewlet."""
    viewlet(site)
    for user in (MARY, MARK):
        site.portal.acl_users.userFolderAddUser(*user, ["Member"], [])
    site.portal.invokeFactory("Document", "doc")
    doc = site.portal.doc
    doc.manage_setLocalRoles(MARY[0], ["Reader"])
    doc.manage_permission("View", ["Manager", "Reader"])
    doc.manage_permission("Access contents information", ["Manager", "Reader"])
    transaction.commit()
    return doc


def assert_refused(site, address, status=403, name="", **more):
    """Nothing is told, nothing is called, nothing is kept."""
    part = fetch(site, address, **more)
    seen = (part.status, part.body, part.passes, calls)
    assert seen == (status, "", [str(status)], []), name
    assert part.headers["cache-control"] == "private, no-store"
    assert (site.errors, site.logged) == ([], [])


def changed(letter):
    return "A" if letter != "A" else "B"


# what nobody offered


def sealed_as(told, text):
    """Return *told* with something else in it."""
    known = json.loads(base64.urlsafe_b64decode(told + "=" * (-len(told) % 4)))
    known.update(text)
    return base64.urlsafe_b64encode(json.dumps(known).encode()).decode().rstrip("=")


TAMPERED = {
    "first letter": lambda before, told, sign: f"{before}{changed(told[0])}{told[1:]}.{sign}",
    "a letter": lambda before, told, sign: (
        f"{before}{told[:40]}{changed(told[40])}{told[41:]}.{sign}"
    ),
    "last letter": lambda before, told, sign: f"{before}{told[:-1]}{changed(told[-1])}.{sign}",
    "one more letter": lambda before, told, sign: f"{before}{told}A.{sign}",
    "padding": lambda before, told, sign: f"{before}{told}=.{sign}",
    "one letter less": lambda before, told, sign: f"{before}{told[:-1]}.{sign}",
    "first of the signature": lambda before, told, sign: (
        f"{before}{told}.{changed(sign[0])}{sign[1:]}"
    ),
    "last of the signature": lambda before, told, sign: (
        f"{before}{told}.{sign[:-1]}{changed(sign[-1])}"
    ),
    "upper case": lambda before, told, sign: f"{before}{told}.{sign.upper()}",
    "half a signature": lambda before, told, sign: f"{before}{told}.{sign[:32]}",
    "no signature": lambda before, told, sign: f"{before}{told}.",
    "no dot": lambda before, told, sign: f"{before}{told}",
    "another dot": lambda before, told, sign: f"{before}{told}.{sign}.{sign}",
    "no token": lambda before, told, sign: before,
    "no query": lambda before, told, sign: before.partition("?")[0],
    "twice": lambda before, told, sign: f"{before}{told}.{sign}&wsgifutures-token={told}.{sign}",
    "quoted": lambda before, told, sign: f"{before}{told}%2E{sign}",
    "no ASCII": lambda before, told, sign: f"{before}{told}.{sign}%E4",
    "no ASCII, as it is": lambda before, told, sign: f"{before}{told}.{sign}ä",
    "very long": lambda before, told, sign: f"{before}{told * 100}.{sign}",
    "other name": lambda before, told, sign: (
        f"{before}{sealed_as(told, {'name': 'plone.path_bar'})}.{sign}"
    ),
    "other kind": lambda before, told, sign: f"{before}{sealed_as(told, {'kind': 'view'})}.{sign}",
    "later": lambda before, told, sign: f"{before}{sealed_as(told, {'until': 9e9})}.{sign}",
    "a query": lambda before, told, sign: f"{before.replace('?', '?text=b&')}{told}.{sign}",
    "a query after it": lambda before, told, sign: f"{before}{told}.{sign}&text=b",
    "another object": lambda before, told, sign: (
        f"{before.replace('/@@', '/Members/@@')}{told}.{sign}"
    ),
    "not signed": lambda before, told, sign: f"{before}bm90aGluZw.{sign}",
}


def test_part_that_no_page_offered_is_refused(site):
    """What may be had is signed: the part, its place, its page's query, and until when."""
    viewlet(site)
    site.portal.invokeFactory("Folder", "Members")
    transaction.commit()
    found = address(site.get(""))
    for name, tamper in TAMPERED.items():
        assert_refused(site, tamper(*parts_of(found)), name=name)
    assert fetch(site, found).status == 200


OTHER_QUERIES = [
    ("text=a", "text=b"),
    ("text=a&n=1", "n=1&text=a"),
    ("&n=1", ""),
    ("n=1", "n=1&n=2"),
    ("n=1", "n=%31"),
]


def test_query_of_a_part_is_that_of_its_page(site):
    """No name, no value, no order of another one."""
    viewlet(site)
    found = address(site.get("", {"text": "a", "n": "1"}))
    for change in OTHER_QUERIES:
        assert found.replace(*change) != found
        assert_refused(site, found.replace(*change))


def test_part_is_not_given_to_a_form(site):
    """Its fields are not signed, and would be read as the query."""
    viewlet(site)
    found = address(site.get(""))
    kind = "application/x-www-form-urlencoded"
    assert_refused(site, found, method="POST", body=b"text=b", kind=kind)


def test_part_that_a_cookie_names_is_that_of_the_query(site):
    """A cookie of the token's name is none."""
    viewlet(site)
    before, told, sign = parts_of(address(site.get("")))
    cookie = {"HTTP_COOKIE": f"wsgifutures-token={told}.{sign}"}
    assert_refused(site, before.partition("?")[0], headers=cookie)


def test_part_of_what_has_no_path_is_refused(site):
    """A view, say: it is no object."""
    viewlet(site)
    assert_refused(site, address(site.get("")).replace("/@@", "/@@plone/@@"))


# who it is for


def test_part_of_a_users_page_is_for_that_user(site, document):
    """Not for another one, and not for nobody, whatever they may see."""
    found = address(site.get("doc", user=MARY))
    for user in (None, MARK, ADMIN):
        assert_refused(site, found, user=user)
    assert fetch(site, found, user=MARY).text == "[A]"


def test_part_of_an_anonymous_page_is_for_anybody(site):
    """A cache may have it for all. Each sees in it what that user may see."""
    viewlet(site)
    found = address(site.get(""))
    assert fetch(site, found).text == "[A]"
    assert fetch(site, found, user=ADMIN).text == "[A]"


def test_token_does_not_tell_whose_it_is(site, document):
    """It stands in the logs of servers."""
    _, told, _ = parts_of(address(site.get("doc", user=MARY)))
    assert "mary" not in base64.urlsafe_b64decode(told + "==").decode()


# who may see it


def test_part_of_a_page_that_became_private_is_refused(site, document):
    """Permissions are asked for anew."""
    document.manage_permission("View", ["Anonymous"])
    document.manage_permission("Access contents information", ["Anonymous"])
    transaction.commit()
    found = address(site.get("doc"))
    document.manage_permission("View", ["Manager"])
    transaction.commit()
    assert_refused(site, found)


def test_part_of_a_public_page_in_a_private_folder_is_had(site):
    """As the page itself."""
    viewlet(site)
    site.portal.invokeFactory("Folder", "f")
    site.portal.f.invokeFactory("Document", "d")
    site.portal.f.manage_permission("View", ["Manager"])
    site.portal.f.d.manage_permission("View", ["Anonymous"])
    transaction.commit()
    assert site.get("f").status == 302  # to log in
    assert fetch(site, address(site.get("f/d"))).text == "[A]"


@fragment(deferred=True)
class ForEditors(Later):
    """Its permission is asked for, too."""


def test_viewlet_that_its_user_may_not_see_any_more_is_not_found(site, document):
    """As in the page, where it is left out."""
    viewlet(site, ForEditors, permission="cmf.ModifyPortalContent", manager="IBelowContent")
    document.manage_permission("Modify portal content", ["Reader"])
    transaction.commit()
    page = site.get("doc", user=MARY)
    found = [one for one in addresses(page) if "foreditors" in told_by(one)["name"]]
    document.manage_permission("Modify portal content", [])
    transaction.commit()
    assert_refused(site, found[0], 404, user=MARY)


def test_viewlet_that_was_hidden_meanwhile_is_not_found(site):
    """In @@manage-viewlets."""
    viewlet(site)
    found = address(site.get(""))
    storage = getUtility(IViewletSettingsStorage)
    storage.setHidden("plone.abovecontent", "*", ("later",))
    skin = site.portal.getCurrentSkinName()
    storage.setHidden("plone.abovecontent", skin, ("later",))
    transaction.commit()
    assert_refused(site, found, 404)


class Secret(BrowserView):
    """A view for some, with a part."""

    def __call__(self):
        return self.part()

    @fragment(deferred=True)
    def part(self):
        return f"[{ask('a')}]"


@fragment(deferred=True)
def secret():
    return f"[{ask('a')}]"


class SecretFunction(BrowserView):
    """The same, of a function."""

    def __call__(self):
        return secret()


@pytest.mark.parametrize("class_", [Secret, SecretFunction])
def test_part_of_a_view_that_its_user_may_not_see_any_more_is_refused(site, document, class_):
    """The view's permission counts."""
    site.zcml(
        f"""<browser:page name="secret" for="*" class="{ME}.{class_.__name__}"
            permission="cmf.ModifyPortalContent" />"""
    )
    document.manage_permission("Modify portal content", ["Reader"])
    transaction.commit()
    found = address(site.get("doc/secret", user=MARY))
    document.manage_permission("Modify portal content", [])
    transaction.commit()
    assert_refused(site, found, user=MARY)


def test_part_of_a_public_view_is_refused_where_its_object_became_private(site, document):
    """Its view would be shown to everybody, as the one is that all pages have."""
    site.zcml(f'<browser:page name="open" for="*" class="{ME}.Secret" permission="zope2.Public" />')
    found = address(site.get("doc/open", user=MARY))
    document.manage_permission("View", ["Manager"])
    transaction.commit()
    assert_refused(site, found, user=MARY)


def test_part_of_an_object_that_is_gone_is_not_found(site, document):
    """As its page."""
    found = address(site.get("doc", user=MARY))
    site.portal.manage_delObjects(["doc"])
    transaction.commit()
    assert fetch(site, found, user=MARY).status == 404
    assert calls == []


# until when


class Clock:
    """What time it is, for what signs."""

    def __init__(self, monkeypatch):
        self.now = 1_800_000_000.0
        monkeypatch.setattr(sealed.time, "time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.mark.parametrize(("user", "valid"), [(MARY, DAY), (None, 14 * DAY)])
def test_part_is_had_for_long_and_not_for_ever(site, document, clock, user, valid):
    """An anonymous page lives in caches for days; 410 then: the page says to load it again."""
    path = "doc" if user else ""
    found = address(site.get(path, user=user))
    clock.now += valid
    assert fetch(site, found, user=user).status == 200
    calls.clear()
    clock.now += DAY + 3600
    assert_refused(site, found, 410, user=user)


def test_anonymous_page_is_the_same_for_a_day(site, clock):
    """A cache that compares two sees no change, and one part is one address."""
    viewlet(site)
    first = address(site.get(""))
    clock.now = clock.now // DAY * DAY + DAY - 1
    same = address(site.get(""))
    clock.now += 1
    assert (same == first, address(site.get("")) == first) == (True, False)


def test_keys_may_be_changed_while_a_page_is_open(site):
    """Every key that the ring still has is accepted, and no other."""
    viewlet(site)
    found = address(site.get(""))
    manager = getUtility(IKeyManager)
    for _ in range(4):
        manager.rotate()
    transaction.commit()
    assert fetch(site, found).status == 200
    calls.clear()
    manager.rotate()
    transaction.commit()
    assert_refused(site, found)


def test_what_was_signed_for_something_else_is_no_token(site):
    """The keys are those of sessions: nothing that was signed as such fits."""
    viewlet(site)
    found = address(site.get(""))
    before, told, sign = parts_of(found)
    key = getUtility(IKeyManager).secret().encode()
    message = json.dumps(["", told, "/plone", ""]).encode()
    other = hmac.digest(key, message, hashlib.sha256).hex()
    assert other != sign
    assert_refused(site, f"{before}{told}.{other}")


# what caches keep


@fragment(deferred=True)
class Public(Later):
    """It says that caches may keep it."""

    def index(self):
        self.request.response.setHeader("Cache-Control", "public, s-maxage=60")
        return super().index()


@pytest.mark.parametrize(
    ("class_", "user", "told"),
    [
        (Later, None, "private, no-store"),
        (Later, ADMIN, "private, no-store"),
        (Public, None, "public, s-maxage=60"),
        (Public, ADMIN, "private, no-store"),
    ],
)
def test_no_cache_keeps_what_is_for_a_user(site, class_, user, told):
    """What is for anybody may be kept, if the part says so."""
    viewlet(site, class_)
    part = fetch(site, address(site.get("", user=user)), user=user)
    assert part.headers["cache-control"] == told
    assert part.headers["vary"] == "Accept-Language, Authorization, Cookie"
    assert part.headers["x-robots-tag"] == "noindex"
