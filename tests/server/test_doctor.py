"""``wsgifutures doctor`` on real instances."""

from processes import BIN
from processes import Server

import os
import pytest
import re
import subprocess

pytestmark = pytest.mark.operation

#: Until a test gives up: Zope is loaded in it.
SECONDS = 120


class Diagnosis:
    """What the doctor printed."""

    def __init__(self, done):
        self.status = done.returncode
        self.output = done.stdout
        self.err = done.stderr
        self.lines = done.stdout.split("\n\n")[0].splitlines()

    def of(self, level):
        """Return the topics of that level."""
        return [line[9:23].strip() for line in self.lines if line.split()[0] == level]

    def about(self, topic):
        """Return the lines about *topic*."""
        return [line for line in self.lines if line[9:23].strip() == topic]


@pytest.fixture
def doctor(environment):
    """Run the doctor in the folder of an instance."""

    def run(folder, *arguments, env=None):
        command = [BIN / "python", "-m", "collective.wsgifutures", "doctor", *arguments]
        return Diagnosis(
            subprocess.run(
                [str(part) for part in command],
                cwd=folder,
                env={**os.environ, **environment, **(env or {})},
                capture_output=True,
                text=True,
                timeout=SECONDS,
            )
        )

    return run


@pytest.fixture(scope="module")
def instance(new_instance):
    """An instance that no server runs on, for those who change nothing in it."""
    return new_instance()


def test_doctor_of_a_fresh_instance_has_nothing_to_complain_of(doctor, instance):
    """All checks are made, and nothing else is printed."""
    seen = doctor(instance)
    assert (seen.status, seen.err) == (0, "")
    assert seen.of("error") == []
    assert seen.of("ok") + seen.of("warning") == [
        *("versions", "preload", "worker", "imports", "hold", "zcml", "greenlets"),
        *("thread-locals", "zope", "storage main", "jobs", "keys", "clocks", "tokens"),
        *("connections", "stop", "timeout", "max-requests", "open-files", "clients", "slots"),
        "proxies",
    ]
    assert seen.output.endswith("\nerrors: 0, warnings: 0\n")


def test_doctor_of_a_deployment_for_asyncio_has_nothing_to_complain_of(doctor, instance):
    """It applies none of gevent's patches."""
    seen = doctor(instance, "-k", "asgi")
    assert (seen.status, seen.err) == (0, "")
    assert seen.of("error") == []
    (line,) = seen.about("runtime")
    said = "ok       runtime        Requests wait in the loop of asyncio; nothing is patched. "
    # Whatever is installed here.
    assert re.fullmatch(rf"{said}The loop is (asyncio|uvloop)'s, HTTP is parsed by .+\.", line)
    assert not {"imports", "greenlets", "connections"} & set(seen.of("ok"))


def test_doctor_when_the_site_runs_says_so_and_tells_the_rest_from_zope_conf(
    doctor, start_gunicorn, new_instance
):
    """The database is in use; that is no error."""
    folder = new_instance()
    server = Server(*start_gunicorn(folder=folder))
    seen = doctor(folder, env={"WSGIFUTURES_SLOTS": "50"})
    server.process.stop()
    assert (seen.status, seen.err) == (0, "")
    assert "Data.fs is in use by process" in seen.about("storage")[0]
    assert "FileStorage and one worker" in seen.about("storage main")[0]
    assert "the ZODB pool has 7 connections" in seen.about("slots")[0]
    assert seen.of("warning") == ["storage", "slots"]


def test_doctor_takes_gunicorns_options_and_its_status_is_1_at_an_error(doctor, instance):
    """Those of the command that starts the site."""
    flags = ("-k", "gevent", "-w", "2", "--max-requests", "9", "--worker-connections", "10")
    seen = doctor(instance, *flags, env={"GUNICORN_CMD_ARGS": "--graceful-timeout 3"})
    assert (seen.status, seen.err) == (1, "")
    assert seen.of("error") == ["storage main"]
    assert seen.of("warning") == ["connections", "stop"]


def test_doctor_sees_what_a_config_file_imports_too_early(doctor, instance, tmp_path):
    """As the arbiter does, and then as a worker does."""
    config = tmp_path / "early.py"
    config.write_text("import transaction\nfrom collective.wsgifutures.gunicorn import *\n")
    seen = doctor(instance, "-c", config)
    assert (seen.status, seen.err) == (1, "")
    assert seen.of("error") == ["imports", "thread-locals", "transaction"]


def test_doctor_when_nothing_holds_says_what_to_start_gunicorn_with(doctor, instance, tmp_path):
    """A configuration without ours, and no filter."""
    config = tmp_path / "own.py"
    config.write_text("worker_class = 'gevent'\nworker_connections = 9000\ngraceful_timeout = 99\n")
    seen = doctor(instance, "-c", config)
    assert (seen.status, seen.of("error")) == (1, ["hold"])
    assert "-c python:collective.wsgifutures.gunicorn" in seen.about("hold")[0]


@pytest.fixture
def filtered(new_instance):
    """Make an instance with the filter in its pipeline, and an option for it."""

    def make(option=""):
        folder = new_instance()
        ini = folder / "etc" / "zope.ini"
        section = f"[filter:hold]\nuse = egg:collective.wsgifutures#hold\n{option}\n\n[pipeline"
        text = ini.read_text().replace("pipeline =\n", "pipeline =\n    hold\n")
        ini.write_text(text.replace("[pipeline", section))
        return folder

    return make


@pytest.mark.parametrize(
    ("value", "status", "topic", "words"),
    [("9", 0, "slots", "slots is 9"), ("many", 1, "settings", "takes a whole number")],
)
def test_doctor_sees_the_settings_of_zope_conf(doctor, new_instance, value, status, topic, words):
    """A worker obeys its ``<environment>``."""
    folder = new_instance()
    conf = folder / "etc" / "zope.conf"
    given = f"\n<environment>\n  WSGIFUTURES_SLOTS {value}\n"
    conf.write_text(conf.read_text().replace("\n<environment>\n", given))
    seen = doctor(folder)
    assert (seen.status, seen.err) == (status, "")
    assert words in seen.about(topic)[0]


def test_doctor_names_a_variable_that_is_mistyped_with_the_right_name(doctor, instance):
    """A warning: the site serves as if it were not there."""
    env = {"WSGIFUTURES_DEADLIN": "3", "WSGIFUTURES_UPSTREAM_HOLDTESTS_OF": "on"}
    seen = doctor(instance, env=env)
    assert (seen.status, seen.of("warning")) == (0, ["variables", "upstreams"])
    assert "Is it WSGIFUTURES_DEADLINE?" in seen.about("variables")[0]
    assert "Is it WSGIFUTURES_UPSTREAM_HOLDTESTS_OFF?" in seen.about("upstreams")[0]


def test_doctor_when_the_filter_holds_takes_its_settings(doctor, filtered):
    """On a server with threads, whose settings are not gunicorn's."""
    seen = doctor(filtered("slots = 9"))
    assert (seen.status, seen.of("error"), seen.of("warning")) == (0, [], ["slots"])
    assert "slots is 9" in seen.about("slots")[0]
    assert "a thread" in seen.about("worker")[0]
    assert seen.about("connections") == []


def test_doctor_names_a_bad_option_of_the_filter(doctor, filtered):
    """And ends with 1."""
    seen = doctor(filtered("slots = many"))
    assert (seen.status, seen.err) == (1, "")
    assert "The setting slots is 'many'; it takes a whole number" in seen.about("settings")[0]


def test_doctor_when_zope_conf_is_broken_says_so_without_traceback_or_password(
    doctor, new_instance
):
    """What is wrong, but not what nobody may read."""
    folder = new_instance()
    conf = folder / "etc" / "zope.conf"
    dsn = "dsn host='db' password='s3cret'"
    conf.write_text(conf.read_text().replace("<filestorage>", f"<filestorage>\n  {dsn}\n"))
    seen = doctor(folder)
    assert (seen.status, seen.of("error")) == (1, ["zope"])
    assert "'dsn' is not a known key name" in seen.about("zope")[0]
    assert "s3cret" not in seen.output + seen.err
    assert "Traceback" not in seen.output + seen.err


@pytest.mark.parametrize("text", ["def x(:\n", "workers = 'many'\n"])
def test_doctor_when_the_config_file_is_broken_says_so(doctor, instance, tmp_path, text):
    """gunicorn's words, without its traceback."""
    config = tmp_path / "broken.py"
    config.write_text(text)
    seen = doctor(instance, "-c", config)
    assert (seen.status, seen.of("error"), seen.err) == (1, ["config"], "")


def test_doctor_when_gunicorn_has_no_such_option_is_wrong_usage(doctor, instance):
    """As gunicorn has it."""
    seen = doctor(instance, "--no-such-option")
    assert (seen.status, "unrecognized arguments: --no-such-option" in seen.err) == (2, True)
