"""The fixture of pytest and the layer of zope.testrunner, run by their own runners."""

import os
import pytest
import re
import subprocess
import sys
import textwrap

CALLS = """
from collective.wsgifutures import future

@future(key="shop.price")
def price(item):
    raise RuntimeError("a test must not call the shop")

def bare():
    try:
        return price("tea")
    except:
        return "without"
"""

CONFTEST = 'pytest_plugins = ["collective.wsgifutures.testing.fixtures"]\n'

WITH_PYTEST = """
from calls import bare, price
import sys

def test_settled(futures):
    futures.settle(price, "tea", value=250)
    assert futures.publish(lambda: price("tea")) == 250
    assert "Zope2" not in sys.modules

def test_begins_anew(futures):
    futures.publish(lambda: price("tea"))

def test_lost(futures):
    assert bare() == "without"
"""

WITH_A_LAYER = """
from calls import price
from collective.wsgifutures.testing.layers import FUTURES
from plone.testing import Layer
import unittest

class Test(unittest.TestCase):
    layer = Layer(bases=(FUTURES,), name="mine")

    def test_settled(self):
        futures = self.layer["futures"]
        futures.settle(price, "tea", value=250)
        self.assertEqual(futures.publish(lambda: price("tea")), 250)
        self.assertEqual(futures.passes, 2)

    def test_unexpected(self):
        self.layer["futures"].publish(lambda: price("tea"))
"""


JOBS = """
from collective.wsgifutures import task

@task(name="shop.mail")
def mail(context, to):
    raise RuntimeError("nothing runs")

def bare():
    try:
        mail.submit(None, "somebody")
    except:
        return "without"
"""

JOBS_WITH_PYTEST = """
from jobs import bare, mail

def test_refused(submitted_jobs):
    mail.submit(None, "somebody")

def test_lost(submitted_jobs):
    assert bare() == "without"

def test_without_a_site(submitted_jobs):
    submitted_jobs.allow(mail)
    try:
        mail.submit(None, "somebody")
    except Exception as error:
        assert "no site" in str(error)
"""

JOBS_WITH_A_LAYER = """
from jobs import mail
from collective.wsgifutures.testing.layers import SUBMITTED_JOBS
from plone.testing import Layer
import unittest

class Test(unittest.TestCase):
    layer = Layer(bases=(SUBMITTED_JOBS,), name="mine")

    def test_begins_anew(self):
        self.assertEqual(self.layer["submitted_jobs"].all, [])

    def test_refused(self):
        mail.submit(None, "somebody")
"""


@pytest.fixture
def run(tmp_path):
    """Write files; return what runs a module of Python on them and gives its output."""

    def run(files, *arguments):
        for name, text in {"calls.py": CALLS, **files}.items():
            (tmp_path / name).write_text(textwrap.dedent(text))
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout + done.stderr

    return run


def test_fixture_of_pytest_settles_and_refuses(run):
    """What a view has lost is told too, and what a test has told is not told twice."""
    files = {"conftest.py": CONFTEST, "test_it.py": WITH_PYTEST}
    output = run(files, "pytest", "-q", "-p", "no:plone", "-p", "no:cacheprovider")
    assert re.search("1 failed, 2 passed,.* 1 error", output), output
    assert "UnexpectedCall: shop.price was asked for" in output
    assert "ERROR test_it.py::test_lost" in output


def test_layer_of_zope_testrunner_settles_and_refuses(run):
    """Each test has its own."""
    files = {"test_it.py": WITH_A_LAYER}
    output = run(files, "zope.testrunner", "--path", ".", "--tests-pattern", "test_it")
    assert "Ran 2 tests with 0 failures, 1 errors" in output, output
    assert "UnexpectedCall: shop.price was asked for" in output


def test_fixture_of_pytest_refuses_jobs(run):
    """Where they are submitted, and at the end if that was swallowed."""
    files = {"conftest.py": CONFTEST, "jobs.py": JOBS, "test_it.py": JOBS_WITH_PYTEST}
    output = run(files, "pytest", "-q", "-p", "no:plone", "-p", "no:cacheprovider")
    assert re.search("1 failed, 2 passed,.* 1 error", output), output
    assert "submitted_jobs.allow(mail, ..., to=...)" in output
    assert "ERROR test_it.py::test_lost" in output


def test_layer_of_zope_testrunner_refuses_jobs(run):
    """Where they are submitted."""
    files = {"jobs.py": JOBS, "test_it.py": JOBS_WITH_A_LAYER}
    output = run(files, "zope.testrunner", "--path", ".", "--tests-pattern", "test_it")
    assert "Ran 2 tests with 0 failures, 1 errors" in output, output
    assert "A job of shop.mail was submitted" in output
