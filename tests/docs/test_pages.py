"""The pages that a newcomer reads first: what they show works, and nothing is missing."""

from blocks import blocks_of
from blocks import DOCS
from blocks import files_of
from blocks import PAGES
from collective.wsgifutures import compat
from collective.wsgifutures import testing
from collective.wsgifutures.compat import taskqueue
from collective.wsgifutures.upstreams.upstream import Method
from packaging.requirements import Requirement
from test_docs import rows_of
from test_docs import stands_by_itself
from test_release import setup_py

import collective.wsgifutures
import os
import pytest
import re
import subprocess
import sys


def run_python(folder, *arguments):
    """Run Python in *folder*, with the add-on that was written there."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder / "acme" / "src"), *sys.path]),
        },
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


# A first future


@pytest.fixture
def first_future(tmp_path):
    """Write the add-on of the page; return the folder."""
    for name, (block,) in files_of(DOCS / "first-future.rst").items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text)
    return tmp_path


LOOK_UP = """
import AccessControl, Products.Five, acme_first.views
from collective.wsgifutures.testing import HeldRequest
from OFS.SimpleItem import SimpleItem
from zope.component import getMultiAdapter
from zope.configuration import xmlconfig
from zope.publisher.browser import TestRequest

context = xmlconfig.file("meta.zcml", Products.Five)
xmlconfig.file("permissions.zcml", AccessControl, context=context)
xmlconfig.file("configure.zcml", acme_first, context=context)
page = type("Page", (SimpleItem,), {"Title": lambda self: "Tea"})()

def publish():
    return getMultiAdapter((page, TestRequest()), name="first-future")()

acme_first.views.time.sleep = lambda seconds: None
request = HeldRequest(publish)
print(request.run(), request.passes)
"""


def test_first_future_shows_what_its_page_says(first_future):
    """By its ZCML, in two passes."""
    shown = "Hello Tea, that took three seconds.\n 2\n"
    assert run_python(first_future, "-c", LOOK_UP) == (0, shown)


def test_test_of_the_first_future_passes(first_future):
    """As it stands there."""
    options = ("-q", "-p", "no:plone", "-p", "no:cacheprovider")
    status, output = run_python(first_future, "-m", "pytest", *options, "acme/tests")
    assert (status, "1 passed" in output) == (0, True), output


# The tutorial of jobs


def test_tests_of_the_tutorial_of_jobs_pass(tmp_path):
    """As many as its page says, in a Plone site."""
    for name, blocks in files_of(DOCS / "jobs-tutorial.rst").items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(blocks[-1].text)
    options = ("-q", "-p", "no:cacheprovider")
    status, output = run_python(tmp_path, "-m", "pytest", *options, "acme/tests")
    assert (status, "3 passed" in output) == (0, True), output


# The cookbook


def test_each_recipe_of_the_cookbook_is_complete():
    """It runs by itself, with tests of its own."""
    recipes = blocks_of(DOCS / "cookbook.rst", "python")
    assert len(recipes) == 4
    assert all(stands_by_itself(block) for block in recipes)
    assert all(len(re.findall(r"^def test_", block.text, re.M)) >= 2 for block in recipes)


# The API on one screen


def names_in(title):
    """Return what is named in a section of the page, without its module."""
    text = (DOCS / "api.rst").read_text(encoding="utf-8")
    section = re.split(r"\n.+\n=+\n", text.split(f"\n{title}\n===", 1)[1])[0]
    roles = re.findall(r":py:obj:`(?:[^`<]* <)?([\w.]+)>?`", section)
    return {name.removeprefix("~") for name in roles}


def test_page_of_the_api_has_every_public_name():
    """And every method of an upstream; no more, no less."""
    parts = ("Ask for a result", "Work after the answer", "Call a service", "Errors")
    names = set().union(*map(names_in, parts))
    upstream = collective.wsgifutures.Upstream("listed", "http://127.0.0.1:1")
    methods = {
        f"Upstream.{name}" for name, one in vars(upstream).items() if isinstance(one, Method)
    }
    assert names == {*collective.wsgifutures.__all__, *methods}
    assert len(methods) == 7


@pytest.mark.parametrize(
    ("title", "module"),
    [
        ("Test", testing),
        ("The names of collective.futures", compat),
        ("The names of collective.taskqueue", taskqueue),
    ],
)
def test_page_of_the_api_has_every_name_of_a_module(title, module):
    """No more, no less."""
    assert names_in(title) == set(module.__all__)


# The page on developing


def test_tests_with_pytest_plone_pass(tmp_path):
    """With the service of its own page, in a Plone site."""
    for page in ("rest.rst", "develop.rst"):
        for name, (block,) in files_of(DOCS / "howto" / page).items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
    (tmp_path / "acme" / "__init__.py").touch()
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "acme"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "2 passed" in done.stdout) == (0, True), done.stdout + done.stderr


# Which versions go with which


def versions_of(name):
    """Return what a file of constraints pins, by name."""
    lines = (DOCS.parent / name).read_text(encoding="utf-8").splitlines()
    return dict(re.split("==|;", line)[:2] for line in lines if re.match(r"[\w.-]+==", line))


def test_page_of_versions_says_what_setup_py_asks_for():
    """And what the tests run with."""
    rows = {name: (takes, why) for name, takes, why in rows_of("versions.rst", "versions")}
    asked = {Requirement(one) for one in setup_py()["install_requires"]}
    oldest = {one.name: str(one.specifier).removeprefix(">=") for one in asked}
    newest, plone61 = versions_of("constraints.txt"), versions_of("constraints-plone61.txt")
    for name in ("gevent", "gunicorn", "requests", "urllib3"):
        takes, why = rows[name]
        assert (takes.split()[0], f"with {newest[name]}." in why) == (oldest[name], True), name
    assert rows["Zope"][0].startswith(oldest["Zope"])
    for name in (newest["Products.CMFPlone"], plone61["Products.CMFPlone"]):
        assert name in rows["Plone"][1]
    said = " ".join(setup_py()["classifiers"])
    assert rows["Plone"][0].split(", ") == re.findall(r"Framework :: Plone :: (\d\.\d)", said)
    assert rows["Python"][0].split(", ") == re.findall(r"Python :: (3\.\d+)", said)


# The questions


def test_answers_are_short():
    """Two to five lines, and a place to read on for most."""
    text = (DOCS / "faq.rst").read_text(encoding="utf-8")
    answers = re.split(r"\n(.+\?)\n-+\n", text)
    found = dict(zip(answers[1::2], answers[2::2], strict=True))
    assert len(found) >= 25
    for question, said in found.items():
        lines = re.split(r"\n.+\n=+\n", said)[0].strip().splitlines()
        assert len(lines) <= 5, question


# The README


def test_pictures_of_the_readme_are_in_the_repository():
    """By a path that holds where the README is."""
    text = (DOCS.parent / "README.rst").read_text(encoding="utf-8")
    pictures = re.findall(r"^\.\. image:: (\S+)$", text, re.M)
    assert pictures
    assert all((DOCS.parent / picture).is_file() for picture in pictures)


# Every page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_list_of_contents_on_a_page_is_on_purpose(page):
    """The theme shows one at the side, and calls a second one an error, unless it has a class."""
    text = page.read_text(encoding="utf-8")
    mark = "    :class: this-will-duplicate-information-and-it-is-still-useful-here\n"
    assert text.count("\n.. contents::\n") == text.count(mark)
