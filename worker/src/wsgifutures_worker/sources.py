"""Where a lane gets its next claim from: from the site, which lets it wait."""

from .errors import Away
from .errors import Idle
from .errors import Refused
from .held import Held
from .pauses import Backoff
from .pauses import Contact
from .site import Claim
from .site import Site

import logging
import threading
import time
import uuid

log = logging.getLogger("wsgifutures_worker")


class Claims:
    """What one lane asks of the site.

    It asks with a random key until it gets a claim. So when an answer is lost, the same question
    gives the same claim, and no job is left lying about. And a site that had nothing knows the same
    question again, which costs it least.
    """

    def __init__(
        self,
        site: Site,
        queues: list[str] | None,
        wait: float,
        stopping: threading.Event,
        contact: Contact,
    ) -> None:
        self._site = site
        self._queues = queues
        self._wait = wait
        self._stopping = stopping
        self._contact = contact
        self._backoff = Backoff()
        self._key = _new_key()

    def next(self) -> Held | None:
        """Wait for a claim; return None if there is none, also after a pause."""
        asked = time.monotonic()
        try:
            held = self._ask(self._wait)
        except Idle as idle:
            self._answered()
            self._stopping.wait(idle.retry_after)
            return None
        except Away as away:
            if self._stopping.is_set():
                self._return_late_claim()
            else:
                self._stopping.wait(self._backoff.next(away.retry_after))
            return None
        except Refused as refused:
            self._contact.lose(str(refused.status), _explain(self._site, refused))
            self._stopping.wait(self._backoff.next())
            return None
        if held is None and self._wait >= 1:  # a site that lets nobody wait is not asked in a loop
            self._stopping.wait(asked + 1 - time.monotonic())
        return held

    def _ask(self, wait: float) -> Held | None:
        claim: Claim | None = self._site.claim(self._queues, wait, self._key)
        late = self._backoff.is_pausing()
        self._answered()
        if claim is None:
            return None
        self._key = _new_key()
        return Held(self._site, claim, late)

    def _answered(self) -> None:
        self._contact.restore()
        self._backoff.reset()

    def _return_late_claim(self) -> None:
        """Release what the site may have handed over while this worker hung up."""
        try:
            held = self._ask(0)
        except (Away, Refused) as error:
            log.info("Whether a last claim was answered is unknown: %s", error)
            return
        if held:
            held.release()


def _new_key() -> str:
    return uuid.uuid4().hex


def _explain(site: Site, refused: Refused) -> str:
    if refused.status == 401 and site.key:
        return (
            f"does not let this worker in: {refused}. An administrator approves it in Site Setup; "
            f"its fingerprint is {site.key.fingerprint}"
        )
    return f"refuses the claim: {refused}"
