"""A claim while this worker holds it.

A thread of its own renews the lease, so that the function may be busy for hours. In the end one
message gives the claim back: the outcome, or a release. An outcome is sent again and again until
the lease is over, which the protocol allows; whoever was faster is told by the site's 409.
"""

from .errors import Away
from .errors import Refused
from .outcomes import Outcome
from .pauses import Backoff
from .site import Claim
from .site import Site
from types import TracebackType
from typing import Any

import logging
import threading
import time

log = logging.getLogger("wsgifutures_worker")

#: So many seconds after any message there may be one about progress. The site writes what comes
#: five seconds after the last one, and nothing of what comes sooner.
PROGRESS_SECONDS = 6.0

#: For how many seconds a release is tried while the site is away.
RELEASE_SECONDS = 5.0

#: What the site says to a result that it will never take.
_NEVER = {400, 413, 422}


class Held:
    """The lease of one claim, as a context: it is renewed inside.

    It is the ``Link`` of the job that is done for it.
    """

    def __init__(self, site: Site, claim: Claim, late: bool = False) -> None:
        self.claim = claim
        self.access_token = claim.access_token
        #: Nobody wants the result any more: cancelled, lost, released.
        self.cancelled = False
        #: The site says that this claim is outdated.
        self.lost = False
        self._site = site
        self._lease = claim.lease
        self._until = time.monotonic() + claim.lease
        self._beat_at = 0.0 if late else time.monotonic() + claim.lease / 3
        self._backoff = Backoff()
        self._said: tuple[float, str] | None = None
        self._told_at = time.monotonic()
        self._changed = threading.Condition()
        self._ended = False
        self._is_dropped = False
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease of {self}", daemon=True)

    def __repr__(self) -> str:
        return f"job {self.claim.job} ({self.claim.task}, attempt {self.claim.attempt})"

    def __enter__(self) -> "Held":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def progress(self, done: float, words: str) -> None:
        """Let the thread that renews the lease tell it."""
        with self._changed:
            self._said = (done, words)
            self._changed.notify()

    def finish(self, outcome: Outcome) -> None:
        """Tell the site the outcome, unless the claim is lost or released."""
        verb, body = outcome.message()
        if not self._end() or self.lost:
            return
        try:
            self._give_back(verb, body, outcome)
        except Refused as refused:
            if verb == "complete" and refused.status in _NEVER:
                why = f"The site does not take the result: {refused}"
                self._fail(Outcome(error=why, hopeless=True))
            else:
                self._lose(refused)

    def drop(self) -> None:
        """Take no outcome any more, unless one is being sent."""
        if self._end():
            self._is_dropped = True
        self.cancelled = True
        self._released.set()

    def release(self) -> None:
        """Give the claim back undone, unless its outcome is being sent."""
        self.drop()
        if self._is_dropped and not self.lost:
            self._until = min(self._until, time.monotonic() + RELEASE_SECONDS)
            try:
                self._give_back("release", {}, None, wait=time.sleep)
            except Refused as refused:
                self._lose(refused)

    def _fail(self, outcome: Outcome) -> None:
        try:
            self._give_back(*outcome.message(), outcome)
        except Refused as refused:
            self._lose(refused)

    def _give_back(self, verb: str, body: Any, outcome: Outcome | None, wait: Any = None) -> None:
        backoff = Backoff()
        files = outcome.files if outcome and verb == "complete" else None
        while True:
            try:
                self._site.tell(self.claim, verb, body, files)
                return self._log_end(verb, outcome)
            except Away as away:
                pause = backoff.next(away.retry_after)
            if time.monotonic() + pause > self._until:
                return log.error("%s: its lease is over, nobody was told: %s.", self, verb)
            (wait or self._released.wait)(pause)
            if self._released.is_set() and verb != "release":
                return None

    def _log_end(self, verb: str, outcome: Outcome | None) -> None:
        if outcome is None:
            log.info("%s: released.", self)
        elif outcome.error is None:
            log.info("%s: done.", self)
        else:
            log.warning("%s: failed: %s", self, outcome.trace or outcome.error)

    def _end(self) -> bool:
        """Renew no more; return False if that was so already."""
        with self._changed:
            first, self._ended = not self._ended, True
            self._changed.notify()
        return first

    def _keep(self) -> None:
        while self._is_due():
            try:
                self._beat()
            except Away as away:
                pause = self._backoff.next(away.retry_after)
                self._beat_at = time.monotonic() + min(self._lease / 3, pause)
            except Refused as refused:
                return self._lose(refused)
        return None

    def _is_due(self) -> bool:
        """Wait until there is something to say; return False if the claim is given back."""
        with self._changed:
            while not self._ended and (left := self._due_at() - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._ended

    def _due_at(self) -> float:
        if self._said and not self._backoff.is_pausing():
            return min(self._beat_at, self._told_at + PROGRESS_SECONDS)
        return self._beat_at

    def _beat(self) -> None:
        with self._changed:
            said = self._said
        sent = time.monotonic()
        if said:
            body = {"done": said[0], "words": said[1]}
            self._renew(sent, self._site.tell(self.claim, "progress", body))
            self._tell_no_more(said)
        else:
            self._renew(sent, self._site.tell(self.claim, "heartbeat", {}))

    def _tell_no_more(self, said: tuple[float, str]) -> None:
        with self._changed:
            if self._said is said:
                self._said = None

    def _renew(self, sent: float, answer: Any) -> None:
        self._backoff.reset()
        self._lease = float(answer.get("lease") or self._lease)
        self._until, self._told_at = sent + self._lease, sent
        self._beat_at = sent + max(1.0, self._lease / 3)
        self.access_token = answer.get("access_token") or self.access_token
        if answer.get("cancelled") and not self.cancelled:
            log.info("%s: cancelled.", self)
            self.cancelled = True

    def _lose(self, refused: Refused) -> None:
        """Note that the claim is outdated, unless that is by its own outcome."""
        with self._changed:
            if self._ended and threading.current_thread() is self._thread:
                return
            self.lost = self.cancelled = True
        log.warning("%s: the claim is lost, its result is dropped: %s", self, refused)
