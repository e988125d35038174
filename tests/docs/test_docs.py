"""The code in README.rst and docs/ runs, and the pages say what the code does."""

from blocks import blocks_of
from blocks import DOCS
from blocks import files_of
from blocks import PAGES
from blocks import ROOT
from collective.wsgifutures.kernel.executors.threads import Threads
from collective.wsgifutures.kernel.futures import DEFAULT_TIMEOUT
from collective.wsgifutures.metrics.families import families
from collective.wsgifutures.status import overview
from collective.wsgifutures.testing import Futures
from collective.wsgifutures.testing import HELD
from collective.wsgifutures.testing import HeldRequest
from collective.wsgifutures.upstreams.settings import UpstreamSettings
from collective.wsgifutures.upstreams.upstream import Method
from collective.wsgifutures.wsgi import audit
from collective.wsgifutures.wsgi.middleware import Middleware
from collective.wsgifutures.wsgi.settings import PREFIX
from collective.wsgifutures.wsgi.settings import Settings
from dataclasses import fields
from gunicorn.config import Config
from gunicorn.config import GracefulTimeout
from gunicorn.config import WorkerConnections
from messages import share_that_is_known
from messages import templates
from paste.deploy.loadwsgi import loadfilter
from pathlib import Path
from types import SimpleNamespace
from wsgifutures_worker.keys import make_key
from zope.publisher.browser import TestRequest as Request

import ast
import builtins
import collective.wsgifutures
import collective.wsgifutures.gunicorn
import collective.wsgifutures.testing
import configparser
import importlib.util
import inspect
import json
import os
import pytest
import re
import runpy
import shlex
import socket
import subprocess
import sys
import threading

BLOCKS = [block for page in PAGES for block in blocks_of(page, "python")]

#: Named in the docs, and nothing of ours: they need not be installed.
FOREIGN = {"sentry_sdk"}

#: The add-ons that the pages have their readers write.
WRITTEN = {"acme", "acme_export", "acme_first", "acme_summary", "acme_texts", "extract"}

#: Files that need a Plone site. A test of their own runs them, in another process; the site of
#: the tutorial is made by whoever follows it.
WITH_A_SITE = {
    "make_site.py",
    "make_pages.py",
    "submit_jobs.py",
    "export.py",
    "testing.py",
    "tests/test_page.py",
    "acme/testing.py",
}

#: The words of the project, and no others.
WORDS = {
    *("future", "pending", "settled", "hold", "pass", "suspend", "slot", "gate"),
    *("executor", "fragment", "upstream", "visit", "runtime", "stream"),
    *("task", "job", "queue", "attempt", "claim", "dead", "runner"),
    *("worker elsewhere", "lease", "access token", "capability", "relay"),
}


def place(block):
    return block.place


def imports_of(tree):
    """Return what *tree* imports from elsewhere, as (module, name or None)."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found += [(node.module, alias.name) for alias in node.names]
    return [(m, n) for m, n in found if m.partition(".")[0] not in FOREIGN | WRITTEN]


def stands_by_itself(block):
    """Tell whether *block* uses no name and no package from elsewhere."""
    caption = block.options.get("caption", "")
    if caption.startswith(("acme/", "extractor/")) or caption in WITH_A_SITE:
        return False  # the tutorial's files are run together
    used, bound = set(), set(dir(builtins))
    for node in ast.walk(ast.parse(block.text)):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.alias(name=name, asname=other):
                bound.add(other or name.partition(".")[0])
    return used <= bound - FOREIGN


def run(block):
    """Run *block* and return its names."""
    names = {"__name__": "docs"}
    exec(compile(block.text, block.place, "exec"), names)
    return names


def rows_of(page, mark):
    """Return the rows of the list-table that has the class *mark*, as lists of text."""
    text = (DOCS / page).read_text(encoding="utf-8")
    table = text.split(f":class: {mark}\n", 1)[1]
    table = re.split(r"\n(?=\S)", table.lstrip("\n"))[0]
    rows = [re.split(r"^ +- ", row, flags=re.M) for row in re.split(r"^ +\* - ", table, flags=re.M)]
    return [[" ".join(cell.split()) for cell in row] for row in rows[1:]][1:]


# README


def test_view_in_readme_holds_and_gives_the_summary():
    """The example of the first screen, a pass at a time."""
    names = run(blocks_of(ROOT / "README.rst", "python")[0])
    page = SimpleNamespace(Description=lambda: "a long text")
    request = HeldRequest(lambda: names["SummaryView"](page, None)())
    assert (request.publish(), request.running) == (HELD, ["docs.summary"])
    request.settle("docs.summary", value="short")
    assert (request.publish(), request.passes) == ("short", 2)


# Every page


def test_there_is_code_to_test():
    """A walk that finds nothing would pass everything below."""
    assert len(BLOCKS) > 25
    assert {block.page for block in BLOCKS} >= {"README.rst", "docs/index.rst", "docs/tutorial.rst"}


@pytest.mark.parametrize("block", BLOCKS, ids=place)
def test_code_compiles_and_what_it_imports_is_there(block):
    """Fragments too."""
    tree = ast.parse(block.text, block.place)
    if block.options.get("caption") in WITH_A_SITE:
        return
    for module, name in imports_of(tree):
        found = importlib.import_module(module)
        known = name in (None, "*") or hasattr(found, name)
        assert known or importlib.util.find_spec(f"{module}.{name}"), f"{module} has no {name}"


@pytest.mark.parametrize("block", list(filter(stands_by_itself, BLOCKS)), ids=place)
def test_code_that_stands_by_itself_runs_with_its_tests(block, tmp_path, monkeypatch):
    """What is called test_ is a test, and may take the fixture ``futures``. A worker has a key."""
    monkeypatch.chdir(tmp_path)
    if "worker.pem" in block.text:
        make_key("worker.pem")
    names = run(block)
    for name in [name for name in names if name.startswith("test_")]:
        if inspect.signature(names[name]).parameters:
            with Futures() as futures:
                names[name](futures)
        else:
            names[name]()


def test_commands_name_what_is_there():
    """Each option -c of gunicorn in the docs is a module; each make target exists."""
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    modules = {m for t in texts.values() for m in re.findall(r"-c python:([\w.]+)", t)}
    assert modules == {"collective.wsgifutures.gunicorn"}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {
        m for t in texts.values() for m in re.findall(r"`make ([a-z-]+)`|\$ make ([a-z-]+)", t)
    }
    assert {name for pair in named for name in pair if name} <= targets
    assert named


# The tutorial


TUTORIAL = files_of(DOCS / "tutorial.rst")
PACKAGE = "acme/src/acme_summary"


@pytest.fixture
def tutorial(tmp_path):
    """Write the tutorial's files; return what runs a script beside them."""
    for name, blocks in TUTORIAL.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(blocks[-1].text)

    def run_python(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path / "acme" / "src")},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    run_python.folder = tmp_path
    return run_python


def test_tests_of_the_tutorial_pass(tutorial):
    """As many as its page says."""
    options = (
        "-q",
        "-p",
        "no:plone",
        "-p",
        "no:cacheprovider",
        "-W",
        "error::pytest.PytestCollectionWarning",
    )
    status, output = tutorial("-m", "pytest", *options, "acme/tests")
    assert (status, "3 passed" in output) == (0, True), output


#: Publishes both viewlets, as a page that has them.
PUBLISH = """
from acme_summary import viewlets
from collective.wsgifutures.testing import HeldRequest
from types import SimpleNamespace

page = SimpleNamespace(text=SimpleNamespace(raw="<p>Tea is a drink of leaves.</p>"))
classes = [getattr(viewlets, name, None) for name in ("Summary", "Keywords")]

def publish():
    return "".join(one(page, None, None, None).render() for one in classes if one)

request = HeldRequest(publish)
print(request.run(), request.passes)
"""

SHOWN = "<p><em>Tea is a drink ...</em></p>"

#: The version of each file, what is shown, and in how many passes.
VERSIONS = {
    "viewlet-that-blocks": ("calls-of-a-future", f"{SHOWN} 1"),
    "viewlet-that-holds": ("calls-of-a-future", f"{SHOWN} 2"),
    "viewlets-in-a-row": ("calls-of-a-future", f"{SHOWN}{SHOWN} 3"),
    "viewlets-that-are-fragments": ("calls-of-a-future", f"{SHOWN}{SHOWN} 2"),
    "viewlets-that-catch": ("calls-of-an-upstream", f"{SHOWN}{SHOWN} 2"),
}


@pytest.fixture
def model():
    """Run the tutorial's own model, which hurries here."""
    names = run(TUTORIAL["model.py"][0])
    names["time"] = SimpleNamespace(sleep=lambda seconds: None)
    names["Model"].log_message = lambda *args: None
    server = names["ThreadingHTTPServer"](("127.0.0.1", 0), names["Model"])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def write_versions(folder, viewlets, calls, port):
    """Write the versions of these names, with the model at *port*."""
    for file, name in (("viewlets.py", viewlets), ("calls.py", calls)):
        blocks = TUTORIAL[f"{PACKAGE}/{file}"]
        block = next(b for b in blocks if b.options["name"] == name)
        (folder / PACKAGE / file).write_text(block.text.replace(":8090", f":{port}"))


@pytest.mark.parametrize("viewlets", VERSIONS)
def test_viewlets_of_the_tutorial_show_what_the_page_says(tutorial, model, monkeypatch, viewlets):
    """Each of their versions, in as many passes."""
    calls, shown = VERSIONS[viewlets]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    write_versions(tutorial.folder, viewlets, calls, model.server_port)
    assert tutorial("-c", PUBLISH) == (0, f"{shown}\n")


def test_viewlets_of_the_tutorial_are_nothing_where_the_model_is_away(tutorial, monkeypatch):
    """At once: nobody listens there."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    write_versions(tutorial.folder, "viewlets-that-catch", "calls-of-an-upstream", port)
    assert tutorial("-c", PUBLISH) == (0, " 2\n")


def test_versions_of_the_tutorial_are_all_tested():
    """No more, no less."""
    viewlets, calls = TUTORIAL[f"{PACKAGE}/viewlets.py"], TUTORIAL[f"{PACKAGE}/calls.py"]
    assert [block.options["name"] for block in viewlets] == list(VERSIONS)
    assert {block.options["name"] for block in calls} == {calls for calls, _ in VERSIONS.values()}


LOOK_UP = """
import AccessControl, Products.Five.viewlet, acme_summary
from plone.app.contenttypes.interfaces import IDocument
from plone.app.layout.viewlets import interfaces
from zope.component import getMultiAdapter
from zope.configuration import xmlconfig
from zope.interface import implementer
from zope.publisher.browser import BrowserView, TestRequest
from zope.viewlet.interfaces import IViewlet
from OFS.SimpleItem import SimpleItem

context = xmlconfig.file("meta.zcml", Products.Five)
xmlconfig.file("meta.zcml", Products.Five.viewlet, context=context)
xmlconfig.file("permissions.zcml", AccessControl, context=context)
xmlconfig.file("permissions.zcml", Products.CMFCore, context=context)
xmlconfig.file("configure.zcml", acme_summary, context=context)
page = implementer(IDocument)(type("Page", (SimpleItem,), {}))()
request = TestRequest()
for name, place in [("summary", "IBelowContentTitle"), ("keywords", "IBelowContentBody")]:
    manager = implementer(getattr(interfaces, place))(type("Manager", (), {}))()
    found = (page, request, BrowserView(page, request), manager)
    print(type(getMultiAdapter(found, IViewlet, name=f"acme.{name}")).__mro__[1].__name__)
"""


def test_zcml_of_the_tutorial_registers_the_viewlets(tutorial):
    """With Plone's own ZCML directives."""
    status, output = tutorial("-c", LOOK_UP)
    assert (status, output.split()[-2:]) == (0, ["Summary", "Keywords"]), output


# The how-tos


def test_held_page_takes_two_passes_and_its_other_arguments():
    """The example of @held."""
    blocks = [
        b for b in blocks_of(DOCS / "howto" / "several.rst", "python") if "FrontPage" in b.text
    ]
    view = run(blocks[0])["FrontPage"]
    request = HeldRequest(lambda: view(None, Request(form={"city": "Turku"}))(page="2"))
    assert request.run() == "sunny in Turku; It is sunny; page 2"
    assert request.passes == 2


def test_layer_in_the_page_of_testing_runs_with_zope_testrunner(tmp_path):
    """A whole publication, in a Plone site."""
    for name, (block,) in files_of(DOCS / "howto" / "test.rst").items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(block.text)
    (tmp_path / "tests" / "__init__.py").touch()
    done = subprocess.run(
        [sys.executable, "-m", "zope.testrunner", "--path", ".", "-s", "tests"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "Ran 1 tests with 0 failures, 0 errors" in done.stdout, done.stdout + done.stderr


def test_page_that_can_do_without_is_shown_without():
    """The example of failures: out of time, and past the deadline."""
    view = run(blocks_of(DOCS / "howto" / "failures.rst", "python")[0])["Recommendations"]
    page = SimpleNamespace(UID=lambda: "abc")
    for deadline, seconds in [(55, 5), (3, 3)]:
        request = HeldRequest(lambda: view(page, None)(), deadline=deadline)
        assert request.publish() is HELD
        request.advance(seconds)
        assert request.publish() == "nothing today"


def test_filter_in_the_docs_is_loaded_with_its_options(tmp_path, monkeypatch):
    """The section is read by PasteDeploy, as a threaded server does."""
    for module in ("gunicorn.workers.ggevent", "ZPublisher.WSGIPublisher"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    block = next(b for b in blocks_of(DOCS / "howto" / "filter.rst", "ini") if "#hold" in b.text)
    ini = tmp_path / "zope.ini"
    ini.write_text(block.text)
    made = loadfilter(f"config:{ini}", name="hold")(lambda environ, start_response: [])
    assert isinstance(made, Middleware)
    assert made.worker.settings == Settings(slots=4, deadline=55.0)


#: What gunicorn does in a worker with the functions of its configuration.
WORKER = """
from gevent import monkey
monkey.patch_all()
from gunicorn.config import Config
from types import SimpleNamespace
import runpy
names = runpy.run_path("gunicorn.conf.py")
cfg = Config()
cfg.set("worker_class", names["worker_class"])
log = SimpleNamespace(info=lambda *args: None, warning=lambda *args: None, error=print)
worker = SimpleNamespace(wsgi=print, handle=print, run=print, log=log, cfg=cfg, alive=True)
names["post_worker_init"](worker)
print(type(worker.wsgi.__self__).__name__, cfg.worker_class_str)
"""


@pytest.mark.parametrize(
    "block", blocks_of(DOCS / "howto" / "start.rst", "python"), ids=lambda block: block.line
)
def test_gunicorn_file_of_ones_own_puts_the_hold_in_place(block, tmp_path):
    """`import *`, and a hook that calls ours, in a worker that gevent has patched."""
    (tmp_path / "gunicorn.conf.py").write_text(block.text)
    (tmp_path / "worker.py").write_text(WORKER)
    command = [sys.executable, "worker.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["Middleware", "gevent"], "")


#: What makes a finding that a worker refuses to serve with, or warns of.
FINDINGS = ("error", "warning", "changes_nothing")


def test_page_of_the_doctor_explains_each_topic_that_is_refused_or_warned_of():
    """No more, no less; a setting has its own page."""
    source = ROOT / "src" / "collective" / "wsgifutures"
    topics = set()
    modules = (
        "wsgi/audit",
        "wsgi/variables",
        "publisher/zope_audit",
        "publisher/joint",
        "jobs/audit",
        "workers/audit",
        "pas/audit",
        "amqp/audit",
        "clock/audit",
    )
    for module in modules:
        for node in ast.walk(ast.parse((source / f"{module}.py").read_text())):
            match node:
                case ast.Call(ast.Name(name), [ast.Constant(topic), *_]) if name in FINDINGS:
                    topics.add(topic)
    text = (DOCS / "howto" / "doctor.rst").read_text(encoding="utf-8")
    page = text.split("What a worker looks at by itself\n")[1]
    lines = re.findall(r"^``[\w-]+``(?:, ``[\w-]+``)*$", page, re.M)
    explained = {topic for line in lines for topic in re.findall(r"[\w-]+", line)}
    assert explained == topics | {"storage"}


#: The memory of a held response, as the docs round it.
KB_HELD = 30


def test_page_of_sizing_says_what_the_doctor_asks_for():
    """For each number of held responses; and the defaults that it names."""
    defaults = Settings()
    for row in rows_of("howto/sizing.rst", "sizing"):
        held, memory, files, connections, front = (int(re.sub(r"\D", "", cell)) for cell in row)
        settings = Settings(max_held=held)
        asked = audit.connections(SimpleNamespace(worker_connections=1), settings).remedy
        assert f"to {connections} or more" in asked
        assert files == 2 * held + defaults.max_waiting + audit.OTHER_FILES
        assert front == held + defaults.max_waiting
        assert memory == round(held * KB_HELD / 1000)
    measured = re.search(r"([\d.]+) KB", (DOCS / "benchmarks-held.txt").read_text())
    assert abs(float(measured[1]) - KB_HELD) < 0.2 * KB_HELD
    upstream = UpstreamSettings(base_url="https://weather.example.com")
    text = " ".join((DOCS / "howto" / "sizing.rst").read_text().split())
    assert f"is {upstream.max_calls} in each worker" in text
    assert f"runs {defaults.max_threads} at a time" in text


LIMIT = r"(proxy_(?:read|cache_lock)_timeout|timeout (?:server|client)|first_byte_timeout)"


def test_time_limits_in_front_are_longer_than_a_response_is_held():
    """Each of those that the page sets."""
    text = (DOCS / "howto" / "front.rst").read_text(encoding="utf-8")
    found = re.findall(rf"{LIMIT} *=? *(\d+)s", text)
    assert len(found) == 5
    longest = Settings().deadline + Settings().grace
    assert all(int(seconds) > longest + 10 for _, seconds in found)


def test_unit_of_systemd_waits_long_enough_and_allows_enough_files(tmp_path, monkeypatch):
    """Its command is gunicorn's, with a config file that begins with ours."""
    files = files_of(DOCS / "howto" / "deploy.rst")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(files["/etc/systemd/system/plone.service"][0].text)
    service = unit["Service"]
    ours = collective.wsgifutures.gunicorn
    assert int(service["TimeoutStopSec"]) > ours.graceful_timeout
    assert int(service["RestartPreventExitStatus"]) == ours._BOOT_ERROR
    settings = Settings()
    needed = 2 * settings.max_held + settings.max_waiting + audit.OTHER_FILES
    assert int(service["LimitNOFILE"]) >= needed
    command = shlex.split(service["ExecStart"])[1:]
    assert command == json.loads(last_line(files["Dockerfile"][0]).removeprefix("CMD "))[1:]
    monkeypatch.chdir(tmp_path)
    Path("etc").mkdir()
    Path("etc/gunicorn.conf.py").write_text(files["etc/gunicorn.conf.py"][0].text)
    cfg = config_of(command)
    assert (cfg.worker_class_str, cfg.bind) == ("gevent", ["127.0.0.1:8080"])
    assert (cfg.paste, cfg.graceful_timeout) == ("etc/zope.ini", ours.graceful_timeout)


def last_line(block):
    return block.text.splitlines()[-1]


def config_of(command):
    """Return gunicorn's configuration for its command line."""
    cfg = Config()
    given = vars(cfg.parser().parse_args(command))
    flags = {name: value for name, value in given.items() if value is not None}
    for name, value in {**runpy.run_path(given["config"]), **flags}.items():
        if name in cfg.settings:
            cfg.set(name, value)
    return cfg


def test_times_to_stop_in_the_page_of_deployment_are_longer_than_gunicorns():
    """For Docker, Compose and Kubernetes."""
    text = (DOCS / "howto" / "deploy.rst").read_text(encoding="utf-8")
    waits = re.findall(r"(?:stop-timeout|grace_period:|GracePeriodSeconds:) (\d+)", text)
    assert len(waits) == 3
    assert all(int(wait) > collective.wsgifutures.gunicorn.graceful_timeout for wait in waits)


LOGGED = [
    block
    for block in blocks_of(DOCS / "howto" / "troubleshoot.rst", "text")
    if block.options.get("class") == "log"
]


@pytest.mark.parametrize("block", LOGGED, ids=place)
def test_message_in_the_docs_is_one_of_the_code(block):
    """Word for word, but for names and numbers."""
    assert share_that_is_known(block.text, TEMPLATES) > 0.65, block.text


TEMPLATES = templates()


def test_troubleshooting_says_what_to_do_about_each_alert():
    """No more, no less."""
    rules = (DOCS / "operations" / "alerts.yml").read_text(encoding="utf-8")
    page = (DOCS / "howto" / "troubleshoot.rst").read_text(encoding="utf-8")
    alerts = re.findall(r"- alert: (\w+)", rules)
    assert sorted(re.findall(r"``(Wsgifutures\w+)``", page)) == sorted(alerts)


# Settings, words, names


TABLES = runpy.run_path(str(DOCS / "tables.py"))


@pytest.mark.parametrize(
    ("settings", "name", "row"),
    [
        (Settings, "grace", "| ``grace``\n        | ``WSGIFUTURES_GRACE``\n      - 4.0"),
        (Settings, "debug", "| ``debug``\n        | ``WSGIFUTURES_DEBUG``\n      - off"),
        (UpstreamSettings, "base_url", "| ``base_url``\n      - unset"),
    ],
)
def test_table_of_settings_has_each_with_its_default_and_what_it_is(settings, name, row):
    """And with what the page says more of it."""
    table = TABLES["settings_table"](settings, {name: "And that is\n    **more**."})
    what = settings.__dataclass_fields__[name].metadata["what"]
    assert f"\n    * - {row}\n      - {what} And that is **more**.\n" in table
    assert re.findall(r"\* - \| ``(\w+)``", table) == [one.name for one in fields(settings)]


def test_table_of_settings_is_refused_where_the_page_says_more_of_one_that_there_is_not():
    """It may have another name by now."""
    with pytest.raises(KeyError, match="graze"):
        TABLES["settings_table"](Settings, {"graze": "Then it is over."})


def test_table_of_metrics_has_each_with_its_kind_and_what_it_is():
    """By the name that Prometheus has."""
    table = TABLES["metrics_table"]()
    rows = re.findall(r"\* - ``wsgifutures_(\w+)``\n +- (\w+)\n +- (.+)", table)
    assert [name.removesuffix("_total") for name, *_ in rows] == [
        family.name.removeprefix("wsgifutures_") for family in families([])
    ]
    assert ("held_responses", "gauge", "Responses held or streamed now") in rows
    assert ("requests_total", "counter", "Requests that were let in") in rows
    assert ("held_seconds", "histogram", "How long responses were held") in rows


def test_settings_page_begins_with_an_overview_of_all_settings():
    """By what they are for; no more, no less."""
    overview = (DOCS / "settings.rst").read_text(encoding="utf-8").partition(".. settings::")[0]
    groups = " ".join(re.findall(r"^- [^:`]+: (``[^:]+?``)$", overview, re.M))
    assert sorted(re.findall(r"``(\w+)``", groups)) == sorted(one.name for one in fields(Settings))


def test_settings_page_has_every_variable_that_the_code_reads():
    """But for one that a worker tells its own processes."""
    sources = (ROOT / "src").rglob("*.py")
    read = {v for file in sources for v in re.findall(rf"{PREFIX}[A-Z_]+\b", file.read_text())}
    text = (DOCS / "settings.rst").read_text(encoding="utf-8")
    text += TABLES["settings_table"](Settings, {})
    assert {v for v in read if v not in text} == {f"{PREFIX}SYS_PATH"}


def test_view_in_the_page_of_upstreams_renders_without_it_where_it_is_off(monkeypatch):
    """As its variable says."""
    monkeypatch.setenv("WSGIFUTURES_UPSTREAM_WEATHER_OFF", "on")
    view = run(blocks_of(DOCS / "howto" / "upstreams.rst", "python")[0])["Weather"]
    request = HeldRequest(lambda: view(None, None)())
    assert (request.run(), request.passes) == ("no weather today", 1)


def test_settings_page_tells_what_the_gunicorn_module_sets():
    """With its values."""
    module = collective.wsgifutures.gunicorn
    rows = rows_of("settings.rst", "gunicorn-settings")
    assert {row[0].strip("`") for row in rows} == set(module.__all__)
    for name, shown, _ in rows:
        value = getattr(module, name.strip("`"))
        assert shown == ("a function" if callable(value) else str(value))


def test_gunicorns_own_defaults_are_those_that_the_docs_name():
    """They are the reason for ours."""
    text = " ".join((DOCS / "settings.rst").read_text(encoding="utf-8").split())
    assert f"own default is {WorkerConnections.default:,}." in text
    assert f"own default is {GracefulTimeout.default};" in text


def test_time_limits_named_in_the_docs_are_those_of_the_code():
    """README adds deadline and grace."""
    settings = Settings()
    assert settings.deadline + settings.grace == 59
    assert "the 59 seconds" in (ROOT / "README.rst").read_text()
    assert "30 seconds" in (DOCS / "settings.rst").read_text()
    assert DEFAULT_TIMEOUT == 30
    assert "up to 64 at a time" in (DOCS / "howto" / "filter.rst").read_text()
    assert inspect.signature(Threads).parameters["limit"].default == 64


def test_glossary_has_the_words_and_no_others():
    """One meaning each."""
    text = (DOCS / "concepts.rst").read_text(encoding="utf-8")
    glossary = re.split(r"\n(?=\S)", text.split(".. glossary::\n")[1])[0]
    assert set(re.findall(r"^ {4}(\w[\w ]+)$", glossary, re.M)) == WORDS


def test_reference_has_every_public_name():
    """What is offered is explained."""
    text = (DOCS / "reference.rst").read_text(encoding="utf-8")
    shown = set(re.findall(r"^\.\. auto\w+:: ([\w.]+)", text, re.M))
    public = {*collective.wsgifutures.__all__, *collective.wsgifutures.testing.__all__}
    assert public - shown == set()


def test_reference_has_each_argument_of_an_upstreams_methods():
    """As each of them has it."""
    text = (DOCS / "reference.rst").read_text(encoding="utf-8")
    shown = dict(re.findall(r"Upstream\.(\w+)\((.+)\)$", text, re.M))
    upstream = collective.wsgifutures.Upstream("shown", "http://127.0.0.1:1")
    methods = {n: m for n, m in vars(upstream).items() if isinstance(m, Method)}
    assert shown.keys() == methods.keys()
    for name, method in methods.items():
        own = [str(one.replace(annotation=one.empty)) for one in parameters_of(method)]
        assert [one for one in shown[name].replace('"', "'").split(", ") if one != "*"] == own


def parameters_of(method):
    return inspect.signature(method).parameters.values()


def test_every_page_is_reached_from_the_index():
    """No page is lost."""
    listed = set(re.findall(r"^ {4}([\w/-]+)$", (DOCS / "index.rst").read_text(), re.M))
    parts = {"index"}
    pages = {str(p.relative_to(DOCS).with_suffix("")) for p in DOCS.rglob("*.rst")}
    assert pages - parts == listed


# The live status


def test_the_page_on_the_live_status_has_each_field_that_the_endpoint_tells():
    """A script is written from it."""
    fields = [cells[0].strip("`") for cells in rows_of("howto/status.rst", "status-fields")]
    assert sorted(fields) == sorted(["state", *overview.of([], 0.0)])
