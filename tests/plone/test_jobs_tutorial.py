"""The tutorial of jobs: each version of its files does what the page says."""

from collective.wsgifutures import jobs
from docsaddon import Addon
from docsaddon import DOCS
from holdsite import ADMIN
from plone import api

import pytest
import transaction

PAGE = DOCS["files_of"](DOCS["DOCS"] / "jobs-tutorial.rst")
FILES = {name.removeprefix("acme/"): blocks for name, blocks in PAGE.items()}

#: The version of each file, in the order of the page.
VERSIONS = [
    ("tasks-in-the-view", "views-that-wait"),
    ("tasks-of-a-job", "views-that-submit"),
    ("tasks-with-progress", "views-with-a-key"),
]

TABLE = b"green,Green,\r\nblack,Black,\r\n"

pytest_plugins = ["collective.wsgifutures.testing.fixtures"]


@pytest.fixture
def load(site, functional, tmp_path, monkeypatch):
    """Load the add-on of the page in some version."""
    addon = Addon("acme_export", tmp_path / "acme", functional, monkeypatch)

    def load(*names):
        addon.write({file: version_of(file, names) for file in FILES})
        module = addon.load("tasks")
        monkeypatch.setattr(module, "time", Hurry)

    yield load
    addon.forget()


def version_of(file, names):
    """Return the block of *file* that has one of these names, the last one if there is none."""
    named = [block for block in FILES[file] if block.options.get("name") in names]
    return (named or FILES[file])[-1]


class Hurry:
    """The module ``time``, for what need not take long here."""

    @staticmethod
    def sleep(seconds):
        """Go on."""


@pytest.fixture
def teas(site):
    """A folder with two pages, and something else in it."""
    folder = api.content.create(site.portal, "Folder", "teas")
    for kind, title in (("Document", "Green"), ("Link", "Leaf"), ("Document", "Black")):
        api.content.create(folder, kind, title=title)
    transaction.commit()
    return folder


@pytest.fixture
def press(teas, functional, futures):
    """Press the button, as an editor with a browser; return the browser."""
    browser = futures.browser(functional["app"])
    browser.addHeader("Authorization", "Basic " + ":".join(ADMIN))
    browser.addHeader("Accept", "text/html")

    def press():
        browser.open(f"{teas.absolute_url()}/@@export")
        browser.getControl("Export the pages").click()
        return browser

    return press


@pytest.mark.parametrize("versions", VERSIONS, ids=lambda names: names[1])
def test_the_button_exports_the_pages(load, site, teas, press, versions):
    """At once, or by a job."""
    load(*versions)
    press()
    site.sync()
    assert len(jobs.run()) == (versions != VERSIONS[0])
    assert teas["export.csv"].file.data == TABLE


def test_a_browser_is_led_to_the_page_of_the_job(load, site, press):
    """It shows the end of it, with the result, and leads on to the file."""
    load(*VERSIONS[-1])
    browser = press()
    assert "/@@wsgifutures-job/" in browser.url
    site.sync()
    jobs.run()
    browser.open(browser.url)
    assert "2 pages" in browser.contents
    assert "/teas/export.csv/view" in browser.contents


def test_the_export_can_be_done_again(load, site, teas, press):
    """The file is another one then."""
    load(*VERSIONS[-1])
    for title in ("Green", "White"):
        teas["green"].title = title
        transaction.commit()
        press()
        site.sync()
        jobs.run()
    assert b"White" in teas["export.csv"].file.data


def test_versions_of_the_page_are_all_tested():
    """No more, no less."""
    for number, file in enumerate(("tasks.py", "views.py")):
        names = [block.options["name"] for block in FILES[f"src/acme_export/{file}"]]
        assert names == [versions[number] for versions in VERSIONS]
