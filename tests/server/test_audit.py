"""What is not safe is refused: gunicorn ends, once, with a status and one message."""

from processes import BIN
from processes import free_port
from processes import Process

import os
import pytest
import re
import signal

pytestmark = pytest.mark.operation

IMPORT = "from collective.wsgifutures.gunicorn import *\n"

#: A configuration whose hook replaces the one that the arbiter would refuse in.
OWN_HOOK = IMPORT + "def nworkers_changed(server, new, old):\n    pass\n"

#: Tells when a worker serves.
SERVING = """
from collective.wsgifutures import gunicorn as wsgifutures

def post_worker_init(worker):
    wsgifutures.post_worker_init(worker)
    worker.log.info("serving %s", worker.pid)
"""

REFUSED = "gunicorn does not start."
BOOT_ERROR = 3

#: Until a refusal; loading Zope is not in it.
SECONDS = 60

#: Until a worker that has to load Zope first has refused.
WITH_ZOPE = 60


@pytest.fixture
def config(tmp_path):
    """Write a configuration file and return its path."""

    def write(text):
        file = tmp_path / "gunicorn.conf.py"
        file.write_text(text)
        return str(file)

    return write


@pytest.fixture
def plain(tmp_path, running):
    """Start gunicorn with a small application in place of Zope."""

    def start(*flags, app="def app(environ, start_response):\n    pass\n", env=None):
        (tmp_path / "plain.py").write_text(app)
        command = [BIN / "gunicorn", "-b", f"127.0.0.1:{free_port()}", *flags, "plain:app"]
        process = Process(command, tmp_path / "gunicorn.log", env, cwd=tmp_path)
        running.append(process)
        return process

    return start


def refusal(process, seconds=SECONDS):
    """Return the message that *process* ended with, which stands in its output once."""
    assert process.wait(seconds) == BOOT_ERROR, process.output
    assert process.output.count(REFUSED) == 1, process.output
    assert "Traceback" not in process.output
    return process.output.partition(REFUSED)[2].strip()


def wait_for_output(process, text, number=1):
    """Wait until *text* stands so often in the output of *process*."""
    process.wait_for(lambda: process.output.count(text) >= number)


# What the arbiter refuses


@pytest.mark.parametrize("workers", ["1", "3"])
def test_preload_is_refused_before_zope_is_loaded(start_gunicorn, workers):
    """The whole gunicorn ends, within ten seconds."""
    process, _ = start_gunicorn("--preload", "-w", workers)
    assert refusal(process).startswith("preload: ")
    assert "Ready to handle requests" not in process.output
    assert "Booting worker" not in process.output


@pytest.mark.parametrize("name", ["transaction", "AccessControl", "zope.component", "ZODB"])
def test_config_file_that_imports_of_zope_is_refused(plain, config, name):
    """What it imported is named."""
    process = plain("-c", config(f"import {name}\n{IMPORT}"), "-w", "2")
    message = refusal(process)
    assert re.search(rf"imports: .*\b{re.escape(name)}\b.* imported before", message)


@pytest.mark.parametrize("worker_class", ["sync", "gthread"])
def test_worker_class_of_threads_is_refused_and_the_filter_named(plain, config, worker_class):
    """A flag wins over our configuration, and is seen."""
    message = refusal(plain("-c", config(IMPORT), "-k", worker_class))
    assert message.startswith(f"worker: The worker class is {worker_class}, ")
    assert "egg:collective.wsgifutures#hold" in message


@pytest.mark.parametrize("where", ["env", "raw_env"])
def test_bad_setting_is_refused_at_once_and_named(plain, config, where):
    """From the environment, and from gunicorn's own."""
    text, env = IMPORT, {"WSGIFUTURES_SLOTS": "many"}
    if where == "raw_env":
        text, env = text + "raw_env = ['WSGIFUTURES_SLOTS=many']\n", {}
    process = plain("-c", config(text), "-w", "2", env=env)
    assert refusal(process).startswith("The setting WSGIFUTURES_SLOTS is 'many'; it takes ")
    assert "Booting worker" not in process.output


# What a worker refuses, where the arbiter's hook is not ours


def test_preload_when_the_hook_is_not_ours_is_refused_by_the_workers(start_gunicorn, config):
    """None of three serves; one speaks."""
    process, _ = start_gunicorn("--preload", "-w", "3", config=config(OWN_HOOK))
    assert refusal(process, WITH_ZOPE).startswith("preload: ")
    assert process.output.count("Booting worker") >= 3


def test_transaction_imported_too_early_is_seen_by_the_worker(start_gunicorn, config):
    """Alone: the security manager and the site are each greenlet's own."""
    process, _ = start_gunicorn(config=config(f"import transaction\n{OWN_HOOK}"))
    message = refusal(process, WITH_ZOPE)
    assert "thread-locals: Made before" in message
    assert "transaction: All greenlets share one transaction" in message
    assert "security: " not in message
    assert "site: " not in message


@pytest.mark.parametrize("worker_class", ["sync", "gthread"])
def test_worker_class_when_the_hook_is_not_ours_is_refused_by_the_workers(
    plain, config, worker_class
):
    """Each kind of worker waits for the one that speaks."""
    process = plain("-c", config(OWN_HOOK), "-k", worker_class, "-w", "3")
    assert refusal(process).startswith("worker: ")


def test_bad_setting_when_the_hook_is_not_ours_is_refused_by_the_workers(plain, config):
    """Without a traceback, by one of six: gunicorn stumbles where two end with its status."""
    process = plain("-c", config(OWN_HOOK), "-w", "6", env={"WSGIFUTURES_SLOTS": "0"})
    assert refusal(process).startswith("The setting WSGIFUTURES_SLOTS is '0'; it takes ")


def test_zope_without_our_zcml_is_refused_by_the_workers(plain, config):
    """What to write is said, without a traceback."""
    app = "import ZPublisher.WSGIPublisher\ndef app(environ, start_response):\n    pass\n"
    message = refusal(plain("-c", config(IMPORT), "-w", "2", app=app))
    assert '<include package="collective.wsgifutures" />' in message


def test_two_workers_on_a_filestorage_are_refused(start_gunicorn):
    """Beside the error of the one that could not open it."""
    process, _ = start_gunicorn("-w", "2")
    assert process.wait(WITH_ZOPE) == BOOT_ERROR
    assert process.output.count(f"{REFUSED} storage main: FileStorage and 2 workers") == 1


def test_bad_setting_at_a_reload_ends_gunicorn_with_one_message(plain, config):
    """As whatever else stops all workers from starting."""
    process = plain("-c", config(IMPORT + SERVING), "-w", "2")
    wait_for_output(process, "serving ", 2)
    config(IMPORT + "raw_env = ['WSGIFUTURES_SLOTS=none']\n")
    process.signal(signal.SIGHUP)
    assert refusal(process).startswith("The setting WSGIFUTURES_SLOTS is 'none'; it takes ")


# What is warned of


def test_warning_is_logged_once_and_once_more_at_a_reload(plain, config):
    """However many workers start, and start again when one is gone."""
    flags = ("-w", "3", "--worker-connections", "100")
    process = plain("-c", config(IMPORT + SERVING), *flags)
    warning = "connections: worker_connections is 100, too few"
    wait_for_output(process, "serving ", 3)
    assert process.output.count(warning) == 1
    os.kill(int(re.search(r"serving (\d+)", process.output)[1]), signal.SIGKILL)
    wait_for_output(process, "serving ", 4)
    assert process.output.count(warning) == 1
    process.signal(signal.SIGHUP)
    wait_for_output(process, "serving ", 7)
    assert process.output.count(warning) == 2
    process.stop()


# The filter, without our configuration


@pytest.fixture
def filtered(new_instance):
    """An instance with the filter in its pipeline."""
    folder = new_instance()
    ini = folder / "etc" / "zope.ini"
    hold = "pipeline =\n    egg:collective.wsgifutures#hold\n"
    ini.write_text(ini.read_text().replace("pipeline =\n", hold))
    return folder


def test_filter_under_preload_is_refused(start_gunicorn, filtered, config):
    """gunicorn's gevent worker, and nothing of our configuration."""
    process, _ = start_gunicorn("--preload", folder=filtered, config=config(""))
    assert process.wait(WITH_ZOPE) != 0
    assert "greenlets: The application is loaded before gevent has patched" in process.output


def test_filter_where_something_of_zope_was_imported_too_early_is_refused(
    start_gunicorn, filtered, config
):
    """By each worker: it is an exception like others."""
    process, _ = start_gunicorn(folder=filtered, config=config("import transaction\n"))
    assert process.wait(WITH_ZOPE) == BOOT_ERROR
    assert "transaction: All greenlets share one transaction" in process.output


# A worker for asyncio


def test_preload_for_asyncio_is_refused(plain, config):
    """The workers would share what Zope has opened."""
    message = refusal(plain("-c", config(IMPORT), "-k", "asgi", "--preload"))
    assert message.startswith("preload: ")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("def post_fork(server, worker):\n    pass\n", "post_fork"),
        ("from gevent import monkey\nmonkey.patch_all()\n", "monkey.patch_all"),
    ],
)
def test_worker_for_asyncio_that_would_wait_with_anything_else_is_refused(
    plain, config, text, word
):
    """And told what to change."""
    message = refusal(plain("-c", config(IMPORT + text), "-k", "asgi"))
    assert message.startswith("runtime: ")
    assert word in message
