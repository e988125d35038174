"""The settings: where they come from, and what they may be."""

from collective.wsgifutures import SettingRefused
from collective.wsgifutures.paste import filter_app
from collective.wsgifutures.wsgi.settings import Origin
from collective.wsgifutures.wsgi.settings import Settings
from dataclasses import asdict

import pickle
import pytest
import sys

SECONDS = "a number of seconds above 0"
COUNT = "a whole number, 1 or more"
BYTES = "a whole number of bytes, 0 or more"
LIMITS = "names of queues, each with a whole number: texts=2, mail=1"
SWITCH = "on or off"
PATH = "a path that begins with /, or nothing"
FOLDER = "a folder that begins with /, off, or nothing"


def test_the_defaults():
    """55 s under a proxy's 60, 25 passes; slots as suits the storage."""
    assert asdict(Settings.read({}, {})) == {
        "slots": None,
        "deadline": 55.0,
        "grace": 4.0,
        "max_passes": 25,
        "max_held": 5000,
        "max_held_per_client": None,
        "max_waiting": 2500,
        "max_wait": 45.0,
        "max_bodies": 1073741824,
        "body_in_memory": 262144,
        "body_timeout": 30.0,
        "max_threads": 64,
        "max_processes": None,
        "max_queued": 1000,
        "jobs": True,
        "max_jobs": 10,
        "job_queues": (),
        "job_limits": (),
        "clock": True,
        "claim_wait": None,
        "max_files": 67108864,
        "jobs_kept": 86400.0,
        "dead_jobs_kept": 30 * 86400.0,
        "liveness_path": "",
        "slow_pass": 5.0,
        "slow_request": 10.0,
        "blocked": 2.0,
        "status_folder": "",
        "debug": False,
    }


def test_an_option_comes_before_the_environment_and_that_before_the_default():
    """The nearest to the application wins."""
    environ = {"WSGIFUTURES_SLOTS": "7", "WSGIFUTURES_GRACE": "2.5", "WSGIFUTURES_OTHER": "x"}
    settings = Settings.read({"slots": "3"}, environ)
    assert (settings.slots, settings.grace, settings.deadline) == (3, 2.5, 55.0)


def test_where_a_value_comes_from_is_known():
    """For who looks at the settings and asks where to change them."""
    environ = {"WSGIFUTURES_SLOTS": "7", "WSGIFUTURES_GRACE": "2.5"}
    settings = Settings.read({"slots": "3"}, environ)
    origins = [settings.origin(name) for name in ["slots", "grace", "deadline"]]
    assert origins == [Origin.OPTION, Origin.VARIABLE, Origin.DEFAULT]
    assert Settings(slots=3).origin("slots") is Origin.CODE
    assert Settings().origin("slots") is Origin.DEFAULT


def test_a_value_that_is_set_to_the_default_is_set():
    """It does not follow where the default goes."""
    assert Settings.read({}, {"WSGIFUTURES_GRACE": "4"}).origin("grace") is Origin.VARIABLE


def test_the_environment_is_that_of_the_process_where_none_is_given(monkeypatch):
    """The hook for gunicorn reads no file."""
    monkeypatch.setenv("WSGIFUTURES_MAX_PASSES", "3")
    assert Settings.read().max_passes == 3


@pytest.mark.parametrize("source", ["option", "variable"])
@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        *[("slots", value, COUNT) for value in ["0", "-1", "four", "1.5", ""]],
        *[("max_passes", value, COUNT) for value in ["0", "x"]],
        *[("deadline", value, SECONDS) for value in ["0", "-1", "1m", "inf", "nan", ""]],
        *[("grace", value, SECONDS) for value in ["0", "x"]],
        *[("body_in_memory", value, BYTES) for value in ["-1", "1k", "1.0"]],
        *[("max_held", value, COUNT) for value in ["0", "x"]],
        *[(f"max_{what}", "0", COUNT) for what in ["threads", "processes", "queued"]],
        *[("liveness_path", value, PATH) for value in ["alive", "http://x/"]],
        *[("status_folder", value, FOLDER) for value in ["var/status", "none"]],
        *[(name, value, SWITCH) for name in ["debug", "jobs"] for value in ["maybe", "2", ""]],
        *[("max_jobs", value, COUNT) for value in ["0", "x"]],
        *[("job_limits", value, LIMITS) for value in ["texts", "texts=0", "texts=1=2", "=x"]],
    ],
)
def test_a_bad_value_is_refused_with_its_setting_and_what_it_takes(source, name, value, takes):
    """The message names where it was set."""
    variable = f"WSGIFUTURES_{name.upper()}"
    options, environ = ({name: value}, {}) if source == "option" else ({}, {variable: value})
    with pytest.raises(SettingRefused) as raised:
        Settings.read(options, environ)
    named = name if source == "option" else variable
    error = pickle.loads(pickle.dumps(raised.value))
    assert (error.name, error.value, error.takes) == (named, value, takes)
    assert str(error) == f"The setting {named} is {value!r}; it takes {takes}."
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("slots", " 2 ", 2),
        ("deadline", "0.5", 0.5),
        ("body_in_memory", "0", 0),
        *[("status_folder", text, "off") for text in ["off", "Off"]],
        *[("status_folder", text, text) for text in ["", "/var/lib/status"]],
        *[("jobs", text, text == "on") for text in ["on", "off"]],
        ("max_jobs", "3", 3),
        ("job_queues", " texts, mail,", ("texts", "mail")),
        ("job_limits", "texts=2, mail=1", (("texts", 2), ("mail", 1))),
        *[("debug", text, True) for text in ["on", "ON", "true", "yes", "1"]],
        *[("debug", text, False) for text in ["off", "False", "no", "0"]],
    ],
)
def test_a_good_value_is_read(name, text, value):
    """As people write it."""
    assert getattr(Settings.read({name: text}, {}), name) == value


@pytest.fixture
def threaded(monkeypatch):
    """A process in which gunicorn has not loaded its gevent worker, as another test may have."""
    monkeypatch.delitem(sys.modules, "gunicorn.workers.ggevent", raising=False)


def test_an_option_that_there_is_none_of_is_refused_with_those_that_there_are(threaded):
    """A typo in a configuration file is no default."""
    with pytest.raises(SettingRefused) as raised:
        filter_app(None, {"debug": "false"}, slot="3")
    assert str(raised.value) == (
        "The setting slot is '3'; it takes nothing: there is none of that name (slots, "
        "deadline, grace, max_passes, max_held, max_held_per_client, max_waiting, max_wait, "
        "max_bodies, body_in_memory, body_timeout, max_threads, max_processes, max_queued, "
        "jobs, max_jobs, job_queues, job_limits, clock, claim_wait, max_files, jobs_kept, "
        "dead_jobs_kept, liveness_path, slow_pass, slow_request, blocked, status_folder, debug)."
    )


def test_the_filter_reads_its_options_and_not_the_global_configuration(threaded):
    """``egg:collective.wsgifutures#hold``."""
    app = filter_app(None, {"debug": "true", "here": "/x"}, slots="2", debug="off")
    assert (app.worker.settings.slots, app.worker.settings.debug) == (2, False)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [(Settings(), 500), (Settings(max_held=5), 1), (Settings(max_held_per_client=7), 7)],
)
def test_one_client_may_hold_a_tenth_where_nothing_else_is_said(settings, expected):
    """And one at least."""
    assert settings.held_by_one_client == expected
