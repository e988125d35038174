"""What the doctor says of timed work."""

from collective.wsgifutures import task
from collective.wsgifutures.clock import acts
from collective.wsgifutures.clock.audit import of_clock
from collective.wsgifutures.clock.records import make
from collective.wsgifutures.wsgi.settings import Settings

import pytest
import time
import transaction

ZCML = """
<include package="collective.wsgifutures" file="meta.zcml" />
<clock xmlns="http://namespaces.plone.org/wsgifutures"
    name="hourly" cron="0 * * * *" task="{task}" arguments='{arguments}' />
"""


@task(name="tests.audited")
def audited(context, word=""):
    """Do nothing."""


@pytest.fixture
def look(site):
    """Declare an entry that was seen a while ago; return what the doctor says, and how bad."""

    def declare(task="tests.audited", arguments="{}", seconds=0.0, **settings):
        site.zcml(ZCML.format(task=task, arguments=arguments))
        (entry,) = acts.entries()
        make(site.portal._p_jar, "/plone", "hourly", entry.rule, time.time() - seconds)
        return again(**settings)

    def again(**settings):
        transaction.commit()
        found = of_clock(site.portal._p_jar.db(), Settings(**settings))
        return [(one.level.value, one.topic, str(one)) for one in found]

    declare.again = again
    return declare


def test_nothing_is_said_where_there_is_no_timed_work(site):
    """Most sites have none."""
    assert list(of_clock(site.portal._p_jar.db(), Settings())) == []


def test_timed_work_that_can_be_done_is_fine(look):
    """Also if it was not looked for: the server may have been down."""
    ((level, about, text),) = look(seconds=86400)
    assert (level, about) == ("ok", "clock")
    assert "1 entry." in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "tests.nosuch"}, "There is no task 'tests.nosuch'"),
        ({"arguments": '{"wrod": "x"}'}, "wrod"),
    ],
)
def test_a_declaration_that_is_wrong_is_seen_at_the_start(look, changes, said):
    """Before its time comes."""
    ((level, _, text),) = look(**changes)
    assert level == "warning"
    assert said in text


def test_the_last_error_is_told(site, look):
    """As the log had it."""
    look()
    acts.kept_of(acts.find_entry("hourly")).error = "There is no user 'gone'"
    ((level, _, text),) = look.again()
    assert level == "warning"
    assert "There is no user 'gone'" in text


def test_that_nobody_looks_is_told_by_those_who_do_not(look):
    """Unless the entry is paused."""
    ((level, _, text),) = look(seconds=86400, clock=False)
    assert level == "warning"
    assert "no process looks" in text
    acts.pause("hourly")
    ((level, *_),) = look.again(clock=False)
    assert level == "ok"


def test_elsewhere_somebody_looks(look):
    """The last time was a moment ago."""
    ((level, *_),) = look(clock=False)
    assert level == "ok"
