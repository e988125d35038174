"""``wsgifutures jobs``: what an operator does with jobs where no page can be had."""

from processes import BIN

import os
import pytest
import subprocess

pytestmark = pytest.mark.operation

SUBMIT = """
from collective.wsgifutures import publish
from zope.component.hooks import setSite
import transaction
setSite(app.Plone)
for name in ("@@one", "@@two"):
    publish.submit(app.Plone, name, form={"word": "h1dden"})
transaction.commit()
"""


@pytest.fixture(scope="module")
def folder(new_instance):
    """An instance on which no server runs."""
    return new_instance()


@pytest.fixture(scope="module")
def command(folder, environment):
    """Run the command, and return what came of it."""

    def run(*arguments, program="wsgifutures"):
        done = subprocess.run(
            [BIN / program, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, **environment},
            timeout=90,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_jobs_of_a_script_are_listed_cancelled_retried_and_cleared(folder, command):
    """Each step is seen by the next one."""
    script = folder / "submit.py"
    script.write_text(SUBMIT)
    status, _, errors = command("run", "etc/zope.conf", script, program="zconsole")
    assert status == 0, errors
    status, listed, _ = command("jobs")
    assert status == 0
    assert listed.endswith("2 jobs\n")
    assert "h1dden" not in listed  # nobody reads an argument
    first, second, _ = listed.splitlines()
    assert first.split()[1] == second.split()[1] == "waiting"
    assert first.endswith("publish  System Processes")  # as zconsole runs
    one = first.split()[0]
    assert command("jobs", "cancel", one)[0] == 0
    assert command("jobs", "--state", "cancelled")[1].startswith(one)
    status, told, _ = command("jobs", "cancel", one)
    assert "The job " + one + " is cancelled." in told
    command("jobs", "retry", one)
    assert command("jobs", "--state", "waiting")[1].endswith("2 jobs\n")
    assert command("jobs", "retry", "no-1")[2] == "no-1: there is no such job\n"
    assert "removed" in command("jobs", "clear")[1]
    assert command("jobs")[1] == "0 jobs\n"


def test_nothing_is_done_with_all_jobs_by_mistake(command):
    """They have to be named."""
    status, _, errors = command("jobs", "cancel")
    assert status == 2
    assert "cancel which jobs?" in errors
