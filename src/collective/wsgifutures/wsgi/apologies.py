"""What a visitor reads if there is no page: the sentences, in English, German and Finnish.

They stand in a table, since they are also needed where nothing of Zope may be: before a request
has a slot, and after its last pass took too long. A page of them has no resources of its own and
needs none, so that it is whole under any Content-Security-Policy, and it costs next to nothing.
"""

from ..kernel.texts import _
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from typing import NamedTuple

import re


class Apology(NamedTuple):
    """Why there is no page, in English."""

    title: str
    text: str


BUSY = Apology(
    _("The site is busy"),
    _("It has more requests than it can answer right now."),
)
LATE = Apology(
    _("This page takes too long"),
    _("A service that this page depends on did not answer in time."),
)
UNAVAILABLE = Apology(
    _("This page is unavailable right now"),
    _("A service that this page depends on is unavailable."),
)
BROKEN = Apology(
    _("This page has an error"),
    _("Something went wrong while the page was made."),
)
AGAIN = _("Please try again in a moment.")
TRY_AGAIN = _("Try again")

#: Each sentence in other languages than English.
TRANSLATIONS = {
    "de": {
        BUSY.title: "Diese Website ist überlastet",
        BUSY.text: "Sie erhält mehr Anfragen, als sie zurzeit beantworten kann.",
        LATE.title: "Diese Seite braucht zu lange",
        LATE.text: "Ein Dienst, den diese Seite braucht, hat nicht rechtzeitig geantwortet.",
        UNAVAILABLE.title: "Diese Seite ist zurzeit nicht verfügbar",
        UNAVAILABLE.text: "Ein Dienst, den diese Seite braucht, ist nicht verfügbar.",
        BROKEN.title: "Auf dieser Seite ist ein Fehler aufgetreten",
        BROKEN.text: "Beim Erstellen der Seite ist etwas schiefgegangen.",
        AGAIN: "Bitte versuchen Sie es gleich noch einmal.",
        TRY_AGAIN: "Erneut versuchen",
    },
    "fi": {
        BUSY.title: "Sivusto on ruuhkautunut",
        BUSY.text: "Sille tulee enemmän pyyntöjä kuin se pystyy juuri nyt käsittelemään.",
        LATE.title: "Sivun lataaminen kestää liian kauan",
        LATE.text: "Palvelu, jota tämä sivu tarvitsee, ei vastannut ajoissa.",
        UNAVAILABLE.title: "Sivu ei ole juuri nyt käytettävissä",
        UNAVAILABLE.text: "Palvelu, jota tämä sivu tarvitsee, ei ole käytettävissä.",
        BROKEN.title: "Tällä sivulla tapahtui virhe",
        BROKEN.text: "Jokin meni pieleen, kun sivua tehtiin.",
        AGAIN: "Yritä hetken kuluttua uudelleen.",
        TRY_AGAIN: "Yritä uudelleen",
    },
}
LANGUAGES = ("en", *TRANSLATIONS)

_STYLE = (
    "html{background:Canvas;color:CanvasText}"
    "body{font:1.125rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;"
    "padding:0 1.25rem}"
    "h1{font-size:1.75rem;line-height:1.25}"
    "a{display:inline-block;margin-top:.5rem;padding:.5rem 1rem;border:1px solid;"
    "border-radius:.25rem;color:inherit;text-decoration:none}a:hover{text-decoration:underline}"
)
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()

#: The headers of a page. Where a proxy forbids the style too, the page is plain and readable.
HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", f"default-src 'none'; style-src 'sha256-{_HASH}'"),
)

_PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text} {again}</p>
{link}</main>
</body>
</html>
"""
#: An empty address is the page's own, with its query.
_LINK = '<p><a href="">{try_again}</a></p>\n'

_RANGE = re.compile(r"\s*([a-z]{2,3})(?:-[^;]*)?\s*(?:;\s*q=\s*(\d(?:\.\d*)?)\s*)?", re.IGNORECASE)


def is_for_people(accept: str) -> bool:
    """Tell whether a browser asks for a page, by the request's header Accept."""
    return "text/html" in accept.lower()


def choose_language(accept_language: str) -> str:
    """Return the language of ``LANGUAGES`` that the request's Accept-Language prefers."""
    found = sorted(_ranges(accept_language), reverse=True, key=lambda one: one[0])
    return next((language for _, language in found), LANGUAGES[0])


def render(apology: Apology, language: str, *, may_repeat: bool = True) -> bytes:
    """Return the page that says *apology*.

    Args:
        apology: What the page says.
        language: One of ``LANGUAGES``.
        may_repeat: The request may be repeated, so there is a link that does.
    """
    said = TRANSLATIONS.get(language, {})
    title, text, again, try_again = (
        escape(said.get(sentence, sentence)) for sentence in (*apology, AGAIN, TRY_AGAIN)
    )
    link = _LINK.format(try_again=try_again) if may_repeat else ""
    facts = {"language": language, "title": title, "text": text, "again": again, "link": link}
    return _PAGE.format(style=_STYLE, **facts).encode()


def _ranges(accept_language: str) -> Iterator[tuple[float, str]]:
    """Yield how much each of our languages is wanted."""
    for part in accept_language.split(","):
        match = _RANGE.fullmatch(part)
        if match is None or match[1].lower() not in LANGUAGES:
            continue
        quality = float(match[2] or 1)
        if quality:
            yield quality, match[1].lower()
