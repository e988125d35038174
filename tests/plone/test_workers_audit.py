"""The audit of keys, clocks, workers elsewhere, the plugin for tokens, the relay and its broker."""

from collective.wsgifutures.amqp import publish
from collective.wsgifutures.amqp.audit import of_relay
from collective.wsgifutures.amqp.audit import RelayJoint
from collective.wsgifutures.amqp.duty import Duty
from collective.wsgifutures.amqp.duty import ROOT
from collective.wsgifutures.jobs.audit import of_jobs_elsewhere
from collective.wsgifutures.jobs.by_hand import _find_database
from collective.wsgifutures.jobs.neighbours import find_place
from collective.wsgifutures.jobs.store import find_store
from collective.wsgifutures.keys.addresses import Addresses
from collective.wsgifutures.keys.addresses import MOST
from collective.wsgifutures.keys.addresses import note_address
from collective.wsgifutures.keys.addresses import PART
from collective.wsgifutures.keys.places import find_part
from collective.wsgifutures.keys.places import make_part
from collective.wsgifutures.keys.places import place_of
from collective.wsgifutures.keys.places import ROOT as KEYS
from collective.wsgifutures.keys.ring import DAY
from collective.wsgifutures.keys.ring import find_ring
from collective.wsgifutures.pas.audit import of_plugins
from collective.wsgifutures.pas.audit import PluginsJoint
from collective.wsgifutures.pas.plugin import ID
from collective.wsgifutures.workers import audit
from collective.wsgifutures.workers.audit import of_workers
from collective.wsgifutures.workers.joint import WorkersJoint
from collective.wsgifutures.workers.registry import find_worker
from collective.wsgifutures.wsgi.findings import Level
from collective.wsgifutures.wsgi.joints import joints
from types import SimpleNamespace
from workersite import Outside
from workersite import prepare

import dataclasses
import pytest
import time
import transaction


@pytest.fixture
def installed(site):
    """The site with the add-on."""
    prepare(site)
    return site


@pytest.fixture
def worker(installed):
    """An approved worker."""
    return find_worker(installed.portal, Outside(installed).approved().id)


def found(check=of_workers):
    """Return level, topic and text of each finding."""
    transaction.commit()
    return [(one.level, one.topic, str(one)) for one in check(_find_database())]


def warnings(check=of_workers):
    """Return topic and text of each warning."""
    return [(topic, text) for level, topic, text in found(check) if level is Level.WARNING]


# Keys, clocks, workers


def test_a_database_without_the_add_on_has_nothing_to_say_of_keys(site):
    """But its clock is looked at."""
    assert [topic for _, topic, _ in found()] == ["clocks"]
    assert found(of_plugins) == found(of_relay) == []


def test_keys_are_told_with_their_age(installed):
    """They change by themselves."""
    ring = find_ring(place_of(installed.portal))
    ring._keys = (dataclasses.replace(ring.current, made=time.time() - 40.5 * DAY),)
    text = "keys: Sites with keys: 1. The oldest key that signs is 40 days old."
    assert (Level.OK, "keys", text) in found()


def test_a_ring_that_was_lost_is_a_warning(installed, worker):
    """If there are workers, there were keys."""
    place = place_of(installed.portal)
    del place.connection.root()[KEYS][f"{place.uid} {place.path}"]["ring"]
    ((topic, text),) = warnings()
    assert topic == "keys"
    assert "the site has no key: /plone." in text


def test_the_address_that_tokens_are_asked_for_at_is_told(installed):
    """By whoever looks into a copy: it is the address of the original."""
    outside = Outside(installed).approved()
    outside.token()
    url = installed.portal.absolute_url()
    assert (Level.OK, "keys", f"keys: The key of /plone signs tokens for {url}.") in found()
    assert warnings() == []


def test_a_key_that_came_along_to_another_address_is_a_warning(installed):
    """A copy of the database, or a site that has moved; a new key ends it."""
    place, now = place_of(installed.portal), time.time()
    note_address(place, "https://www.example.com", now - 3 * DAY)
    note_address(place, "https://test.example.com", now - DAY)
    ((topic, text),) = warnings()
    assert topic == "keys"
    assert "https://www.example.com until 3 days ago" in text
    assert "https://test.example.com now" in text
    find_ring(place).rotate(now)
    assert warnings() == []
    note_address(place, "https://test.example.com", now)
    assert warnings() == []
    assert [one for _, _, one in found() if one.endswith("tokens for https://test.example.com.")]


def test_two_addresses_that_are_both_in_use_are_no_copy(installed):
    """Workers of the same network may have one of their own; both are told."""
    place, now = place_of(installed.portal), time.time()
    note_address(place, "https://www.example.com", now - 3 * DAY)
    note_address(place, "https://inside.example.com", now - 2 * DAY)
    note_address(place, "https://www.example.com", now - DAY)
    assert warnings() == []
    text = "signs tokens for https://www.example.com, https://inside.example.com."
    assert [one for _, _, one in found() if text in one]


def test_an_address_is_noted_once_an_hour_and_not_for_ever(installed):
    """Whoever has many of them does not fill the database."""
    place, now = place_of(installed.portal), time.time()
    addresses = make_part(place, PART, Addresses)
    for seconds in range(0, 7200, 600):
        note_address(place, "https://www.example.com", now + seconds)
    assert [(one.first - now, one.last - now) for one in addresses.used] == [(0, 3600)]
    for number in range(20):
        note_address(place, f"https://{number}.example.com", now)
    assert len(addresses.used) == MOST


def test_what_was_written_in_the_future_is_a_warning(installed):
    """Another host's clock is ahead, or this one's is behind."""
    ring = find_ring(place_of(installed.portal))
    ring._keys = (dataclasses.replace(ring.current, made=time.time() + 300),)
    ((topic, text),) = warnings()
    assert topic == "clocks"
    assert "A key of /plone is from 300 s in the future" in text


def test_a_transaction_from_the_future_is_a_warning(installed, monkeypatch):
    """The database may be on a host of its own."""
    now = time.time()
    monkeypatch.setattr(audit, "time", SimpleNamespace(time=lambda: now - 60))
    assert [topic for topic, _ in warnings()] == ["clocks"]


@pytest.mark.parametrize(
    ("skew", "words"),
    [(45.0, "45 s ahead"), (-31.0, "31 s behind"), (29.0, ""), (None, "")],
)
def test_a_worker_whose_clock_is_off_is_a_warning(worker, skew, words):
    """From half of what is tolerated on."""
    worker.seen, worker.skew = time.time(), skew
    told = warnings()
    assert [topic for topic, _ in told] == (["workers"] if words else [])
    assert words in "".join(text for _, text in told)


def test_a_worker_that_was_never_seen_is_a_warning_after_a_day(worker):
    """Somebody has approved it for nothing."""
    assert warnings() == []
    worker.since -= 3 * DAY
    worker.name = "a\u202eb"
    ((topic, text),) = warnings()
    assert topic == "workers"
    assert "was approved 3 days ago and never asked for a token" in text
    assert r"'a\u202eb'" in text  # nobody's terminal shows it as something else
    worker.is_seen(time.time())
    assert warnings() == []


def test_workers_that_are_not_approved_are_nobodys_concern(installed, worker):
    """Neither those that wait nor those that were withdrawn."""
    worker.since -= 3 * DAY
    worker.withdraw("admin", time.time() - 3 * DAY)
    assert warnings() == []


def test_the_clock_of_a_worker_is_noted_with_its_token(installed):
    """At once if it has changed; else once an hour."""
    outside = Outside(installed).approved()
    now = int(time.time())
    assert outside.ask(outside.sign(iat=now - 40, exp=now + 60)).status == 200
    kept = find_worker(installed.portal, outside.id)
    installed.sync()
    assert kept.skew == pytest.approx(-40, abs=3)
    commits, seen = installed.commits, kept.seen
    assert outside.ask(outside.sign(iat=now - 41, exp=now + 60)).status == 200
    assert kept.seen == seen
    assert installed.commits > commits  # the assertion is used up
    assert outside.ask(outside.sign(iat=now + 20, exp=now + 60)).status == 200
    assert kept.skew == pytest.approx(20, abs=3)


# The plugin


def test_sites_with_the_plugin_are_told_with_its_place(installed):
    """The root has it too, for its own users."""
    ((level, topic, text),) = found(of_plugins)
    assert (level, topic) == (Level.OK, "tokens")
    active = installed.portal.acl_users.plugins.getAllPlugins("IExtractionPlugin")["active"]
    assert text.endswith(f"for credentials: /plone {active.index(ID) + 1}/{len(active)}.")


@pytest.mark.parametrize(
    ("where", "named"), [("site", "in: /plone. "), ("root", "in: Zope's root. ")]
)
@pytest.mark.parametrize("how", ["removed", "inactive"])
def test_a_plugin_that_is_missing_or_switched_off_is_a_warning(installed, where, named, how):
    """A token is nobody there."""
    portal = installed.portal
    folder = portal.acl_users if where == "site" else portal.getPhysicalRoot().acl_users
    if how == "removed":
        folder._delObject(ID)
    else:
        folder[ID].manage_activateInterfaces(["IExtractionPlugin"])
    ((topic, text),) = warnings(of_plugins)
    assert topic == "tokens"
    assert named in text


# Relay and broker


def write_sign(site, id="abc", pid=1, **more):
    """Write what a relay tells of itself."""
    duty = Duty()
    duty.relay, duty.place = id, (find_place()[0], pid)
    duty.told = {"broker": "amqp://mq//", "trouble": "", "at": time.time(), **more}
    site.portal._p_jar.root()[ROOT] = duty


def let_wait(site, seconds):
    """Record a message that waits for so long."""
    job = publish("orders", "new", {"n": 1})
    transaction.commit()
    store = find_store(site.portal._p_jar)
    for lane in store.lanes.values():
        for number, value in lane.jobs.items():
            lane.jobs[number] = (*value[:4], time.time() - seconds, *value[5:])
    return job


def test_a_broker_that_works_is_told_with_its_version(installed):
    """As the relay saw it last."""
    write_sign(installed, server="RabbitMQ 3.10.8")
    text = "broker: The relay told last of: amqp://mq// RabbitMQ 3.10.8."
    assert found(of_relay) == [(Level.OK, "broker", text)]


@pytest.mark.parametrize(
    ("server", "is_old"),
    [("RabbitMQ 3.9.13", True), ("RabbitMQ 4.0.1", False), ("", False), ("Redis 7", False)],
)
def test_a_broker_that_is_too_old_is_a_warning(installed, server, is_old):
    """Its queues would not do what they are declared for."""
    write_sign(installed, server=server)
    assert bool(warnings(of_relay)) is is_old


def test_a_broker_in_trouble_is_a_warning_with_the_reason(installed):
    """In the words of the relay."""
    write_sign(installed, trouble="It confirmed nothing for 10 s.")
    ((topic, text),) = warnings(of_relay)
    assert topic == "broker"
    assert "It confirmed nothing for 10 s." in text


@pytest.mark.parametrize("ended", [None, {"id": ""}, {"pid": 2**22 + 1}])
def test_messages_that_wait_without_a_relay_are_a_warning(installed, ended):
    """There never was one, it said that it ends, or its process is gone."""
    job = let_wait(installed, 90)
    if ended is not None:
        write_sign(installed, **ended)
    ((topic, text),) = warnings(of_relay)
    assert topic == "relay"
    assert "messages wait for a broker: 1, the oldest for 90 s" in text
    assert list(of_jobs_elsewhere(_find_database())) == []  # no worker can do them
    job.cancel(time.time())
    assert warnings(of_relay) == []


def test_messages_that_wait_for_a_moment_are_no_warning(installed):
    """Nor those of a relay that runs: it tells of trouble by itself."""
    let_wait(installed, 10)
    assert warnings(of_relay) == []
    let_wait(installed, 90)
    write_sign(installed)
    assert warnings(of_relay) == []


def test_a_worker_of_the_server_makes_all_of_these_checks(site):
    """At its start, and the doctor with it."""
    kinds = {type(joint) for joint in joints}
    assert {WorkersJoint, PluginsJoint, RelayJoint} <= kinds
    prepare(site)
    topics = {one.topic for joint in joints for one in joint.findings(1)}
    assert {"keys", "clocks", "tokens"} <= topics
    assert find_part(place_of(site.portal), "ring")


def test_queues_that_were_made_by_somebody_else_are_told(installed):
    """Those that do not last are a warning; what a site's administrator chose is none."""
    own = {"wsgifutures.1.ocr": "x-message-ttl", "wsgifutures.1.texts": "x-delivery-limit"}
    write_sign(installed, server="RabbitMQ 3.10.8", unlike=own)
    assert warnings(of_relay) == []
    text = "wsgifutures.1.ocr (x-message-ttl), wsgifutures.1.texts (x-delivery-limit)."
    assert [one for _, _, one in found(of_relay) if one.endswith(text)]
    write_sign(
        installed, server="RabbitMQ 3.10.8", unlike={**own, "wsgifutures.1.x": "x-queue-type"}
    )
    ((topic, text),) = warnings(of_relay)
    assert topic == "broker"
    assert "not made to last: wsgifutures.1.x (x-queue-type)." in text
