"""A real browser at a real site.

``browser`` is a new visitor (chromium.py has what it can), ``site`` a site with the add-on
and the demo, for tests that leave it as it is, ``start_own`` starts one for a test that
changes it. Screenshots are saved in ``var/screenshots``, or where the environment variable
``SCREENSHOTS`` says::

    def test_demo_when_opened_is_readable(browser, site):
        browser.log_in(site.site)
        browser.open(site.site + "/@@futures-demo")
        browser.check_accessibility()
        browser.screenshot("demo")
"""

from chromium import Browser
from pathlib import Path
from sites import speak
from sites import start_site
from status_site import start_status_site

import instances
import os
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def bare_instance():
    """An instance whose site has no add-on; no server runs on it."""
    return instances.bare()


@pytest.fixture(scope="session")
def demo_instance():
    """An instance whose site has the add-on and the demo; no server runs on it."""
    return instances.demo()


@pytest.fixture(scope="session")
def site(demo_instance, tmp_path_factory):
    """A site with the add-on and the demo. A test leaves it as it is."""
    started = start_site(demo_instance, tmp_path_factory.mktemp("site") / "instance")
    yield started
    started.stop()


@pytest.fixture(scope="session")
def site_in(demo_instance, tmp_path_factory):
    """Return a site in a language; ``site_in("fi")``. A test leaves it as it is."""
    started = {}

    def start(language):
        if language not in started:
            folder = tmp_path_factory.mktemp(language)
            instance = speak(demo_instance, folder / "template", language)
            started[language] = start_site(instance, folder / "instance")
        return started[language]

    yield start
    for one in started.values():
        one.stop()


@pytest.fixture(scope="module")
def running(demo_instance, tmp_path_factory):
    """The site with two workers, for the tests of one module."""
    started = start_status_site(demo_instance, tmp_path_factory.mktemp("status") / "instance")
    yield started
    started.stop()


@pytest.fixture
def start_own(demo_instance, tmp_path):
    """Start a site for one test, which may change it; ``start_own(instance, env={…})``."""
    started = []

    def start(instance=demo_instance, **options):
        folder = tmp_path / f"instance-{len(started)}"
        started.append(start_site(instance, folder, **options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="session")
def _window():
    browser = Browser(Path(os.environ.get("SCREENSHOTS", ROOT / "var" / "screenshots")))
    yield browser
    browser.quit()


@pytest.fixture
def browser(_window):
    """A new visitor: not logged in, no cookies, a desktop's width."""
    _window.forget()
    _window.resize("desktop")
    _window.complaints()
    return _window
