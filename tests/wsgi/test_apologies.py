"""A browser gets a page that says what happened, in its language; other clients get text."""

from .applications import Answer
from .applications import holding
from .applications import make_environ
from .applications import page
from base64 import b64encode
from collective.wsgifutures import FutureTimeout
from collective.wsgifutures import UpstreamBusy
from collective.wsgifutures.kernel.arrivals import Refused
from collective.wsgifutures.kernel.gate import NoAnswer
from collective.wsgifutures.wsgi import apologies
from hashlib import sha256
from html.parser import HTMLParser

import pytest
import re

pytestmark = pytest.mark.concurrency

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

#: What ends a request, the answer's status, and what its page says.
ENDS = {
    "refused": (Refused("max_waiting"), "503 Service Unavailable", apologies.BUSY),
    "no answer": (NoAnswer(), "504 Gateway Timeout", apologies.LATE),
    "late": (FutureTimeout("acme.secret", 3), "504 Gateway Timeout", apologies.LATE),
    "away": (
        UpstreamBusy("acme.secret", "host", 6.5, "full"),
        "503 Service Unavailable",
        apologies.UNAVAILABLE,
    ),
}
each = pytest.mark.parametrize("end", ENDS)


class Page(HTMLParser):
    """What is on a page: the attributes of its tags, and its texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self._open = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_data(self, data):
        if data.strip():
            self.texts[self._open[-1]] = data

    def all(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def ask(end, **environ):
    """Ask for a page of an application that ends in *end*."""
    error = ENDS[end][0]

    def view(environ):
        raise error

    return Answer(holding(page(view)), make_environ(**environ))


@each
def test_browser_gets_a_page_that_says_what_happened(end):
    """With a title, a sentence and a link that tries again; it names nothing of the inside."""
    _, status, apology = ENDS[end]
    answer = ask(end, HTTP_ACCEPT=BROWSER)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["Cache-Control"] == "no-store"
    page = Page(answer.body.decode())
    assert page.texts["title"] == page.texts["h1"] == apology.title
    assert page.texts["p"] == f"{apology.text} {apologies.AGAIN}"
    assert (page.all("html"), page.all("a")) == ([{"lang": "en"}], [{"href": ""}])
    assert b"acme" not in answer.body


@each
@pytest.mark.parametrize("accept", ["*/*", "application/json", None])
def test_other_clients_get_plain_text(end, accept):
    """As scripts and proxies are used to."""
    answer = ask(end, **({"HTTP_ACCEPT": accept} if accept else {}))
    assert answer.status == ENDS[end][1]
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.body.endswith(b"Please try again in a moment.\n")
    assert "Content-Security-Policy" not in answer.headers


def test_page_keeps_when_to_try_again():
    """Whichever error says so."""
    assert ask("refused", HTTP_ACCEPT=BROWSER).headers["Retry-After"] == "5"
    assert ask("away", HTTP_ACCEPT=BROWSER).headers["Retry-After"] == "7"
    assert "Retry-After" not in ask("late", HTTP_ACCEPT=BROWSER).headers


def test_page_loads_nothing_and_its_policy_allows_its_style_alone():
    """So it is whole under any policy, and where nothing else of the site answers."""
    answer = ask("late", HTTP_ACCEPT=BROWSER)
    (style,) = re.findall("<style>(.*?)</style>", answer.body.decode())
    found = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{found}'"
    assert answer.headers["Content-Security-Policy"] == policy
    assert not re.search(rb"src=|url\(|<link|<script|style=", answer.body)


def test_page_of_a_post_has_no_link():
    """A link would ask for the page without what was sent."""
    answer = ask("late", REQUEST_METHOD="POST", HTTP_ACCEPT=BROWSER)
    assert b"<a" not in answer.body


def test_head_has_the_headers_of_the_page():
    """And no body."""
    answer = ask("late", REQUEST_METHOD="HEAD", HTTP_ACCEPT=BROWSER)
    assert (answer.headers["Content-Type"], answer.body) == ("text/html; charset=utf-8", b"")
    assert answer.headers["Content-Length"] != "0"


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("FI-fi, en;q=0.5", "fi"),
        ("fr, fi;q=0.4, de;q=0.6", "de"),
        ("en-GB;q=0.8, fi;q=0.9", "fi"),
        ("fr;q=1.0, *;q=0.5", "en"),
        ("de;q=0, fi;q=0.1", "fi"),
        ("de;q=x, ;;, ,-", "en"),
        ("", "en"),
    ],
)
def test_page_is_in_the_language_that_its_visitor_prefers(accept_language, language):
    """Of the three that there are; else in English."""
    answer = ask("late", HTTP_ACCEPT=BROWSER, HTTP_ACCEPT_LANGUAGE=accept_language)
    page = Page(answer.body.decode())
    title = apologies.LATE.title
    assert page.all("html") == [{"lang": language}]
    assert page.texts["h1"] == apologies.TRANSLATIONS.get(language, {}).get(title, title)


def test_each_language_has_each_sentence():
    """And none that is not said any more."""
    kinds = (apologies.BUSY, apologies.LATE, apologies.UNAVAILABLE, apologies.BROKEN)
    sentences = {sentence for kind in kinds for sentence in kind}
    sentences |= {apologies.AGAIN, apologies.TRY_AGAIN}
    assert {language: set(said) for language, said in apologies.TRANSLATIONS.items()} == {
        "de": sentences,
        "fi": sentences,
    }
