"""Each page of ours has a title of its own in the browser's tab."""

from holdsite import ADMIN
from lxml.html import fromstring
from plone import api
from sitesettings import install
from sitesettings import PANEL
from snapshots import hold
from snapshots import Workers

import pytest
import transaction

#: The site's title, as it stands in a page.
SITE = "A &lt;b&gt; &amp; site"


@pytest.fixture
def title(site, tmp_path):
    """Ask for a page, and return its title."""
    install(site.portal)
    api.portal.set_registry_record("plone.site_title", "A <b> & site")
    transaction.commit()
    workers = Workers(tmp_path)
    workers.write("000000a1", hold("/plone/page", id="7"))

    def ask(path, **query):
        answer = site.get(path, query=query, user=ADMIN, **workers.settings)
        assert answer.status == 200
        head = answer.body.partition("</head>")[0]
        assert head.count("<title>") == 1
        ask.heading = fromstring(answer.body).findtext(".//h1")
        return head.partition("<title>")[2].partition("</title>")[0].strip()

    return ask


def test_page_of_the_site_has_the_title_that_it_had(title):
    """Only those of ours are another's."""
    assert title("") == SITE
    assert title("@@overview-controlpanel") == SITE


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("@@futures-status", {}, "Live status"),
        ("@@futures-cancel", {"worker": "000000a1", "hold": "7"}, "Cancel this response?"),
        ("@@futures-cancel", {}, "This response is no longer held"),
        (PANEL, {}, "Held responses"),
        ("@@wsgifutures-workers", {}, "Workers elsewhere"),
        ("@@wsgifutures-clock", {}, "Timed work"),
        ("@@wsgifutures-tokens", {}, "Access tokens"),
        ("@@wsgifutures-tokens-of-all", {}, "Access tokens"),
        ("@@wsgifutures-tokens-act", {"what": "end-all:"}, "End all of your tokens?"),
        ("@@wsgifutures-workers-act", {"what": "rotate:"}, "Change the key now?"),
    ],
)
def test_page_of_ours_has_a_title_of_its_own(title, path, query, expected):
    """Before the site's, as Plone puts it; and it is the heading of the page."""
    assert title(path, **query) == f"{expected} — {SITE}"
    assert title.heading.strip() == expected


def test_title_and_heading_are_in_the_language_of_the_page(title):
    """Both."""
    api.portal.set_registry_record("plone.available_languages", ["en", "de"])
    api.portal.set_registry_record("plone.default_language", "de")
    transaction.commit()
    assert title("@@futures-status").startswith(f"{title.heading} — ")
    assert title.heading == "Aktueller Zustand"
