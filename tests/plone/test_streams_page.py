"""The element for a stream in a page: what its macro puts there, and the example of the docs."""

from collective.wsgifutures.browser.stream import Streams
from docsaddon import DOCS
from lxml.html import fromstring
from pathlib import Path
from plone import api

import collective.wsgifutures
import pytest
import re
import transaction

SCRIPT = Path(collective.wsgifutures.__file__).parent / "browser" / "static" / "stream.js"

#: "Stop", and what is said of a busy server.
SAID = {
    "en": ("Stop", "The server is busy. Try again in {n} seconds."),
    "de": (
        "Anhalten",
        "Der Server ist ausgelastet. Versuchen Sie es in {n} Sekunden noch einmal.",
    ),
    "fi": (
        "Pysäytä",
        "Palvelin on ruuhkautunut. Yritä uudelleen {n} sekunnin kuluttua.",
    ),
}


@pytest.fixture
def docs(site):
    """Register the views of the docs' example."""
    files = DOCS["files_of"](DOCS["DOCS"] / "streams.rst")
    (code,), (template,) = files["acme/views.py"], files["acme/ask.pt"]
    names = {"__name__": "acme_views"}
    exec(compile(code.text, code.place, "exec"), names)
    site.view("ask", names["Ask"].__call__, template=template.text, answer=names["Ask"].answer)
    site.view("tell", lambda self: names["Tell"].__call__(self, self.request.form["question"]))


def element(answer):
    (one,) = fromstring(answer.body).iter("wsgifutures-stream")
    return one


def test_example_of_the_docs_has_its_element_and_answers_with_the_whole_text(site, docs):
    """For those with JavaScript and for those without."""
    url = site.portal.absolute_url()
    one = element(site.get("@@ask"))
    assert (one.get("src"), one.get("form")) == (f"{url}/@@tell", "ask")
    assert one.text_content().strip() == ""
    whole = element(site.post("@@ask", {"question": "Why?"}))
    assert whole.text_content().strip() == "You ask: Why?"
    assert site.post("@@tell", {"question": "Why?"}).body == "You ask: Why?"


def test_link_of_the_docs_stands_in_the_element(site):
    """Without a form the element has no attribute for one."""
    (block, *_) = DOCS["blocks_of"](DOCS["DOCS"] / "streams.rst", "html")
    site.view("page", template=block.text)
    one = element(site.get("@@page"))
    assert one.find("a").get("href") == one.get("src")
    assert one.get("src").endswith("/@@tell?question=Why")
    assert "form" not in one.attrib


def test_files_of_the_element_are_named_where_it_is_used_and_are_there(site, docs):
    """With addresses that change with the files, on no other page."""
    page = fromstring(site.get("@@ask").body)
    for kind in ("stream.css", "stream.js"):
        (address,) = [one for *_, one, _ in page.iterlinks() if kind in one]
        assert re.search(
            rf"/\+\+resource\+\+collective\.wsgifutures/{kind}\?[0-9a-f]{{8}}$", address
        )
        path = address.removeprefix(site.portal.absolute_url()).lstrip("/")
        assert site.get(path.partition("?")[0]).status == 200
    assert "stream.js" not in site.get("").body


@pytest.mark.parametrize("language", SAID)
def test_texts_of_the_element_are_in_the_language_of_the_site(site, docs, language):
    """All that are visible or heard."""
    api.portal.set_registry_record("plone.available_languages", [language])
    api.portal.set_registry_record("plone.default_language", language)
    site.portal.setLanguage(language)
    transaction.commit()
    one = element(site.get("@@ask"))
    assert (one.get("data-stop"), one.get("data-busy")) == SAID[language]


def test_texts_of_the_macro_are_those_of_the_script():
    """So an element that is written by hand says the same, in English."""
    (texts,) = re.findall(r"^const TEXTS = \{\n(.+?)\n\};", SCRIPT.read_text(), re.M | re.S)
    of_script = dict(re.findall(r'^  (\w+): "(.+)",$', texts, re.M))
    markup = Path(Streams.template.filename).read_text()
    of_macro = dict(re.findall(r'data-(\w+)="(.+)"', markup))
    translated = re.search(r'i18n:attributes="(.+)"', markup)[1]
    assert of_macro == of_script
    assert set(translated.replace("data-", "").split("; ")) == set(of_script)


def test_macro_is_no_page(site):
    """It answers 404 by itself."""
    assert site.get("@@wsgifutures-stream").status == 404
