"""A broker wakes the worker; the claim at the site decides.

kombu's broker in memory, which is real but for its wire.
"""

from conftest import running
from conftest import wait_until
from standin import Answer
from standin import serving
from standin import StandIn
from wsgifutures_worker import Worker
from wsgifutures_worker.keys import load_key

import json
import kombu
import pytest
import threading
import time
import uuid


class Queue:
    """A queue of a broker in memory, as the relay uses it."""

    def __init__(self, site, url=None, short=None):
        self.url = url or f"memory://guest:hunter2@{uuid.uuid4().hex}/"
        self.short = short or uuid.uuid4().hex[:8]
        self.name = f"wsgifutures.{site.uid}.{self.short}"
        self._site = site
        self.channel = kombu.Connection(self.url).default_channel

    def submit(self, *args, task="ocr"):
        job = self._site.submit(task, *args)
        self.send(job)
        return job

    def send(self, job, **changes):
        told = {"id": job.id, "queue": "ocr", "capability": self._site.capability(job)}
        self.put(json.dumps(told | changes).encode())

    def put(self, body):
        message = self.channel.prepare_message(body, content_type="application/json")
        self.channel.basic_publish(message, "", self.name)

    def __len__(self):
        return self.channel._size(self.name)


@pytest.fixture
def queue(site):
    """A queue."""
    return Queue(site)


@pytest.fixture
def woken(site, queue):
    """Make a worker without a key, that lives from capabilities alone."""

    def make(site=site, **options):
        worker = Worker(site.url, queues=[queue.short], broker=queue.url, **{"grace": 5, **options})
        worker.does("ocr")(lambda job: "woken")
        return worker

    return make


def is_done(job):
    return lambda: job.state == "done"


def test_a_message_wakes_a_worker_that_has_no_key(site, queue, woken):
    """The capability is all that it needs."""
    with running(woken()):
        job = queue.submit()
        wait_until(is_done(job))
    assert (job.result, job.worker) == ("woken", "capability")
    asked = {path for _, path, _ in site.seen}
    assert asked == {"/@jwks", "/@jobs/claim", f"/@jobs/{job.id}/complete"}


def test_sites_that_share_a_broker_have_queues_of_their_own(site, queue, woken, caplog):
    """Each job is done by a worker of its own site, though the queue is called the same."""
    with serving(StandIn()) as other:
        others = Queue(other, queue.url, queue.short)
        jobs = [one.submit() for _ in range(20) for one in (queue, others)]
        with running(woken()), running(woken(other)):
            wait_until(lambda: all(job.state == "done" for job in jobs))
    assert len(queue) == len(others) == 0
    assert {job.generation for job in jobs} == {1}
    assert "rejected" not in caplog.text
    assert "refuses a capability" not in caplog.text


@pytest.mark.parametrize(
    "trouble", [Answer(503), "lose", Answer(404), Answer(200, {"keys": []}), Answer(200, [])]
)
def test_a_site_that_does_not_tell_its_name_is_asked_again(site, queue, woken, trouble):
    """Nothing is taken before; afterwards the site is not asked for it any more."""
    site.always["/@jwks"] = trouble
    with running(woken()):
        job = queue.submit()
        wait_until(lambda: len(names_asked(site)) >= 2)
        assert len(queue) == 1
        site.always.clear()
        wait_until(is_done(job))
        asked = len(names_asked(site))
        second = queue.submit()
        wait_until(is_done(second))
    assert len(names_asked(site)) == asked


def names_asked(site):
    return [path for _, path, _ in site.seen if path == "/@jwks"]


def test_a_message_is_acknowledged_once_its_claim_is_answered(site, queue, woken):
    """Not when the job is done: that may take hours."""
    go, worker = threading.Event(), woken()
    worker.tasks.clear()
    worker.does("ocr")(lambda job: go.wait(10))
    with running(worker):
        job = queue.submit()
        wait_until(lambda: job.state == "running")
        wait_until(lambda: not unacknowledged(queue))
        assert job.state == "running"
        go.set()
        wait_until(is_done(job))


def unacknowledged(queue):
    return [tag for one in channels(queue) for tag in {*one.qos._delivered} - one.qos._dirty]


def channels(queue):
    """Return the channels of the worker."""
    from kombu.transport.memory import Channel

    import gc

    found = [one for one in gc.get_objects() if isinstance(one, Channel)]
    return [one for one in found if not one.closed and one is not queue.channel]


@pytest.mark.parametrize(
    "answer", [Answer(204), Answer(404), Answer(409), Answer(410)], ids=lambda a: a.status
)
def test_a_message_whose_job_is_not_to_be_had_is_done_with(site, queue, woken, answer):
    """Another worker has it, or it is gone."""
    site.trouble["/@jobs/claim"].append(answer)
    with running(woken()):
        first, second = queue.submit(), queue.submit()
        wait_until(is_done(second))
        time.sleep(0.2)
    assert first.state == "waiting"
    assert len(queue) == 0


def test_two_messages_of_a_job_have_one_effect(site, queue, woken):
    """The second claim gets 409."""
    worker = woken(concurrency=2)
    worker.tasks.clear()
    worker.does("ocr")(lambda job: time.sleep(0.5))
    with running(worker):
        job = queue.submit()
        queue.send(job)
        wait_until(is_done(job))
        wait_until(lambda: len([1 for _, path, _ in site.seen if path == "/@jobs/claim"]) == 2)
    assert job.generation == 1


def test_messages_go_back_while_the_site_is_away(site, queue, woken):
    """With a pause; they are done when it is back."""
    site.always["/@jobs/claim"] = Answer(503, None, Retry_After="1")
    with running(woken()):
        jobs = [queue.submit() for _ in range(3)]
        wait_until(lambda: [1 for _, path, _ in site.seen if path == "/@jobs/claim"])
        wait_until(lambda: len(queue) == 3)
        time.sleep(0.7)
        assert len([1 for _, path, _ in site.seen if path == "/@jobs/claim"]) == 1
        site.always.clear()
        wait_until(lambda: all(job.state == "done" for job in jobs))


def test_a_lost_answer_is_healed_by_the_message_that_comes_again(site, queue, woken):
    """The same key, so the same claim."""
    site.trouble["/@jobs/claim"].append("lose")
    with running(woken()):
        job = queue.submit()
        wait_until(is_done(job))
    assert job.generation == 1


def test_no_message_is_taken_that_no_lane_is_free_for(site, queue, woken):
    """Another worker may do it at once."""
    go, worker = threading.Event(), woken()
    worker.tasks.clear()
    worker.does("ocr")(lambda job: go.wait(20))
    with running(worker):
        first = queue.submit()
        wait_until(lambda: first.state == "running")
        second = queue.submit()
        time.sleep(2.0)
        assert len(queue) == 1
        assert second.log == []
        go.set()
        wait_until(is_done(second))


def test_as_many_messages_are_taken_as_there_are_lanes(site, queue, woken):
    """Side by side."""
    together, worker = threading.Barrier(3), woken(concurrency=3)
    worker.tasks.clear()
    worker.does("ocr")(lambda job: together.wait(10))
    with running(worker):
        jobs = [queue.submit() for _ in range(6)]
        wait_until(lambda: all(job.state == "done" for job in jobs))


@pytest.mark.parametrize("body", [b"not JSON", b"[]", b'{"id": 1}', b'{"id": 1, "capability": 2}'])
def test_a_message_of_somebody_else_is_rejected(site, queue, woken, body, caplog):
    """It would come again and again; the site is not asked."""
    with running(woken()):
        queue.put(body)
        job = queue.submit()
        wait_until(is_done(job))
    assert len(queue) == 0
    assert "it was rejected" in caplog.text


def test_a_capability_that_is_not_good_is_rejected(site, queue, woken, caplog):
    """Of another site, or too old: the relay sends another one if the job waits."""
    with running(woken()):
        job = site.submit("ocr")
        queue.send(job, capability="eyJ.other.site")
        queue.send(job)
        wait_until(is_done(job))
    assert "the site refuses a capability: 401" in caplog.text
    assert "eyJ.other" not in caplog.text


def test_a_claim_that_is_answered_after_the_stop_is_given_back(site, queue, woken, monkeypatch):
    """Before the worker ends: else its lease would keep the job from others."""
    worker, is_asked = woken(grace=0.2), threading.Event()
    claim_by = worker.site.claim_by

    def claim_slowly(*args):
        is_asked.set()
        time.sleep(1)
        return claim_by(*args)

    monkeypatch.setattr(worker.site, "claim_by", claim_slowly)
    with running(worker):
        job = queue.submit()
        assert is_asked.wait(10)
    assert job.log == ["claimed", "release"]


def test_a_stop_leaves_the_messages_to_others(site, queue, woken):
    """What was not claimed goes back."""
    go, worker = threading.Event(), woken(grace=0.2)
    worker.tasks.clear()
    worker.does("ocr")(lambda job: go.wait(20))
    with running(worker):
        first = queue.submit()
        wait_until(lambda: first.state == "running")
        others = [queue.submit() for _ in range(2)]
    assert first.log == ["claimed", "release"]
    assert [job.log for job in others] == [[], []]
    wait_until(lambda: len(queue) == 2)
    go.set()


def test_a_broker_that_nothing_speaks_with_is_told_at_the_start(site):
    """It is not tried for ever."""
    worker = Worker(site.url, queues=["ocr"], broker="carrier-pigeon://me:hunter2@there//")
    with pytest.raises(
        ValueError, match="No library speaks with brokers of the kind carrier-pigeon"
    ) as raised:
        worker.run()
    assert "hunter2" not in str(raised.value)


AWAY = "amqp://guest:hunter2@127.0.0.1:9//"


def test_a_broker_that_is_away_is_tried_again_and_told_once(site, caplog):
    """Without its password."""
    worker = Worker(site.url, queues=["ocr"], broker=AWAY)
    with running(worker):
        wait_until(lambda: "cannot be used" in caplog.text)
        time.sleep(1)
    told = [r.getMessage() for r in caplog.records if "Broker" in r.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("Broker amqp://guest:**@127.0.0.1:9//: cannot be used (")
    assert "hunter2" not in caplog.text + repr(worker)


def test_a_worker_with_a_key_asks_the_site_while_the_broker_is_away(site, key):
    """Nothing waits for the broker."""
    site.approve(load_key(key), "ocr")
    worker = Worker(site.url, queues=["ocr"], key=key, broker=AWAY)
    worker.does("ocr")(lambda job: "by REST")
    with running(worker):
        job = site.submit("ocr")
        wait_until(is_done(job))
    assert job.result == "by REST"


def test_a_worker_with_a_key_uses_the_broker_while_it_is_there(site, key, queue):
    """No claim waits at the site."""
    site.approve(load_key(key), queue.short)
    worker = Worker(site.url, queues=[queue.short], key=key, broker=queue.url)
    worker.does("ocr")(lambda job: "by message")
    with running(worker):
        time.sleep(1.0)
        begun = len(site.waits)
        job = queue.submit()
        wait_until(is_done(job))
    assert job.worker == "capability"
    assert begun <= 1
