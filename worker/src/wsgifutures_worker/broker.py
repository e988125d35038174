"""What a broker does for this worker: it wakes it.

A message is a hint and a capability for one job. The claim at the site decides; the message is
acknowledged as soon as the site has answered, whatever it says. While the site is away, messages
go back to the broker. One thread talks with the broker; it takes no message that no lane is free
for, so that a job never lies behind another one here while a worker elsewhere has nothing to do.

Sites that share a broker have queues of their own, which have the site's name: the site tells it.

kombu is only imported here.
"""

from .errors import Away
from .errors import Refused
from .held import Held
from .pauses import Backoff
from .pauses import Contact
from .site import Site
from collections import deque
from collections.abc import Callable
from typing import Any

import contextlib
import json
import kombu
import logging
import socket
import threading
import time
import uuid

log = logging.getLogger("wsgifutures_worker")

#: What the name of each queue at the broker begins with; the site's name and the queue follow.
PREFIX = "wsgifutures."

#: The site's answers after which a message has done its duty.
_SETTLED = {404, 409, 410}

#: Seconds between two looks at lanes, the broker's heartbeat and the stop.
LOOK_SECONDS = 0.5

#: Seconds between two signs of life on an AMQP connection.
HEARTBEAT = 30

#: Seconds until a connection must stand, and until RabbitMQ must have answered.
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 10.0

#: For how many claims without an answer the key is remembered.
MOST_ASKED = 1000


class Broker:
    """Hands the jobs that a broker tells of to the lanes that wait for one.

    Args:
        url: The broker's address.
        lanes: How many messages are taken at a time.
    """

    def __init__(
        self, url: str, site: Site, queues: list[str], lanes: int, stopping: threading.Event
    ) -> None:
        self._url = url
        self._site = site
        self._queues = queues
        self._lanes = lanes
        self._stopping = stopping
        self._contact = Contact(f"Broker {_address(url)}")
        self._hints = Contact("Messages of the broker")
        self._is_connected: bool | None = None  # None: not known yet
        self._backoff = Backoff()
        self._site_backoff = Backoff()
        self._asked: dict[str, str] = {}
        self._waiting = 0
        self._claims: deque[Held] = deque()
        self._messages: deque[Any] = deque()
        self._changed = threading.Condition()

    def next(self, has_other: bool) -> Held | None:
        """Wait for a claim; return None at a stop.

        Args:
            has_other: Return None too if the broker is away: the lane gets its claims elsewhere.
        """
        with self._changed:
            self._waiting += 1
            self._changed.notify_all()
            try:
                while not self._stopping.is_set():
                    if self._claims:
                        return self._claims.popleft()
                    if has_other and self._is_connected is False:
                        return None
                    self._changed.wait(LOOK_SECONDS)
                return None
            finally:
                self._waiting -= 1

    def run(self) -> None:
        """Take messages until the worker stops; connect again whenever that is necessary."""
        while not self._stopping.is_set():
            names = self._name_queues()
            if names:
                self._talk(names)
        self._set_connected(False)
        while self._claims:  # no lane takes them any more
            self._claims.popleft().release()

    def _name_queues(self) -> list[str]:
        """Return the queues' names at the broker; none, after a pause, if the site gives no name.

        While the site is away, its contact says so.
        """
        retry_after = None
        try:
            uid = self._site.uid()
        except Away as away:
            retry_after = away.retry_after
        except Refused as refused:
            self._contact.lose(str(refused.status), f"the site does not tell its name: {refused}")
        else:
            self._site_backoff.reset()
            return [f"{PREFIX}{uid}.{queue}" for queue in self._queues]
        self._set_connected(False)
        self._stopping.wait(self._site_backoff.next(retry_after))
        return []

    def _talk(self, names: list[str]) -> None:
        """Take messages of the queues until the worker stops, or the broker is away."""
        line = kombu.Connection(self._url, heartbeat=HEARTBEAT, connect_timeout=CONNECT_SECONDS)
        try:
            self._consume(line, names)
            line.release()
        except Exception as error:  # kombu's transports have trees of their own
            log.debug("Talking with the broker.", exc_info=True)
            _drop(line)
            self._lose(error)

    def _lose(self, error: BaseException) -> None:
        self._set_connected(False)
        self._messages.clear()  # the broker has them back
        if not self._stopping.is_set():
            self._contact.lose("away", f"cannot be used ({type(error).__name__})")
            self._stopping.wait(self._backoff.next())

    def _set_connected(self, connected: bool) -> None:
        with self._changed:
            self._is_connected = connected
            self._changed.notify_all()

    def _consume(self, line: Any, names: list[str]) -> None:
        line.connect()  # once; the pauses are ours
        _limit(line)
        consumer = self._consumer(line, names)
        consumer.consume()
        self._set_connected(True)
        self._contact.restore()
        self._backoff.reset()
        while not self._stopping.is_set():
            if not self._wait_for_lane():
                self._pause(line, consumer, self._is_lane_free)
            elif self._messages:
                self._take(line, consumer)
            else:
                self._drain(line)
        self._put_back(consumer)

    def _consumer(self, line: Any, names: list[str]) -> Any:
        return kombu.Consumer(
            line.default_channel,
            [kombu.Queue(name, no_declare=True) for name in names],
            prefetch_count=self._lanes,
            on_message=self._messages.append,
            auto_declare=False,
        )

    def _drain(self, line: Any) -> None:
        line.heartbeat_check()
        with contextlib.suppress(socket.timeout):
            line.drain_events(timeout=LOOK_SECONDS)

    def _is_lane_free(self) -> bool:
        return self._waiting > len(self._claims)

    def _wait_for_lane(self) -> bool:
        """Wait a moment: most jobs are short, and to go away and come back costs the broker."""
        with self._changed:
            return self._changed.wait_for(self._is_lane_free, LOOK_SECONDS)

    def _pause(self, line: Any, consumer: Any, is_over: Callable[[], bool]) -> None:
        """Leave all messages to others for a while."""
        self._put_back(consumer)
        while not self._stopping.is_set() and not is_over():
            self._drain(line)
        if not self._stopping.is_set():
            consumer.consume()

    def _put_back(self, consumer: Any) -> None:
        consumer.cancel()
        while self._messages:
            self._messages.popleft().requeue()

    def _take(self, line: Any, consumer: Any) -> None:
        message = self._messages.popleft()
        try:
            self._claim(message)
            self._site_backoff.reset()
        except Away as away:
            message.requeue()
            until = time.monotonic() + self._site_backoff.next(away.retry_after)
            self._pause(line, consumer, lambda: time.monotonic() >= until)

    def _claim(self, message: Any) -> None:
        hint = _read(message)
        if hint is None:
            self._hints.lose("unreadable", "one is no hint of this site's relay; it was rejected")
            message.reject()
            return
        try:
            self._hand_over(*hint)
        except Refused as refused:
            if refused.status not in _SETTLED:
                self._hints.lose(str(refused.status), f"the site refuses a capability: {refused}")
                message.reject()
                return
        else:
            self._hints.restore()
        message.ack()

    def _hand_over(self, job: str, capability: str) -> None:
        # The same key again after a lost answer, and only then: a message that comes twice is
        # another claim.
        key = self._asked.pop(job, None) or uuid.uuid4().hex
        try:
            claim = self._site.claim_by(capability, key)
        except Away:
            if len(self._asked) < MOST_ASKED:
                self._asked[job] = key
            raise
        if claim:
            with self._changed:
                self._claims.append(Held(self._site, claim))
                self._changed.notify_all()


def _limit(line: Any) -> None:
    """Let no answer be awaited for ever: a RabbitMQ that starts accepts, and may not answer."""
    sock = getattr(getattr(line.connection, "transport", None), "sock", None)
    if sock is not None:
        sock.settimeout(ANSWER_SECONDS)


def _drop(line: Any) -> None:
    """Close a connection without a word to RabbitMQ, which may not answer."""
    with contextlib.suppress(Exception):
        line.collect(ANSWER_SECONDS)


def _address(url: str) -> str:
    """Return the broker's address without its password.

    Raises:
        ValueError: No library speaks with it.
    """
    try:
        known = kombu.Connection(url)
        known.transport  # noqa: B018  its library is imported here
    except (ImportError, KeyError) as error:
        raise ValueError(
            f"No library speaks with brokers of the kind {url.partition(':')[0]}: {error}. "
            "For Redis: pip install wsgifutures-worker[redis]"
        ) from None
    return str(known.as_uri())


def _read(message: Any) -> tuple[str, str] | None:
    """Return the job's id and the capability; None if the message has none."""
    try:
        body = json.loads(message.body)
        job, capability = body["id"], body["capability"]
    except (ValueError, TypeError, KeyError):
        return None
    return (job, capability) if isinstance(job, str) and isinstance(capability, str) else None
