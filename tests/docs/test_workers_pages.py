"""The pages on workers elsewhere say what the code does."""

from blocks import blocks_of
from blocks import DOCS
from blocks import files_of
from blocks import ROOT
from collective.wsgifutures import relay
from collective.wsgifutures.amqp import broker
from collective.wsgifutures.amqp import consuming
from collective.wsgifutures.amqp import duty
from collective.wsgifutures.amqp import hints
from collective.wsgifutures.amqp import messages
from collective.wsgifutures.amqp import publishing
from collective.wsgifutures.amqp import trouble
from collective.wsgifutures.amqp.directives import IConsumerDirective
from collective.wsgifutures.jobs import desk
from collective.wsgifutures.jobs import leases
from collective.wsgifutures.jobs import options
from collective.wsgifutures.jobs import plain
from collective.wsgifutures.jobs import work
from collective.wsgifutures.jobs.may import check_may
from collective.wsgifutures.keys import ring
from collective.wsgifutures.keys import tokens
from collective.wsgifutures.restapi import claims
from collective.wsgifutures.workers import assertions
from collective.wsgifutures.workers import grants
from collective.wsgifutures.workers import registry
from collective.wsgifutures.wsgi.settings import Settings
from pathlib import Path
from test_docs import rows_of
from test_jobs_pages import default
from test_jobs_pages import text_of
from test_pages import run_python
from wsgifutures_worker import Worker
from wsgifutures_worker.keys import make_key

import argparse
import configparser
import inspect
import json
import os
import pytest
import re
import shlex
import shutil

DAY = 86400

REST = "howto/workers-rest.rst"
PROTOCOL = "howto/workers-any-language.rst"
BROKER = "howto/workers-broker.rst"
SECRETS = "howto/workers-security.rst"

#: What the code has, what the page calls it, and the page.
NUMBERS = [
    ((leases.LEASE, 120), "two minutes, from its last heartbeat on", "workers.rst"),
    ((leases.LEASE, 120), "lease 120 s from the last heartbeat", PROTOCOL),
    ((leases.WORTH, 5), "written every five seconds at most", REST),
    ((desk.MOST_DEATHS, 3), "If that happens three times, the job is dead", "workers.rst"),
    ((work.LARGEST_RESULT, 256 * 1024), "up to 256 KB", "workers.rst"),
    ((work.LARGEST_RESULT, 256 * 1024), "more than 256 KB", REST),
    ((Settings().max_files, 64 * 1024**2), "may have 64 MiB (``max_files``)", REST),
    ((claims.AGAIN, 5), "told to ask again after five seconds", "workers.rst"),
    ((claims.LONGEST_KEY, 200), "Random, up to 200 characters", PROTOCOL),
    ((grants.LIFETIME, 600), "token 600 s", PROTOCOL),
    ((assertions.LONGEST, 300), "are 300 seconds at most", PROTOCOL),
    ((assertions.LEEWAY, 60), "A clock may be a minute off", PROTOCOL),
    ((registry.MOST_PENDING, 20), "Twenty workers wait to be approved", REST),
    ((registry.MOST_PENDING, 20), "20 may wait at a time", SECRETS),
    ((registry.FORGET_AFTER, DAY), "After a day it is forgotten", REST),
    ((registry.LONGEST_NAME, 100), "``name`` up to 100 characters", PROTOCOL),
    ((registry.MOST_QUEUES, 50), "``queues`` up to 50 names", PROTOCOL),
    ((ring.ROTATE_AFTER, 90 * DAY), "Changes by itself every 90 days", SECRETS),
    ((ring.KEPT, 31 * DAY), "has ended: 31 days", SECRETS),
    ((ring.LONGEST, 30 * DAY), "30 days at most", SECRETS),
    ((options.DEADLINE, 7 * DAY), "a week by default", SECRETS),
    ((broker.HINT_LIMIT, 500), "``x-delivery-limit`` 500", BROKER),
    ((broker.HINT_LIMIT, 500), "hints that were delivered 500 times", BROKER),
    ((broker.DELIVERY_LIMIT, 20), "messages of consumers that were delivered 20 times", BROKER),
    ((broker.MOST_DEAD, 10_000), "The newest 10,000", BROKER),
    ((broker.DEAD_KEPT, 14 * DAY * 1000), "for 14 days", BROKER),
    ((broker.CONFIRM, 10), "no longer than 10 seconds for a confirm", BROKER),
    ((trouble.LONGEST_PAUSE, 30), "growing pauses up to half a minute", BROKER),
    ((duty.SILENCE, 60), "has been silent for a minute", BROKER),
    ((hints.PAUSE, 30), "after 30 seconds, and then", BROKER),
    ((hints.LONGEST_PAUSE, 900), "growing pauses up to 15 minutes", BROKER),
    ((messages.LARGEST, 1024**2), "bytes; 1 MiB at most", "howto/amqp.rst"),
    ((publishing.outgoing.attempts, 20), "dead after twenty refusals", "howto/amqp.rst"),
    ((consuming.KNOWN_FOR, DAY), "is one job, for a day", "howto/amqp.rst"),
]


@pytest.mark.parametrize(("numbers", "words", "page"), NUMBERS)
def test_number_on_a_page_of_workers_is_that_of_the_code(numbers, words, page):
    """Of leases, tokens, limits and what a broker keeps."""
    in_the_code, on_the_page = numbers
    assert in_the_code == on_the_page
    assert words in text_of(page)


# The tutorial


@pytest.fixture
def tutorial(tmp_path):
    """Write the files of the tutorial; return the folder."""
    for name, (block,) in files_of(DOCS / "workers-tutorial.rst").items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text)
    return tmp_path


def test_tests_of_the_tutorial_of_workers_pass_in_plone(tutorial):
    """As many as its page says."""
    options = ("-q", "-p", "no:cacheprovider")
    status, output = run_python(tutorial, "-m", "pytest", *options, "acme/tests")
    assert (status, "2 passed" in output) == (0, True), output


def test_tests_of_the_tutorial_of_workers_pass_elsewhere(tutorial):
    """As many as its page says, with the key that it has by then."""
    folder = tutorial / "extractor"
    make_key(folder / "worker.pem")
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:plone")
    status, output = run_python(folder, "-m", "pytest", *options, "test_extract.py")
    assert (status, "3 passed" in output) == (0, True), output


def test_task_of_the_tutorial_is_the_one_that_its_worker_does(tutorial):
    """By its name and queue."""
    tasks = (tutorial / "acme" / "src" / "acme_texts" / "tasks.py").read_text()
    worker = (tutorial / "extractor" / "extract.py").read_text()
    (name,) = re.findall(r'@worker\.does\("(.+)"\)', worker)
    (queue,) = re.findall(r'queues=\["(.+)"\]', worker)
    assert f'name="{name}",' in tasks
    assert f'queue="{queue}",' in tasks


# The protocol


def test_page_of_the_protocol_has_each_type_that_json_has_not():
    """No more, no less."""
    rows = rows_of(PROTOCOL, "types")
    named = [name for row in rows for name in re.findall(r"``(\w+)``", row[0])]
    assert sorted(named) == sorted(plain._READERS.keys() - {"frozenset"})


def test_page_of_the_protocol_has_each_address():
    """And says which kinds of tokens there are."""
    addresses = " ".join(row[0] for row in rows_of(PROTOCOL, "addresses"))
    assert [act for act in claims.ACTS if f"/{act}``" not in addresses] == []
    kinds = " ".join(row[1] for row in rows_of(PROTOCOL, "tokens"))
    for typ in (tokens.ACCESS, tokens.CLAIM, tokens.CAPABILITY):
        assert f"``{typ}``" in kinds


def test_page_of_the_protocol_has_each_field_of_a_claim():
    """As the service describes it."""
    source = inspect.getsource(claims.Post._describe_claim)
    source += inspect.getsource(claims.Post._describe_lease)
    told = set(re.findall(r'^ +"(\w+)": ', source, re.M)) - {"sub", "gen", "client_id"}
    named = {
        n for row in rows_of(PROTOCOL, "claim-fields") for n in re.findall(r"``(\w+)``", row[0])
    }
    assert named == told
    (example,) = [b for b in blocks_of(DOCS / REST, "json") if '"generation"' in b.text]
    assert set(json.loads(example.text)) == told


@pytest.mark.parametrize(
    "block",
    [b for p in (REST, PROTOCOL) for b in blocks_of(DOCS / p, "json")],
    ids=lambda b: b.line,
)
def test_json_on_the_pages_is_json(block):
    """One value, or one on each line."""
    try:
        json.loads(block.text)
    except ValueError:
        for line in block.text.splitlines():
            json.loads(line)


def test_services_on_the_page_of_workers_may_be_allowed():
    """And what the page says is refused is refused."""
    for text in re.findall(r"``may=(\[.*?\])", text_of("workers.rst")):
        check_may(json.loads(text))
    for never in ("@users", "@login-renew", "@@usergroup-userprefs", "@controlpanels"):
        with pytest.raises(ValueError, match="No worker gets"):
            check_may(["GET", never])


# The broker


UNITS = {
    "plone-relay": ("/srv/plone/bin/wsgifutures", relay.GRACEFUL),
    "extractor": ("/srv/extractor/venv/bin/wsgifutures-worker", default(Worker, "grace")),
}


@pytest.mark.parametrize("name", UNITS)
def test_unit_of_systemd_starts_the_command_and_waits_for_its_end(name):
    """Longer than the process takes by itself."""
    (block,) = files_of(DOCS / BROKER)[f"/etc/systemd/system/{name}.service"]
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read_string(block.text)
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    wanted, seconds = UNITS[name]
    assert program == wanted
    assert int(unit["Service"]["TimeoutStopSec"]) > seconds
    if name == "plone-relay":
        parser = argparse.ArgumentParser()
        relay.add_parser(parser.add_subparsers())
        assert parser.parse_args(arguments).consume


def test_options_of_the_relay_on_the_page_are_its_own():
    """No more, no less, but for the paste file."""
    parser = argparse.ArgumentParser()
    relay.add_parser(commands := parser.add_subparsers())
    known = {option for a in commands.choices["relay"]._actions for option in a.option_strings}
    text = (DOCS / BROKER).read_text(encoding="utf-8")
    named = set(re.findall(r"^``(--[\w-]+)", text, re.M))
    assert named == {o for o in known if o.startswith("--")} - {"--help", "--paste"}


def test_names_at_the_broker_are_those_of_the_code():
    """Of queues and dead letters."""
    text = text_of(BROKER)
    assert f"``{messages.PREFIX}<site>.<queue>``" in text
    assert f"``{messages.DEAD}``" in text
    assert "x-wsgifutures-reason" in text_of("howto/amqp.rst")


def test_page_of_messages_has_each_argument_of_publish():
    """By its name, in order."""
    named = [row[0].strip("`") for row in rows_of("howto/amqp.rst", "publish")]
    assert sorted(named) == sorted(inspect.signature(publishing.publish).parameters)


def test_page_of_messages_has_each_attribute_of_a_consumer():
    """And its example has those that are required."""
    named = [row[0].strip("`") for row in rows_of("howto/amqp.rst", "consumer")]
    assert sorted(named) == sorted(IConsumerDirective.names())
    (block,) = blocks_of(DOCS / "howto" / "amqp.rst", "xml")
    given = set(re.findall(r'^ +(\w+)="', block.text, re.M)) - {"package", "file", "xmlns"}
    required = {n for n in IConsumerDirective.names() if IConsumerDirective[n].required}
    assert required <= given <= set(IConsumerDirective.names())


def test_consumer_on_the_page_of_messages_is_declared():
    """With Plone's own ZCML."""
    (block,) = blocks_of(DOCS / "howto" / "amqp.rst", "xml")
    code = f"""
from collective.wsgifutures.amqp.consuming import consumers
from zope.configuration import xmlconfig
import zope.component

context = xmlconfig.file("meta.zcml", zope.component)
xmlconfig.string({block.text!r}, context=context)
print([(one.queue, one.task, one.site, one.context, one.routing_key) for one in consumers()])
"""
    expected = [("cms.orders", "acme.order", "/Plone", "orders", "order.paid")]
    assert run_python(Path(__file__).parent, "-c", code) == (0, f"{expected}\n")


# The shell


@pytest.mark.parametrize("name", ["worker.sh", "introduce.sh", "texts.sh"])
def test_script_is_understood_by_a_shell(name, tmp_path):
    """By the plainest one that is there."""
    (block,) = files_of(DOCS / REST)[name]
    script = tmp_path / name
    script.write_text(block.text)
    assert os.system(f"{shutil.which('sh')} -n {shlex.quote(str(script))}") == 0


def test_examples_that_the_pages_name_are_there():
    """In the repository."""
    pages = ("workers-tutorial.rst", REST, PROTOCOL)
    named = {m for page in pages for m in re.findall(r"``(examples/\w+)``", text_of(page))}
    assert len(named) == 3
    assert [name for name in named if not (ROOT / name).is_dir()] == []
