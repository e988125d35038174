"""Where a service did not answer, visitors read that: in the site's theme, or in JSON."""

from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures.browser import apology
from collective.wsgifutures.compat import FutureNotResolvedError
from collective.wsgifutures.kernel.errors import ExecutorBusy
from collective.wsgifutures.kernel.errors import FutureTimeout
from collective.wsgifutures.kernel.errors import HoldCancelled
from collective.wsgifutures.kernel.errors import HoldExpired
from collective.wsgifutures.upstreams.errors import UpstreamTimeout
from collective.wsgifutures.wsgi import apologies
from holdsite import ADMIN
from holdsite import ask
from lxml.html import fromstring
from plone import api
from plone.app.layout.viewlets import ViewletBase
from plone.rest import Service

import pytest
import transaction

UNAVAILABLE, LATE = apologies.UNAVAILABLE, apologies.LATE

#: Each kind of error, its status and what its page says.
ERRORS = [
    (UpstreamBusy("acme", "secret.example.com", 6.5, "full"), 503, UNAVAILABLE),
    (ExecutorBusy("acme.secret", "threads", 1, 2), 503, UNAVAILABLE),
    (HoldCancelled("acme.secret"), 503, UNAVAILABLE),
    (UpstreamTimeout("acme", "secret.example.com", 3, "read"), 504, LATE),
    (FutureTimeout("acme.secret", 3), 504, LATE),
    (HoldExpired("acme.secret", 55), 504, LATE),
    (FutureNotResolvedError("acme.secret"), 504, LATE),
]
each = pytest.mark.parametrize(
    ("error", "status", "said"), ERRORS, ids=[type(one[0]).__name__ for one in ERRORS]
)
BUSY = ERRORS[0][0]

#: What each language says of ``UNAVAILABLE``, with the link.
LANGUAGES = {
    "en": (UNAVAILABLE.title, UNAVAILABLE.text, "Try again"),
    **{
        language: (said[UNAVAILABLE.title], said[UNAVAILABLE.text], said[apologies.TRY_AGAIN])
        for language, said in apologies.TRANSLATIONS.items()
    },
}


def show(site, error, name="away"):
    """Register a view that raises *error*."""

    def view(self):
        raise error

    site.view(name, view)


def one(answer, css):
    """Return the text of the only element that *css* matches."""
    (element,) = fromstring(answer.body).cssselect(css)
    return " ".join(element.text_content().split())


def links(answer):
    return [link.get("href") for link in fromstring(answer.body).cssselect("#content-core a")]


def speak(language):
    api.portal.set_registry_record("plone.available_languages", [language])
    api.portal.set_registry_record("plone.default_language", language)
    api.portal.get().setLanguage(language)


# the page


@each
def test_error_when_not_caught_is_a_page_that_says_what_happened(site, error, status, said):
    """With the right status, in the site's theme, and naming nothing of the inside."""
    show(site, error)
    answer = site.get("away")
    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get("retry-after") == getattr(error, "headers", {}).get("Retry-After")
    assert one(answer, "title") == f"{said.title} — Plone site"
    assert one(answer, "#content h1") == said.title
    assert one(answer, "#content .lead") == f"{said.text} {apologies.AGAIN}"
    assert "portal-footer" in answer.body
    assert "secret" not in answer.body
    assert type(error).__name__ not in answer.body
    assert "web address" not in answer.text
    assert site.errors == [type(error).__name__]


def test_page_repeats_the_request_with_its_query(site):
    """A link is enough: it is a GET."""
    show(site, BUSY)
    answer = site.get("away", query={"q": "<a&b>", "page": "2"})
    assert links(answer) == ["http://nohost/plone/away?q=%3Ca%26b%3E&page=2"]
    assert links(site.get("away")) == ["http://nohost/plone/away"]


def test_page_of_a_post_says_that_nothing_was_saved(site):
    """A link would not send it again."""
    show(site, BUSY)
    answer = site.post("away", {"name": "value"})
    assert (answer.status, links(answer)) == (503, [])
    assert "This site has not saved what you sent." in answer.text


def test_manager_reads_what_the_error_says(site):
    """Its future, its host and its traceback."""
    show(site, BUSY)
    answer = site.get("away", user=ADMIN)
    assert "UpstreamBusy: The upstream acme (secret.example.com)" in one(answer, "#futures-error")
    assert "Traceback" in one(answer, "#futures-error pre")


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_is_in_the_language_of_the_site(site, language):
    """As are the pages around it."""
    title, text, link = LANGUAGES[language]
    speak(language)
    transaction.commit()
    show(site, BUSY)
    answer = site.get("away")
    assert one(answer, "#content h1") == title
    assert one(answer, "title").startswith(f"{title} — ")
    assert one(answer, "#content .lead").startswith(text)
    assert one(answer, "#content a.btn") == link
    assert fromstring(answer.body).get("lang") == language


def test_page_of_a_private_place_names_it_to_nobody(site):
    """The page stands at the closest object that its visitor may view, or at the site."""
    folder = api.content.create(site.portal, "Folder", "inside", title="Secret plans")
    site.portal.manage_permission("View", ["Manager"])
    folder.manage_permission("View", ["Manager"])
    transaction.commit()
    show(site, BUSY)
    for path in ("", "inside"):
        answer = site.get(f"{path}/away")
        assert (answer.status, one(answer, "#content h1")) == (503, UNAVAILABLE.title)
        assert one(answer, "title").startswith(UNAVAILABLE.title)
        assert "Secret" not in answer.body
    assert "Secret plans" in site.get("inside/away", user=ADMIN).body


def test_page_outside_of_a_site_needs_none(site):
    """Zope's root has no theme."""
    show(site, BUSY)
    answer = site.get("../away", headers={"HTTP_ACCEPT_LANGUAGE": "fi"})
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert one(answer, "h1") == LANGUAGES["fi"][0]
    assert_needs_nothing(answer)


@pytest.mark.parametrize("held", [True, False])
def test_page_outside_of_a_site_takes_no_language_of_a_form(site, held):
    """There it could be anything, a list for example."""
    show(site, BUSY)
    fi = {"HTTP_ACCEPT_LANGUAGE": "fi"}
    answer = site.get("../away", query={"LANGUAGE:list": "de"}, headers=fi, held=held)
    assert (answer.status, one(answer, "h1")) == (503, LANGUAGES["fi"][0])


def test_page_when_its_template_fails_is_the_one_that_needs_nothing(site, monkeypatch):
    """So that an error in the theme does not hide what happened."""

    def fail(self, **facts):
        raise LookupError("theme")

    monkeypatch.setattr(apology.Page, "index", fail)
    show(site, BUSY)
    answer = site.get("away")
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert one(answer, "title") == one(answer, "h1") == UNAVAILABLE.title
    assert "portal-footer" not in answer.body
    assert_needs_nothing(answer)


def assert_needs_nothing(answer):
    """No theme is put around the page, and the page may load nothing."""
    assert answer.headers["x-theme-disabled"] == "1"
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")


class AskingViewlet(ViewletBase):
    def render(self):
        return f"<p id='asked'>{ask('a')}</p>"


def test_page_with_a_viewlet_that_waits_has_it(site):
    """The page is like the others of its site; it is rendered again when the result is there."""
    site.zcml(
        """<browser:viewlet
            name="asking" class="test_apologies.AskingViewlet" permission="zope2.Public"
            manager="plone.app.layout.viewlets.interfaces.IAboveContent" />"""
    )
    show(site, BUSY)
    answer = site.get("away")
    assert (answer.status, answer.passes) == (503, ["Suspended", "503"])
    assert one(answer, "#asked") == "A"
    assert one(answer, "#content h1") == UNAVAILABLE.title


def test_page_is_there_where_responses_are_not_held(site):
    """A call in place may fail too."""
    show(site, BUSY)
    answer = site.get("away", held=False)
    assert (answer.status, one(answer, "#content h1")) == (503, UNAVAILABLE.title)


def test_page_is_json_for_a_script_that_asks_for_no_html(site):
    """As Plone's own."""
    show(site, BUSY)
    answer = site.get("away", accept="*/*")
    assert (answer.status, answer.json) == (503, {"error_type": "UpstreamBusy"})
    assert answer.headers["cache-control"] == "no-store"


# plone.restapi


class AwayService(Service):
    """A service."""

    def render(self):
        (error,) = [one for one, *_ in ERRORS if type(one).__name__ == self.request.form["name"]]
        raise error


def rest(site, error, **more):
    site.zcml(
        """<plone:service
            name="@apology" method="GET" for="*" permission="zope2.Public"
            factory="test_apologies.AwayService" />"""
    )
    query = {"name": type(error).__name__}
    return site.get("@apology", accept="application/json", query=query, **more)


@each
def test_error_of_a_service_says_what_happened(site, error, status, said):
    """In JSON: a sentence, and when to ask again; nothing of the inside."""
    answer = rest(site, error)
    after = getattr(error, "headers", {}).get("Retry-After")
    expected = {
        "type": type(error).__name__,
        "message": f"{said.text} {apologies.AGAIN}",
        "context": "http://nohost/plone",
    }
    if after is not None:
        expected["retry_after"] = int(after)
    assert (answer.status, answer.json) == (status, expected)
    assert answer.headers.get("retry-after") == after
    assert answer.headers["cache-control"] == "no-store"


def test_manager_gets_the_text_and_the_traceback_of_a_services_error(site):
    """As plone.rest gives them."""
    answer = rest(site, BUSY, user=ADMIN).json
    assert answer["message"] == str(BUSY)
    assert any("raise error" in line for line in answer["traceback"])
    assert answer["retry_after"] == 7


def test_message_of_a_services_error_is_in_the_language_of_the_site(site):
    """A client may show it to its user."""
    speak("de")
    transaction.commit()
    said = apologies.TRANSLATIONS["de"]
    message = f"{said[UNAVAILABLE.text]} {said[apologies.AGAIN]}"
    assert rest(site, BUSY).json["message"] == message
