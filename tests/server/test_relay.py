"""``wsgifutures relay`` between a site, a real RabbitMQ and a worker elsewhere."""

from pathlib import Path
from processes import BIN
from processes import Process
from processes import ROOT
from processes import Server
from processes import wait_until
from storages import ZEO

import os
import pytest
import random
import signal
import subprocess
import sys
import time

sys.path += [str(ROOT / "tests" / "brokers"), str(ROOT / "tests" / "amqp")]

from brokers import BROKERS
from brokers import PASSWORD
from letters import Reader

pytestmark = pytest.mark.brokers

#: An argument that nobody reads at a broker.
SECRET = "argum3nt"

#: How long a worker has a job until its next heartbeat, in seconds.
LEASE = 12

#: Makes a second site.
OTHER = """
from AccessControl.SecurityManagement import newSecurityManager
from Products.CMFPlone.factory import addPloneSite
from Testing.makerequest import makerequest
import transaction

app = makerequest(app)  # noqa: F821
newSecurityManager(None, app.acl_users.getUser("admin").__of__(app.acl_users))
profiles = ["plone.app.contenttypes:default", "collective.wsgifutures:default"]
addPloneSite(app, "Other", setup_content=False, default_language="en", extension_ids=profiles)
transaction.commit()
app._p_jar.db().close()  # noqa: F821  writes the index
"""


@pytest.fixture(scope="module")
def zeo(new_instance, environment):
    """An instance on a ZEO server, with two sites."""
    storage, folder = ZEO(), new_instance()
    try:
        (folder / "other.py").write_text(OTHER)
        command = [BIN / "zconsole", "run", folder / "etc" / "zope.conf", folder / "other.py"]
        subprocess.run(command, env={**os.environ, **environment}, check=True)
        storage.put(folder)
        yield folder
    finally:
        storage.stop()


@pytest.fixture(scope="module")
def server(zeo, start_gunicorn):
    """A server, which runs the jobs that are not for others."""
    server = Server(*start_gunicorn(folder=zeo, env={"HOLDTESTS_LEASE": str(LEASE)}))
    prepare(server)
    yield server
    server.process.stop(signal.SIGINT)


@pytest.fixture(scope="module")
def other(server):
    """The second site of the same server."""
    other = Server(server.process, server.root.rpartition(":")[2], site="/Other")
    prepare(other)
    return other


def prepare(server):
    for view in ("jobs-prepare", "amqp-prepare", "claims-prepare"):
        server.post(f"@@{view}").raise_for_status()


@pytest.fixture(scope="module")
def rabbitmq():
    """A RabbitMQ."""
    broker = BROKERS["rabbitmq"]()
    yield broker
    broker.stop()


@pytest.fixture
def start_relay(zeo, environment, rabbitmq):
    """Start the command; what was started ends with the test."""
    processes = []

    def start(*flags, url=None, paste=None, log="relay.log"):
        command = [
            BIN / "wsgifutures",
            "relay",
            "--paste",
            paste or zeo / "etc" / "zope.ini",
            *flags,
        ]
        env = {**environment, "WSGIFUTURES_BROKER": url or rabbitmq.url}
        processes.append(Process(command, zeo / log, env, cwd=zeo))
        return processes[-1]

    yield start
    for process in processes:
        process.stop()


@pytest.fixture
def relay(start_relay):
    """A relay that has started."""
    process = start_relay()
    process.wait_for(lambda: "The relay sends to" in process.output)
    return process


@pytest.fixture
def start_worker(server, rabbitmq, tmp_path):
    """Start a worker elsewhere."""
    processes = []

    def start(site=None, seconds=0):
        command = [sys.executable, Path(__file__).with_name("far_worker.py")]
        log = tmp_path / f"worker-{len(processes)}.log"
        processes.append(Process([*command, site or server.site, rabbitmq.url, seconds], log))
        return processes[-1]

    yield start
    for process in processes:
        process.stop()


def look(server, *ids):
    return server.get("@@amqp-look", ids=" ".join(ids)).json()


def submit(server, *names):
    answer = server.post("@@claims-submit", data={"names": " ".join(names)})
    answer.raise_for_status()
    return answer.json()


def states(server, ids):
    found = server.get("@@claims-look").json()["states"]
    return {found[id] for id in ids}


def kept(server):
    return server.get("@@claims-look").json()["kept"]


def publish(server, *names, queue, key=""):
    data = {"names": " ".join(names), "queue": queue, "key": key}
    answer = server.post("@@amqp-publish", data=data)
    answer.raise_for_status()
    return answer.json()


def test_a_worker_elsewhere_is_woken_and_its_results_are_stored_once(server, relay, start_worker):
    """From the commit to the task in Plone."""
    start_worker()
    names = [f"one-{n}" for n in range(40)]
    submit(server, *names)
    wait_until(lambda: kept(server).keys() >= set(names), 60)
    assert {kept(server)[name] for name in names} == {1}
    assert look(server)["sign"]["relay"]


def test_sites_that_share_a_relay_and_a_broker_share_no_queue(server, other, relay, start_worker):
    """Each job is done by a worker of its own site, and no hint is rejected."""
    workers = [start_worker(), start_worker(other.site)]
    submitted = set()
    for n in range(40):
        for site in (server, other):
            submitted.add(f"{site.site}-{n}")
            submit(site, f"{site.site}-{n}")
    wait_until(lambda: kept(server).keys() >= submitted, 60)
    assert {kept(server)[name] for name in submitted} == {1}
    for worker in workers:
        assert "rejected" not in worker.output
        assert "refuses a capability" not in worker.output


def test_messages_of_a_view_arrive_after_the_commit_in_order(server, relay, rabbitmq):
    """And their jobs are done."""
    with Reader(rabbitmq.url, "holdtests.out") as reader:
        reader._connection.default_channel.queue_declare(
            queue="holdtests.out", durable=True, auto_delete=False
        )
        ids = publish(server, *[f"m{n}" for n in range(20)], queue="holdtests.out", key="k")
        assert reader.read(20) == [f"m{n}" for n in range(20)]
    wait_until(lambda: set(look(server, *ids)["states"].values()) == {"done"})


def test_a_message_that_comes_is_a_job_of_its_user_once(server, relay, rabbitmq):
    """However often it is sent."""
    import kombu

    with kombu.Connection(rabbitmq.url) as connection:
        producer = connection.Producer(serializer="json")
        wait_until(lambda: "holdtests.in" in rabbitmq.ctl("list_queues", "name"))
        for _ in range(3):
            producer.publish("hello", routing_key="holdtests.in", message_id="id-1")
    wait_until(lambda: "hello" in look(server)["taken"])
    time.sleep(2)
    ((user, id, _),) = look(server)["taken"]["hello"]
    assert (user, id) == ("admin", "id-1")


def test_what_a_killed_worker_had_is_done_once_by_the_next_one(server, relay, start_worker):
    """When its lease is over, and not before."""
    names = [f"orphan-{n}" for n in range(4)]
    killed = start_worker(seconds=60)
    ids = submit(server, *names)
    wait_until(lambda: states(server, ids) == {"running"})
    killed.signal(signal.SIGKILL)
    since = time.monotonic()
    start_worker()
    (meanwhile,) = submit(server, "meanwhile")
    wait_until(lambda: states(server, [meanwhile]) == {"done"})
    assert states(server, ids) == {"running"}
    wait_until(lambda: kept(server).keys() >= set(names), 60)
    assert time.monotonic() - since > LEASE / 2
    assert {kept(server)[name] for name in names} == {1}


def test_nothing_is_lost_whatever_is_killed(server, start_relay, start_worker, rabbitmq):
    """Jobs and messages, while relay and broker are killed; none stored twice."""
    start_worker()
    relay, names = start_relay(), []
    rabbitmq.ctl("await_startup")
    ids = []
    for round in range(6):
        fresh = [f"kill-{round}-{n}" for n in range(40)]
        submit(server, *fresh)
        ids += publish(server, *fresh, queue="holdtests.in")
        names += fresh
        time.sleep(random.uniform(0.5, 3))
        if round in (1, 3):
            rabbitmq.kill()
            submit(server, f"down-{round}")
            names.append(f"down-{round}")
            rabbitmq.start()
        else:
            relay.signal(signal.SIGKILL)
            relay.wait()
            relay = start_relay(log=f"relay-{round}.log")
    until = time.monotonic() + 180
    while missing := set(names) - kept(server).keys():
        assert time.monotonic() < until, (sorted(missing), server.get("@@claims-look").json())
        time.sleep(0.5)
    wait_until(lambda: set(look(server, *ids)["states"].values()) == {"done"}, 60)
    assert {kept(server)[name] for name in names} == {1}
    sent = {name for name in names if name.startswith("kill-")}
    wait_until(lambda: look(server)["taken"].keys() >= sent, 60)
    assert {len(look(server)["taken"][name]) for name in sent} == {1}


def test_a_broker_that_is_away_costs_visitors_nothing(server, relay, rabbitmq):
    """Their commits go as fast as before."""

    def times():
        found = []
        for n in range(60):
            since = time.monotonic()
            server.post("@@claims-submit", data={"names": f"t{n}"}).raise_for_status()
            found.append(time.monotonic() - since)
        return sorted(found)[54]

    times()
    before = times()
    rabbitmq.signal(signal.SIGSTOP)
    try:
        during = times()
    finally:
        rabbitmq.signal(signal.SIGCONT)
    assert during < 1.5 * before + 0.05


def test_nobody_reads_an_argument_or_a_password_at_the_broker_or_in_a_log(
    server, relay, rabbitmq, zeo
):
    """Neither on the broker's disk nor in what the relay says."""
    submit(server, *[f"{SECRET}-{n}" for n in range(5)])
    wait_until(lambda: rabbitmq.ctl("list_queues", "name", "messages_ready").count("\n") > 0)
    time.sleep(3)
    relay.signal(signal.SIGTERM)
    assert relay.wait(15) == 0
    disk = [path for path in rabbitmq.folder.rglob("*") if path.is_file()]
    found = {path.name for path in disk if SECRET.encode() in path.read_bytes()}
    assert found == set()
    for log in zeo.glob("relay*.log"):
        assert PASSWORD not in log.read_text(), log
        assert SECRET not in log.read_text(), log


def test_it_ends_within_seconds_whatever_the_broker_does(server, start_relay, rabbitmq):
    """It says once that the broker is away."""
    process = start_relay(url=f"amqp://plone:{PASSWORD}@127.0.0.1:9//")
    wait_until(lambda: "does not do its work" in process.output, 60)
    time.sleep(3)
    assert process.output.count("does not do its work") == 2  # also for consumers
    assert PASSWORD not in process.output
    since = time.monotonic()
    process.signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert time.monotonic() - since < 12


@pytest.mark.parametrize(
    ("prefix", "url", "said"),
    [
        ("from gevent import monkey; monkey.patch_all()", "amqp://h", "gevent has patched"),
        ("import sys; sys.modules['kombu'] = None", "amqp://h", "pip install"),
        ("", "nosuch://u:s3cret@h", "cannot be used as a broker"),
        ("", "rabbit", "is not the address of a broker"),
    ],
)
def test_it_refuses_to_start_with_a_sentence(zeo, prefix, url, said):
    """That says what to do."""
    code = f"{prefix}\nfrom collective.wsgifutures.__main__ import main\nraise SystemExit(main())"
    paste = zeo / "etc" / "zope.ini"
    command = [sys.executable, "-c", code, "relay", "--paste", paste, "--broker", url]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr


def test_it_is_refused_on_a_filestorage_that_a_server_has(gunicorn):
    """With a sentence that says what to do."""
    paste = gunicorn.process.log.parent / "etc" / "zope.ini"
    command = [BIN / "wsgifutures", "relay", "--paste", paste, "--broker", "amqp://127.0.0.1:9"]
    env = {**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=60, env=env
    )
    assert done.returncode == 1
    assert "another process has this FileStorage" in done.stderr
    assert "Traceback" not in done.stderr
