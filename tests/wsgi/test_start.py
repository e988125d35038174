"""A worker that starts says in one line how it holds responses; a filter warns of what it found."""

from .applications import holding
from .applications import page
from collective.wsgifutures.kernel import runtime
from collective.wsgifutures.paste import filter_app
from collective.wsgifutures.wsgi.settings import Settings

import logging
import pytest
import sys

OURS = "collective.wsgifutures.gunicorn"

application = page(lambda environ: "text")


@pytest.fixture
def told(caplog):
    """What was logged, with its level."""
    caplog.set_level(logging.INFO, "collective.wsgifutures")
    return lambda: [(record.levelname, record.getMessage()) for record in caplog.records]


def test_worker_says_once_how_it_holds_responses(told):
    """However often it is started: gunicorn's configuration starts that of a filter again."""
    worker = holding(application, Settings(slots=3, deadline=25, max_held=200)).worker
    worker.start()
    worker.start()
    name = runtime.current().name
    line = f"Responses are held ({name}): 3 slots, at most 200 held, 20 of them for one client, "
    assert told() == [("INFO", line + "deadline 25 s.")]


def test_worker_says_it_where_it_is_wanted(told):
    """In the log of gunicorn, which shows it whatever the site has set up."""
    lines = []
    holding(application).worker.start(lambda text, *args: lines.append(text % args))
    assert (len(lines), told()) == (1, [])


@pytest.mark.parametrize(("loaded", "times"), [(False, 1), (True, 0)])
def test_filter_warns_of_a_variable_that_changes_nothing(told, monkeypatch, loaded, times):
    """Unless gunicorn's configuration, which warns by itself, has started it."""
    monkeypatch.setenv("WSGIFUTURES_DEADLIN", "3")
    for name in (OURS, "gunicorn.workers.ggevent"):  # another test may have imported them
        monkeypatch.delitem(sys.modules, name, raising=False)
    if loaded:
        monkeypatch.setitem(sys.modules, OURS, pytest)
    filter_app(application, {})
    warned = [text for level, text in told() if level == "WARNING"]
    assert len([text for text in warned if "WSGIFUTURES_DEADLIN changes nothing" in text]) == times
