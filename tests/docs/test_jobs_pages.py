"""The pages on jobs say what the code does."""

from blocks import blocks_of
from blocks import DOCS
from blocks import files_of
from blocks import ROOT
from collective.wsgifutures import work
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs import neighbours
from collective.wsgifutures.jobs import options
from collective.wsgifutures.jobs import runner
from collective.wsgifutures.jobs import work as attempts
from collective.wsgifutures.jobs.tasks import LONGEST_PAUSE
from collective.wsgifutures.jobs.tasks import Task
from collective.wsgifutures.kernel import gate
from collective.wsgifutures.wsgi.settings import Settings
from test_docs import rows_of

import argparse
import ast
import configparser
import inspect
import pytest
import re
import shlex

OPERATE = DOCS / "howto" / "jobs-operate.rst"


def text_of(page):
    return " ".join((DOCS / page).read_text(encoding="utf-8").split())


def default(function, name):
    return inspect.signature(function).parameters[name].default


#: What the code has, what the page calls it, and the page.
NUMBERS = [
    ((default(Task, "attempts"), 5), "The default is 5.", "howto/jobs-retry.rst"),
    ((default(Task, "backoff"), 10), "the default is 10.", "howto/jobs-retry.rst"),
    ((default(Task, "timeout"), 600), "the default is 600.", "howto/jobs-retry.rst"),
    ((LONGEST_PAUSE, 3600), "twice as long, up to an hour", "howto/jobs-retry.rst"),
    ((options.DEADLINE, 7 * 86400), "The default is a week.", "howto/jobs-retry.rst"),
    ((Settings().max_passes, 25), "There are 25 of them", "howto/jobs-retry.rst"),
    ((options.PRIORITIES["high"], 600), "a head start of ten minutes", "howto/jobs-order.rst"),
    ((Settings().max_jobs, 10), "``WSGIFUTURES_MAX_JOBS=10``", "howto/jobs-order.rst"),
    ((runner.BEAT_EVERY, 6), "heartbeat every six seconds", "jobs.rst"),
    ((neighbours.SILENCE, 20), "after twenty seconds without a heartbeat", "jobs.rst"),
    ((desk.MOST_DEATHS, 3), "whose process died three times is dead", "jobs.rst"),
    ((gate.JOB_SHARE, 20), "one pass in twenty is a job's", "jobs.rst"),
    ((attempts.LARGEST_RESULT, 256 * 1024), "A result may have 256 KB", "jobs.rst"),
    ((Settings().jobs_kept, 86400), "cancelled for a day", "jobs.rst"),
    ((Settings().dead_jobs_kept, 30 * 86400), "dead ones for thirty days", "jobs.rst"),
    ((work.GRACEFUL, 60), "``--graceful 60``", "howto/jobs-operate.rst"),
]


@pytest.mark.parametrize(("numbers", "words", "page"), NUMBERS)
def test_number_on_a_page_is_that_of_the_code(numbers, words, page):
    """Of attempts, pauses, heartbeats and what is kept."""
    in_the_code, on_the_page = numbers
    assert in_the_code == on_the_page
    assert words in text_of(page)


def test_limits_on_the_page_are_understood():
    """As they are written there."""
    (value,) = re.findall(r"``WSGIFUTURES_JOB_LIMITS=(\S+)``", text_of("howto/jobs-order.rst"))
    (queues,) = re.findall(r"``WSGIFUTURES_JOB_QUEUES=(\S+)``", text_of("howto/jobs-order.rst"))
    environ = {"WSGIFUTURES_JOB_LIMITS": value, "WSGIFUTURES_JOB_QUEUES": queues}
    settings = Settings.read(environ=environ)
    assert settings.job_limits == (("texts", 2), ("mail", 1))
    assert settings.job_queues == ("mail", "texts")


def test_unit_of_systemd_starts_the_command_and_waits_for_its_jobs():
    """With options that there are."""
    (block,) = files_of(OPERATE)["/etc/systemd/system/plone-jobs@.service"]
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(block.text)
    command, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert command == "/srv/plone/bin/wsgifutures"
    parser = argparse.ArgumentParser()
    work.add_parser(parser.add_subparsers())
    given = parser.parse_args(arguments)
    assert (given.paste, given.slots) == ("etc/zope.ini", 2)
    assert int(unit["Service"]["TimeoutStopSec"]) > given.graceful
    web = files_of(DOCS / "howto" / "deploy.rst")["/etc/systemd/system/plone.service"][0].text
    for name in ("User", "WorkingDirectory", "EnvironmentFile"):
        assert f"{name}={unit['Service'][name]}\n" in web


def texts_of_the_code():
    """Return all texts in the code of jobs; what has a value in its middle is two."""
    texts = []
    for file in (ROOT / "src" / "collective" / "wsgifutures" / "jobs").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Constant(value=str(text)):
                    texts.append(text)
    return "\n".join(texts)


def test_errors_of_dead_jobs_on_the_page_are_those_of_the_code():
    """So that they can be looked up."""
    page = OPERATE.read_text(encoding="utf-8")
    known = texts_of_the_code()
    errors = re.findall(r"^    \* - \*([^*\n]+)\*", page, re.M)
    assert len(errors) == 8
    for error in errors:
        for part in re.split(r"[….\d]+", error):
            assert part.strip() in known, error


def test_forms_on_the_pages_have_a_token():
    """Else what they are sent to would refuse."""
    pages = (DOCS / "jobs-tutorial.rst", DOCS / "howto" / "jobs-submit.rst")
    forms = [block for page in pages for block in blocks_of(page, "html")]
    assert len(forms) == 2
    assert all("context/@@authenticator/authenticator" in form.text for form in forms)


def test_table_of_future_or_job_has_something_of_both():
    """In each row."""
    rows = rows_of("jobs.rst", "future-or-job")
    assert len(rows) == 8
    assert all(len(row) == 3 and all(row) for row in rows)
