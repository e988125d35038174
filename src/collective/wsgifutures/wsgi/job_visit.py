"""A job on its way through the application: passes, slots and waits as a request has them.

Nobody waits for its response. So it comes after visitors, no pass of it is given up, and it counts
for none of the limits and figures of requests. Who runs jobs, when, and what becomes of them is
decided elsewhere.
"""

from ..kernel.hold import Hold
from ..kernel.runtime import current
from ..kernel.runtime import WorkerStops
from ..kernel.sites import SiteSettings
from ..kernel.waiting import Steps
from ..traces.ids import begin_job
from ..traces.ids import Trace
from ..traces.spans import JobSpan
from ..traces.spans import Span
from .body import Body
from .visit import Attempt
from .visit import Response
from .visit import Visit
from .worker import Environ
from .worker import Worker
from typing import Self

#: What the span of a job says that nobody has named.
NAMELESS = JobSpan("job", "", "", 1)

#: For how long jobs let visitors go first who are not in line at the gate yet, in seconds. Where
#: visitors always come, jobs get their share at the gate after that.
GIVE_WAY = 0.1


class JobVisit(Visit):
    """One job, while it runs: a context that lasts until its response is there.

    ``waiter.cancel()`` lets its last pass begin before the deadline.

    Args:
        worker: The worker whose slots publish the job.
        environ: The WSGI environ of each pass, ``CONTENT_LENGTH`` too.
        deadline: Seconds from the begin of the first pass until the last pass, if it waits.
        about: What its span says of the job.
    """

    __slots__ = ("_about", "_deadline", "_stops", "error")

    def __init__(
        self, worker: Worker, environ: Environ, deadline: float, about: JobSpan = NAMELESS
    ) -> None:
        super().__init__(worker, environ)
        #: Why nothing of the job is committed, though it was answered; for its span.
        self.error: BaseException | None = None
        self._about = about
        self._deadline = deadline
        self._stops = False

    def __enter__(self) -> Self:
        super().__enter__()
        self._prepare(_JobHold, self._deadline)
        return self

    @property
    def trace(self) -> str:
        """The id of its trace."""
        return self._trace.id

    def stop(self) -> None:
        """Let ``answer`` raise ``WorkerStops`` before its next pass. May be called in any thread.

        A pass that runs goes on. If it is the last one, its response is returned.
        """
        self._stops = True
        self.waiter.cancel()

    def answer(self, body: Body | None) -> Steps[Response]:
        """Publish, hold, and publish again; return the last response.

        Args:
            body: The body that each pass reads; None if there is none.

        Raises:
            WorkerStops: The worker stops, and no pass runs.
            BaseException: The application raised an error.
        """
        try:
            response = yield from self._publish(body)
            while response is None:
                yield from self._wait()
                response = yield from self._publish(body)
            return response
        except BaseException as error:
            self._break_off(error)
            raise
        finally:
            self.waiter.close()

    def _publish(self, body: Body | None) -> Steps[Response | None]:
        attempt = Attempt(self, body)
        current().give_way(GIVE_WAY)
        return self.worker.gate.run_job(lambda: None if self._stops else attempt())

    def _wait(self) -> Steps[None]:
        """Wait for the futures; only here the worker may interrupt the job."""
        if not self._stops:
            self._is_held = True
            with self.worker.interrupts.allowed(None):
                yield from self.waiter.wait()
        if self._stops:
            raise WorkerStops

    def _begin_trace(self) -> tuple[Trace, Span]:
        return begin_job(self._about)

    def _note_answer(self) -> None:
        """Note an error; a job has no answer that anybody gets."""
        if self.error is not None:
            self.span.failed(self.error)

    def _log(self) -> None:
        """Log nothing: a job that takes long is no slow request."""


class _JobHold(Hold):
    """The hold of a job. A site's limits are for its visitors' requests, not for its jobs."""

    def begin(self, now: float) -> None:
        if not self.passes:  # the time in line behind visitors is none of the job's
            self.ends_at = now + self.deadline
        super().begin(now)

    def limit(self, site: SiteSettings) -> None:
        self.site = site
