"""Everybody's language: what the add-on says to people can be said in German and Finnish too."""

from collective.wsgifutures.controlpanel.lines import FORMS
from collective.wsgifutures.upstreams.settings import UpstreamSettings
from collective.wsgifutures.wsgi.apologies import TRANSLATIONS
from collective.wsgifutures.wsgi.settings import Settings
from dataclasses import fields
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path
from zope.i18n import translate

import collective.wsgifutures
import pytest
import re
import shutil
import sys

sys.path.append(str(Path(__file__).resolve().parent.parent.parent / "tools"))

from translations import CATALOGUES
from translations import compile_catalogue
from translations import DOMAIN
from translations import gather
from translations import POT

LANGUAGES = ("de", "fi")

TO_DO = "make translations, and translate what is new"


each_catalogue = pytest.mark.parametrize("pot", CATALOGUES, ids=lambda pot: pot.stem)


def po_of(language, pot=POT):
    return pot.parent / language / "LC_MESSAGES" / f"{pot.stem}.po"


def texts(file):
    """Return what is to be translated, each with its translation."""
    catalogue = GNUTranslations(BytesIO(compile_catalogue(file)))._catalog
    return {text: said for text, said in catalogue.items() if text}


def msgids(pot):
    """Return what is to be translated, in the order of the file."""
    return re.findall(r'^msgid (".+"(?:\n".*")*|""(?:\n".+")+)$', pot.read_text("utf-8"), re.M)


def variables(text):
    return sorted(re.findall(r"\$\{\w+\}", text))


@each_catalogue
def test_template_when_made_anew_is_the_one_that_is_there(tmp_path, pot):
    """No text of the code is left out of the languages."""
    shutil.copy(pot, tmp_path / pot.name)
    gather(tmp_path / pot.name, CATALOGUES[pot])
    assert msgids(tmp_path / pot.name) == msgids(pot), TO_DO
    assert len(msgids(pot)) > (150 if pot == POT else 5)


@each_catalogue
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_text_has_a_translation_with_the_same_variables(language, pot):
    """Nobody reads half a page in another language."""
    translations = texts(po_of(language, pot))
    assert len(translations) == len(msgids(pot)), TO_DO
    wrong = [one for one, said in translations.items() if variables(one) != variables(said)]
    assert wrong == []


@each_catalogue
@pytest.mark.parametrize("language", LANGUAGES)
def test_compiled_catalogue_is_that_of_its_translations(language, pot):
    """A site needs no compiler and no setting."""
    po = po_of(language, pot)
    assert po.with_suffix(".mo").read_bytes() == compile_catalogue(po), TO_DO


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_setting_is_and_takes_has_its_translation(language):
    """The kernel knows no languages; the control panel does."""
    settings = [*fields(Settings), *fields(UpstreamSettings)]
    shown = {one.metadata["what"] for one in settings} | {takes for _, takes in FORMS.values()}
    assert shown - texts(po_of(language)).keys() == set()


@pytest.mark.parametrize(
    ("language", "said"), [("de", "Gehaltene Antworten"), ("fi", "Odottavat vastaukset")]
)
def test_text_when_asked_for_in_a_language_is_in_it(site, language, said):
    """Plone finds the catalogues."""
    assert translate("Held responses", DOMAIN, target_language=language) == said


def test_package_has_the_catalogues():
    """They are beside the code."""
    folder = Path(collective.wsgifutures.__file__).parent / "locales"
    assert {one.parent.parent.name for one in folder.glob("*/LC_MESSAGES/*.mo")} == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_for_visitors_are_the_same_with_and_without_zope(language):
    """A worker says some before there is a request of Zope, from a table of its own."""
    translations, said = texts(po_of(language)), TRANSLATIONS[language]
    assert {sentence: translations[sentence] for sentence in said} == said
