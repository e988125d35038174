"""The audit, as far as it needs nothing of Zope."""

from .patched import run_patched
from collective.wsgifutures.wsgi import audit
from collective.wsgifutures.wsgi.audit import StartRefused
from collective.wsgifutures.wsgi.findings import Finding
from collective.wsgifutures.wsgi.findings import Level
from collective.wsgifutures.wsgi.settings import Settings
from gunicorn.config import Config

import contextlib
import pickle
import pytest
import re
import resource
import subprocess
import sys
import types

AUDIT = "from collective.wsgifutures.wsgi import audit\n"
GEVENT = {"worker_class": "gevent", "worker_connections": 10000, "graceful_timeout": 60}


def configured(**settings):
    """Return gunicorn's configuration with *settings*."""
    cfg = Config()
    for name, value in {**GEVENT, **settings}.items():
        cfg.set(name, value)
    return cfg


def level_and_words(finding, *words):
    """Return its level, and which of *words* it does not have."""
    return finding.level.value, [word for word in words if word not in str(finding)]


# Findings


def test_a_finding_says_what_it_is_about_what_it_means_and_what_to_do():
    """In one line."""
    finding = audit.warning("storage", "It waits.", "Set driver.")
    assert str(finding) == "storage: It waits. Set driver."
    assert str(audit.ok("storage", "Fine.")) == "storage: Fine."


def test_errors_are_refused_all_in_one_and_nothing_else():
    """A warning lets the worker start."""
    good, bad, worse = (Finding(level, level.value, "x") for level in Level)
    audit.refuse([good, bad])
    with pytest.raises(StartRefused) as raised:
        audit.refuse([worse, bad, good, worse])
    assert raised.value.findings == (worse, worse)
    assert str(raised.value) == "error: x\nerror: x"
    assert str(pickle.loads(pickle.dumps(raised.value))) == "error: x\nerror: x"


# What gunicorn's arbiter knows


def test_preload_when_off_is_ok():
    """Each worker loads Zope."""
    assert audit.preload(configured()).level is Level.OK


def test_preload_when_on_is_an_error():
    """Whatever the application is."""
    finding = audit.preload(configured(preload_app=True))
    assert level_and_words(finding, "preload_app", "--preload") == ("error", [])


def test_preload_for_asyncio_when_on_is_an_error():
    """The workers would share what is open."""
    assert audit.preload(configured(worker_class="asgi")).level is Level.OK
    finding = audit.preload(configured(worker_class="asgi", preload_app=True))
    assert level_and_words(finding, "preload_app", "--preload", "forks") == ("error", [])


def test_arbiter_for_asyncio_may_import_of_zope():
    """Nothing is patched later."""
    found = audit.of_arbiter(configured(worker_class="asgi"))
    assert [finding.topic for finding in found] == ["preload", "worker"]


class Derived:
    """Made in a test, for a worker class of somebody's own."""


def own_worker_class():
    from gunicorn.workers.ggevent import GeventWorker

    return type("Own", (Derived, GeventWorker), {})


@pytest.mark.parametrize("worker_class", ["gevent", "gevent_pywsgi", own_worker_class])
def test_worker_class_when_it_is_gevents_or_made_from_it_is_ok(worker_class):
    """Also one of somebody's own."""
    name = worker_class() if callable(worker_class) else worker_class
    assert audit.worker_class(configured(worker_class=name)).level is Level.OK


def test_worker_class_when_it_is_gunicorns_for_asyncio_is_ok():
    """Also one that is made from it."""
    from gunicorn.workers.gasgi import ASGIWorker

    for name in ("asgi", type("Own", (Derived, ASGIWorker), {})):
        assert audit.worker_class(configured(worker_class=name)).level is Level.OK
        assert audit.is_asyncio(configured(worker_class=name))
    assert not audit.is_asyncio(configured())


@pytest.mark.parametrize("worker_class", ["sync", "gthread"])
def test_worker_class_when_it_is_another_is_an_error_that_names_it_and_the_filter(worker_class):
    """For threads there is the filter."""
    finding = audit.worker_class(configured(worker_class=worker_class))
    words = (worker_class, "-k gevent", "egg:collective.wsgifutures#hold")
    assert level_and_words(finding, *words) == ("error", [])


@pytest.mark.parametrize("name", ["transaction", "AccessControl", "zope.component", "plone.api"])
def test_early_imports_when_one_is_there_are_an_error_that_names_it(name):
    """Asked in the arbiter."""
    code = f"import {name}\n{AUDIT}print(audit.early_imports())"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True)
    assert f"{name}" in done.stdout.decode().partition(" imported before")[0]


def test_early_imports_when_gunicorn_has_read_our_module_are_ok():
    """What an arbiter has loaded that loads nothing of Zope."""
    code = (
        "import collective.wsgifutures.gunicorn, gunicorn.arbiter, gunicorn.app.wsgiapp\n"
        "import gunicorn.workers.ggevent, paste.deploy\n"
        f"{AUDIT}print(audit.early_imports().level.value)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().split() == ["ok"]


def test_of_arbiter_looks_at_all_three():
    """In one order."""
    topics = [finding.topic for finding in audit.of_arbiter(configured())]
    assert topics == ["preload", "worker", "imports"]


# What greenlets share

PRINT = f"{AUDIT}for one in audit.of_process([]): print(one.level.value, one)"


def test_process_when_patched_first_is_ok():
    """Nothing is shared."""
    lines = run_patched(PRINT).splitlines()
    assert [line.split(":")[0] for line in lines] == ["ok greenlets", "ok thread-locals"]


@pytest.mark.parametrize(
    ("early", "named"),
    [
        ("transaction", "transaction.manager"),
        ("zope.globalrequest", "zope.globalrequest.local.localData"),
        ("zope.component.hooks", "zope.component.hooks.siteinfo"),
        ("AccessControl.SecurityManagement", "AccessControl.SecurityManagement.get_ident"),
    ],
)
def test_thread_local_of_zope_when_made_before_the_patches_is_an_error(early, named):
    """Found where it is kept, also where no check of its own looks for it."""
    lines = run_patched(PRINT, before=f"import {early}").splitlines()
    assert [line.split(":")[0] for line in lines] == ["ok greenlets", "error thread-locals"]
    assert named in lines[1]


def test_thread_local_of_another_package_when_made_before_the_patches_is_a_warning():
    """It may be none of a request's business."""
    before = (
        "import sys, threading, types\n"
        "module = sys.modules['acme_metrics'] = types.ModuleType('acme_metrics')\n"
        "module.state = module.again = threading.local()"
    )
    lines = run_patched(PRINT, before=before).splitlines()
    assert lines[1].startswith("warning thread-locals")
    assert "acme_metrics.state." in lines[1]


def test_identity_when_all_greenlets_have_one_is_an_error():
    """Patched, but for threads."""
    code = (
        f"import types\n{AUDIT}get_ident = monkey.get_original('_thread', 'get_ident')\n"
        "audit.threading = types.SimpleNamespace(get_ident=get_ident)\n"
    )
    lines = run_patched(code + PRINT).splitlines()
    assert lines[0].startswith("error greenlets")


def test_process_when_gunicorns_gevent_worker_has_not_patched_yet_is_an_error():
    """The filter, made under --preload."""
    code = f"import gunicorn.workers.ggevent\n{PRINT}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    assert [line.split(":")[0] for line in lines] == ["error greenlets"]
    assert "--preload" in lines[0]


def test_process_when_it_is_a_threaded_server_has_nothing_to_say():
    """Threads are threads there."""
    done = subprocess.run([sys.executable, "-c", PRINT], capture_output=True, check=True)
    assert done.stdout == b""


def test_what_the_joints_found_comes_last_and_they_are_told_the_number_of_workers():
    """Each of them."""

    class Joint:
        def findings(self, workers):
            return [audit.ok("joint", f"{workers} workers")]

    found = audit.of_process([Joint(), Joint()], 3)
    assert [str(one) for one in found][-2:] == ["joint: 3 workers"] * 2


# The server and the system


@pytest.mark.parametrize(
    ("connections", "level"), [(6600, "ok"), (6599, "warning"), (5000, "warning")]
)
def test_worker_connections_stay_a_tenth_above_what_is_held_and_waits(connections, level):
    """Else gunicorn stops to accept before we refuse."""
    cfg = configured(worker_connections=connections)
    finding = audit.connections(cfg, Settings(max_held=5000, max_waiting=1000))
    words = (str(connections), "6000", *(["6600"] if level == "warning" else []))
    assert level_and_words(finding, *words) == (level, [])


@pytest.mark.parametrize(("seconds", "level"), [(62, "ok"), (61, "warning")])
def test_graceful_timeout_is_not_less_than_deadline_and_grace(seconds, level):
    """What is held may be finished."""
    cfg = configured(graceful_timeout=seconds)
    finding = audit.graceful_timeout(cfg, Settings(deadline=55.0, grace=4.0))
    assert finding.level.value == level


@pytest.mark.parametrize(("seconds", "level"), [(30, "ok"), (0, "warning")])
def test_timeout_when_it_is_0_is_a_warning(seconds, level):
    """Nobody would replace a worker that stands still."""
    assert audit.worker_timeout(configured(timeout=seconds)).level.value == level


@pytest.mark.parametrize(
    ("workers", "most", "level"), [(1, 0, "ok"), (1, 1000, "warning"), (2, 1000, "ok")]
)
def test_max_requests_when_there_is_one_worker_is_a_warning(workers, most, level):
    """New visitors wait for its last held response."""
    cfg = configured(workers=workers, max_requests=most)
    assert audit.max_requests(cfg).level.value == level


@contextlib.contextmanager
def open_files_allowed(number):
    """Lower the limit of this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(("allowed", "level"), [(1256, "ok"), (1255, "warning")])
def test_open_files_are_two_for_each_held_response_and_one_for_each_that_waits(allowed, level):
    """And some for the rest."""
    with open_files_allowed(allowed):
        finding = audit.open_files(Settings(max_held=450, max_waiting=100))
    assert level_and_words(finding, str(allowed), "1256") == (level, [])


def test_limits_that_open_files_allow_are_what_the_warning_says():
    """Who does as it says is warned no more."""
    with open_files_allowed(1000):
        text = str(audit.open_files(Settings(max_held=5000, max_waiting=2500)))
        held, waiting = re.search(r"set max_held to (\d+) and max_waiting to (\d+)", text).groups()
        again = audit.open_files(Settings(max_held=int(held), max_waiting=int(waiting)))
    assert (held, waiting, again.level) == ("297", "148", Level.OK)


@pytest.mark.parametrize(("platform", "level"), [("linux", "ok"), ("darwin", "warning")])
def test_clients_that_go_away_are_noticed_on_linux(monkeypatch, platform, level):
    """Elsewhere when writing."""
    monkeypatch.setattr(audit, "sys", types.SimpleNamespace(platform=platform))
    assert audit.clients_gone().level.value == level


@pytest.mark.parametrize(
    ("wanted", "most", "level", "words"),
    [
        (None, 7, "ok", "4 slots, 7"),
        (7, 7, "ok", "7 slots, 7"),
        (8, 7, "warning", "pool-size"),
        (8, None, "ok", "8 slots, any"),
        (None, 3, "warning", "slots is 4"),
    ],
)
def test_slots_are_not_more_than_zodb_connections(wanted, most, level, words):
    """Else fewer are taken."""
    assert level_and_words(audit.slots(wanted, most), words) == (level, [])


def test_our_own_defaults_go_together():
    """With the values of the gunicorn module."""
    from collective.wsgifutures import gunicorn

    ours = {name: getattr(gunicorn, name) for name in GEVENT}
    found = audit.of_server(configured(**ours), Settings())
    assert {finding.level for finding in found} == {Level.OK}


# Asyncio


ASGI = """
from collective.wsgifutures.kernel.runtime import choose_asyncio
from gunicorn.config import Config
cfg = Config()
cfg.set("worker_class", "asgi")
"""

PATCH = "from gevent import monkey\nmonkey.patch_all()\n"


@pytest.mark.parametrize(
    ("first", "level", "word"),
    [
        ("choose_asyncio()\n", "ok", "loop of asyncio"),
        ("", "error", "loaded for threads"),
        (f"{PATCH}choose_asyncio()\n", "error", "gevent has patched"),
    ],
)
def test_worker_for_asyncio_that_waits_with_anything_else_is_an_error(first, level, word):
    """Its loop would wait for it."""
    code = f"{ASGI}{first}{AUDIT}one, = audit.chosen(cfg)\nprint(one.level.value, one)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True)
    assert done.stdout.decode().startswith(f"{level} runtime: ")
    assert word in done.stdout.decode()


def test_worker_of_gevent_is_not_asked_for_its_runtime():
    """It has checks of its own."""
    assert list(audit.chosen(configured())) == []


def test_server_for_asyncio_has_no_limit_of_connections():
    """gunicorn's worker for asyncio accepts all."""
    found = audit.of_server(configured(worker_class="asgi"), Settings())
    assert "connections" not in [finding.topic for finding in found]
