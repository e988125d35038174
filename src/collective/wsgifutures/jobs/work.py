"""One attempt at one job: what is published for it, and what it tells meanwhile."""

from ..kernel.calls import pack_value
from ..kernel.errors import ResultRefused
from ..kernel.waiting import drive
from ..traces.spans import JobSpan
from ..wsgi.body import BytesBody
from ..wsgi.job_visit import JobVisit
from ..wsgi.worker import Worker
from .errors import AttemptFailed
from .errors import AttemptTimeout
from .errors import ContextGone
from .errors import StreamLost
from .errors import TooLate
from .origin import make_environ
from .publishing import JOB
from .publishing import Run
from .records import Claim
from .records import Job
from .records import Wanted
from .store import main_connection
from .tasks import find_task
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from datetime import datetime
from plone.uuid.interfaces import IUUID
from typing import Any
from zoneinfo import ZoneInfo
from zope.component.hooks import site as in_site

import logging
import time

logger = logging.getLogger(__name__)

#: The header of a job's request that has its id, as collective.taskqueue had it.
ID_HEADER = "X-Task-Id"

#: The largest result that is kept, in bytes.
LARGEST_RESULT = 256 * 1024


@dataclass
class Current:
    """The job as its task sees it: a ``CurrentJob``."""

    id: str
    key: str
    attempt: int
    slot: datetime | None = None
    cancelled: bool = False
    done: float = 0.0  #: how far it is, from 0 to 1
    told: tuple[float, str] | None = None  #: what the runner has not written yet
    files: Mapping[str, Any] = field(default_factory=dict)  #: while the task is called

    def progress(self, done: float, words: str = "") -> None:
        """Tell people how far it is."""
        if not isinstance(done, int | float) or not 0 <= done <= 1:
            raise ValueError(f"progress({done!r}): give a number from 0 to 1.")
        self.done = float(done)
        self.told = (self.done, str(words)[:200])

    def has_written(self, told: tuple[float, str] | None) -> None:
        """Forget what was *told*, unless something newer was meanwhile."""
        if self.told is told:
            self.told = None


def _read_slot(wanted: Wanted) -> datetime | None:
    if wanted.slot is None:
        return None
    seconds, zone = wanted.slot
    return datetime.fromtimestamp(seconds, ZoneInfo(zone))


class Attempt(Run):
    """One attempt at a job, as it is published.

    Args:
        job: Its record, just claimed.
        claim: The claim.
        path: The physical path of its context.
    """

    def __init__(self, job: Job, claim: Claim, path: str) -> None:
        self.wanted: Wanted = job.wanted
        self.claim = claim
        self.path = path
        self._has_files = bool(job.files)
        self._awaits_stream = job.awaits_stream
        self.current = Current(job.id, job.key, job.attempt + 1, _read_slot(job.wanted))
        self.since: float = job.since  #: when it was claimed, in seconds since the epoch
        self.waited: float = job.since - job.due  #: how long it might have begun, in seconds
        self.trace = ""  #: the id of its trace, once it is published
        self.visit: JobVisit | None = None  #: its visit, while it is published
        super().__init__(self.wanted.origin, self._write_done, function=self._work)
        self._until: float | None = None  # set by the first pass

    def __repr__(self) -> str:
        return f"<Attempt {self.current.attempt} at {self.claim.job}>"

    def publish(self, worker: Worker) -> BaseException | None:
        """Publish the job; return why nothing is committed, None if it is done."""
        try:
            environ, body = self._request()
            with JobVisit(worker, environ, self.wanted.timeout, self._about()) as visit:
                self.visit, self.trace = visit, visit.trace
                response = drive(visit.answer(body))
                visit.status = int(response.status[:3])
                if not self.committed:
                    visit.error = self.error or AttemptFailed(response.status)
            response.close()
            return visit.error
        except BaseException as error:
            if not self.committed:
                return error
            logger.warning("%s raised %s after it was done.", self, type(error).__qualname__)
        finally:
            self.visit = None
        return None

    def _about(self) -> JobSpan:
        """Return what the attempt's span says of it."""
        wanted = self.wanted
        return JobSpan(
            wanted.task, wanted.queue, self.claim.job, self.current.attempt, wanted.trace
        )

    def _request(self) -> tuple[dict[str, Any], BytesBody | None]:
        """Return the environ that is published, and its body."""
        task = find_task(self.wanted.task)
        if self._awaits_stream:
            raise StreamLost(task.name)
        self._args, self._kwargs = task.unpack(self.wanted.arguments)
        wanted = task.request(self._args, self._kwargs)
        self.view = wanted.view
        environ = make_environ(
            self.origin,
            wanted.path or self.path,
            view=wanted.view,
            method=wanted.method,
            form=wanted.form,
            headers={**(wanted.headers or {}), ID_HEADER: self.claim.job},
            body=wanted.body,
            query=wanted.query,
        )
        environ[JOB] = self
        body = environ["wsgi.input"].read()
        return environ, BytesBody(body) if body else None

    @property
    def has_begun(self) -> bool:
        """Whether a slot has begun to publish it."""
        return self._until is not None

    def cancel(self) -> None:
        """Ask the task to end; what it waits for is cancelled."""
        self.current.cancelled = True
        visit = self.visit
        if visit is not None:
            visit.waiter.cancel()

    def stop(self) -> None:
        """Let the attempt end before its next pass, if that is not its last one."""
        visit = self.visit
        if visit is not None:
            visit.stop()

    def begin(self) -> None:
        """Begin a pass. The time in line behind visitors is none of the job's."""
        super().begin()
        if self._until is None:
            self._until = time.monotonic() + self.wanted.timeout

    def _work(self, context: Any, request: Any) -> Any:
        function = find_task(self.wanted.task).function
        self.current.files = self._find_files(context)
        try:
            result = function(context, *self._args, **self._kwargs)
        finally:
            self.current.files = {}
        if self.wanted.then:
            find_task(self.wanted.then).submit(context, result)
        return result

    def _find_files(self, context: Any) -> Mapping[str, Any]:
        if not self._has_files:
            return {}
        job = main_connection(context._p_jar).get(self.claim.oid)
        return dict(job.files or {})

    def _write_done(self, connection: Any, result: Any) -> None:
        wanted = self.wanted
        if self._until is not None and time.monotonic() > self._until:
            raise AttemptTimeout(wanted.task, wanted.timeout)
        if not 200 <= self.status < 300:
            raise AttemptFailed(str(self.status))
        packed = pack_result(wanted.task, result)
        connection.get(self.claim.oid).finish(self.claim, packed, time.time())


def pack_result(task: str, result: Any) -> bytes:
    """Return the *result* of a task, packed.

    Raises:
        ResultRefused: It is not plain data, or too large.
    """
    packed = b"" if result is None else pack_value(task, result)
    if len(packed) > LARGEST_RESULT:
        size = f"it has {len(packed)} bytes, and at most {LARGEST_RESULT} are kept"
        advice = "in Plone, write it into the ZODB and return its UID; elsewhere, send it as a file"
        raise ResultRefused(task, f"{size}; {advice}.")
    return packed


def find_context(connection: Any, wanted: Wanted, now: float) -> str:
    """Return the path of what a job is about.

    Raises:
        ContextGone: It was deleted, or its site is gone, or is another one now.
        TooLate: Its deadline is over.
    """
    if now > wanted.deadline:
        raise TooLate(wanted.deadline - wanted.submitted)
    origin = wanted.origin
    site = connection.root()["Application"].unrestrictedTraverse(origin.site.lstrip("/"), None)
    if site is None or (IUUID(site, None) or "") != origin.site_uid:
        raise ContextGone("", origin.site)
    if not wanted.context:
        return str(origin.site)
    with in_site(site):
        brains = site.portal_catalog.unrestrictedSearchResults(UID=wanted.context)
    for brain in brains:
        return str(brain.getPath())
    raise ContextGone(wanted.context, origin.site)
