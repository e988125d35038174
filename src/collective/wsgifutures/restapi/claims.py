"""``@jobs`` for workers elsewhere: they claim jobs, and tell what becomes of them.

::

    POST @jobs/claim             the next job of the worker's queues, as soon as there is one
    POST @jobs/<id>/heartbeat    the worker still has the job
    POST @jobs/<id>/progress     the same, and how far it is
    POST @jobs/<id>/complete     the result, as JSON, or as a form with files
    POST @jobs/<id>/fail         it did not work
    POST @jobs/<id>/release      somebody else may have the job

Who asks is told by a token of ours in the header ``Authorization: Bearer``, and by nothing else: a
worker's own one, or the capability of one job, claims; the token of the claim does the rest. Each
may be sent again: an answer that was lost is given once more.
"""

from ..browser.times import iso
from ..jobs import journal
from ..jobs import leases
from ..jobs.changes import find
from ..jobs.errors import AttemptTimeout
from ..jobs.errors import ClaimLost
from ..jobs.errors import NotInThatState
from ..jobs.errors import TaskUnknown
from ..jobs.plain import NotPlain
from ..jobs.plain import read
from ..jobs.plain import write
from ..jobs.records import Claim
from ..jobs.records import Job
from ..jobs.records import JobState
from ..jobs.store import find_job
from ..jobs.store import find_store
from ..jobs.then import takes_files
from ..kernel.errors import ResultRefused
from ..kernel.passes import current_pass
from ..keys.places import Place
from ..keys.places import place_of
from ..keys.tokens import CAPABILITY
from ..keys.tokens import CLAIM
from ..keys.tokens import mint
from ..keys.tokens import TokenRefused
from ..keys.tokens import verify
from ..workers.access import access_token_for
from ..workers.grants import bearer_of
from ..workers.grants import worker_of
from ..workers.registry import find_worker
from ..workers.registry import Worker
from ..workers.registry import WorkerState
from ..workers.waiting import Asked
from ..workers.waiting import line_of
from ..workers.waiting import may_wait
from ..workers.waiting import ticket_of
from ..workers.waiting import Waiters
from ..workers.waiting import waiters_in
from ..wsgi.settings import Settings
from ..wsgi.visit import SETTINGS
from . import jobs
from .bearer import refuse
from .bodies import kind_of
from collections.abc import Mapping
from functools import cached_property
from plone import api
from plone.protect.interfaces import IDisableCSRFProtection
from plone.restapi.deserializer import json_body
from plone.restapi.exceptions import DeserializationError
from typing import Any
from zExceptions import BadRequest
from zope.interface import alsoProvides
from ZPublisher.HTTPRequest import FileUpload

import itertools
import json
import math
import pickle
import time
import transaction

#: The id of whoever claims with a capability.
BEARER = "capability"

#: What ends a claim, and all that is done with the token of one.
ENDS = ("complete", "fail", "release")
ACTS = ("heartbeat", "progress", *ENDS)

#: Seconds until a worker asks again where a wait would cost a thread.
AGAIN = 5

#: Seconds until it asks again if this process is not up to date, or a job has to wait.
LATER = 15

#: The longest name of a claim, and the most letters of where a worker is.
LONGEST_KEY = 200
LONGEST_WORDS = 200

#: Most bytes of a form beside its files.
FORM = 1024 * 1024


class _Answered(Exception):
    """The answer is there: its status and body. Nothing was written before."""

    def __init__(self, status: int, kind: str, message: str, seconds: int = 0) -> None:
        super().__init__(status, kind, message, seconds)
        self.status = status
        self.kind = kind
        self.message = message
        self.seconds = seconds  #: until the client may ask again; 0: it need not


class Post(jobs.Post):
    """Does what a worker elsewhere asks for; what others ask for stays with ``jobs.Post``."""

    @property
    def is_of_worker(self) -> bool:
        """Tell whether the address is one for workers elsewhere."""
        return self.names == ["claim"] or (len(self.names) == 2 and self.names[1] in ACTS)

    def check_permission(self) -> None:
        """Check that the user may use the API. A worker is no user: its token counts."""
        if not self.is_of_worker:
            super().check_permission()

    def reply(self) -> Any:
        """Do it."""
        if not self.is_of_worker:
            return super().reply()
        alsoProvides(self.request, IDisableCSRFProtection)  # the token is the proof
        try:
            return self._claim() if self.names == ["claim"] else self._act(self.names[1])
        except TokenRefused as refused:
            return refuse(self.request, refused)
        except _Answered as answered:
            return self._answer(answered)

    def _answer(self, answered: _Answered) -> dict[str, Any]:
        self.request.response.setStatus(answered.status)
        if answered.seconds:
            self.request.response.setHeader("Retry-After", str(answered.seconds))
        return {"type": answered.kind, "message": answered.message}

    @cached_property
    def _now(self) -> float:
        return time.time()

    @cached_property
    def _place(self) -> Place:
        return place_of(api.portal.get())

    @cached_property
    def _store(self) -> Any:
        return find_store(self._place.connection)

    @cached_property
    def _settings(self) -> Settings:
        settings: Settings = self.request.environ.get(SETTINGS) or Settings.read()
        return settings

    @cached_property
    def _body(self) -> dict[str, Any]:
        try:
            body: dict[str, Any] = json_body(self.request)
        except DeserializationError as error:
            raise BadRequest(str(error)) from None
        return body

    def _text(self, name: str, most: int) -> str:
        value = self._body.get(name) or ""
        if not isinstance(value, str) or len(value) > most:
            raise BadRequest(f"{name} is not a text of at most {most} letters.")
        return value

    def _number(self, name: str, default: float | None, most: float = math.inf) -> float | None:
        value = self._body.get(name, default)
        if value is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= most or value == math.inf:
            end = "or more" if most == math.inf else f"to {most:g}"
            raise BadRequest(f"{name}={value!r} is not a number of 0 {end}.")
        return float(value)

    def _find(self, id: str) -> Job | None:
        """Return a job of this site for workers elsewhere."""
        job = find_job(self._store, id)
        is_one = job is not None and job.wanted.elsewhere and self._place.has(job)
        return job if is_one else None

    # Claims

    def _claim(self) -> Any:
        try:
            worker, good_until = worker_of(self.request)
        except TokenRefused as refused:
            return self._claim_one(refused)
        queues, key = self._queues(worker), self._text("key", LONGEST_KEY)
        if self._store is not None:
            known = leases.find_lease(self._store, worker.id, key)
            if known is not None:
                return self._describe_claim(known.job, leases.claim_of(known.job))
        found = _Search(self, worker, queues, key, good_until).find()
        if found is not None:
            return self._describe_claim(*found)
        if not may_wait():
            self.request.response.setHeader("Retry-After", str(AGAIN))
        return self.reply_no_content()

    def _queues(self, worker: Worker) -> list[str]:
        wanted = self._body.get("queues")
        wanted = list(worker.queues) if wanted is None else wanted
        if not isinstance(wanted, list) or not all(isinstance(each, str) for each in wanted):
            raise BadRequest("queues is not a list of names.")
        others = sorted(set(wanted) - set(worker.queues))
        if others:
            names = ", ".join(others)
            text = f"The worker is not approved for these queues: {names}."
            raise _Answered(403, "Forbidden", text)
        return wanted

    def _claim_one(self, refused: TokenRefused) -> Any:
        """Claim the job that a capability is for, at once."""
        try:
            claims = verify(self._place, bearer_of(self.request), CAPABILITY)
        except TokenRefused:
            raise refused from None
        job, key = self._find(claims["sub"]), self._text("key", LONGEST_KEY)
        if job is None:
            raise _Answered(410, "Gone", "There is no such job any more.")
        if self._now > job.wanted.deadline:
            raise _Answered(410, "Gone", "The deadline of the job is over.")
        try:
            claim = self.claim_now(job, BEARER, key) if job.due <= self._now else None
        except NotInThatState as error:
            raise _Answered(409, "Conflict", str(error)) from None
        if claim is None:
            text = "The job has to wait: for its time, a place in its queue, or its lock."
            raise _Answered(409, "Conflict", text, LATER)
        return self._describe_claim(job, claim)

    def claim_now(self, job: Job, worker: str, key: str) -> Claim | None:
        """Claim *job* in this transaction; None if it has to wait.

        Raises:
            NotInThatState: It does not wait any more.
        """
        limits = dict(self._settings.job_limits)
        return leases.claim_elsewhere(self._store, job, worker, key, self._now, limits)

    def _describe_claim(self, job: Job, claim: Claim) -> dict[str, Any]:
        wanted = job.wanted
        args, kwargs = pickle.loads(wanted.arguments)  # plain data, as it was checked at submit
        about = {"sub": job.id, "gen": claim.generation, "client_id": job.runner}
        lifetime = max(1.0, wanted.deadline - self._now)
        return {
            "job": job.id,
            "generation": claim.generation,
            "task": wanted.task,
            "queue": wanted.queue,
            "attempt": job.attempt + 1,
            "key": job.key,
            "args": write(list(args)),
            "kwargs": write(kwargs),
            "context": self._describe_context(wanted.context),
            "deadline": iso(wanted.deadline),
            "claim": mint(self._place, CLAIM, about, lifetime, now=self._now),
            "links": {act: f"{self.url}/{job.id}/{act}" for act in ACTS},
            **self._describe_lease(job, claim),
        }

    def _describe_lease(self, job: Job, claim: Claim) -> dict[str, Any]:
        return {
            "lease": max(0, round(job.side.lease - self._now)),
            "access_token": access_token_for(job, claim, self._now),
        }

    def _describe_context(self, uid: str) -> dict[str, Any] | None:
        catalog = api.portal.get_tool("portal_catalog")
        brains = catalog.unrestrictedSearchResults(UID=uid) if uid else ()
        for brain in brains:
            return {"@id": brain.getURL(), "@type": brain.portal_type, "UID": uid}
        return None

    # What becomes of a claim

    def _act(self, what: str) -> dict[str, Any]:
        job, generation = self._claimed()
        is_new, since = job.state is JobState.RUNNING, job.since
        self._write(what, job, generation)
        if what not in ENDS:
            lease = self._describe_lease(job, leases.claim_of(job))
            return {"cancelled": bool(job.side.cancel), **lease}
        if is_new:  # else it is told again
            line = journal.from_elsewhere(job, max(0.0, self._now - since))
            transaction.get().addAfterCommitHook(_log, (line,))
        return {"state": job.state.value}

    def _write(self, what: str, job: Job, generation: int) -> None:
        """Do one of ``ACTS``: the method of that name."""
        try:
            getattr(self, f"_{what}")(job, generation)
        except (ClaimLost, AttemptTimeout) as error:
            raise _Answered(409, "Conflict", str(error)) from None
        except ResultRefused as error:
            raise _Answered(413, "PayloadTooLarge", str(error)) from None
        except NotPlain as error:
            raise BadRequest(f"result: {error}") from None
        except TaskUnknown as error:
            raise _Answered(503, "ServiceUnavailable", str(error), LATER) from None

    def _claimed(self) -> tuple[Job, int]:
        """Return the job that address and token name, and the number of the claim."""
        claims = verify(self._place, bearer_of(self.request), CLAIM)
        if claims["sub"] != self.names[0] or not isinstance(claims.get("gen"), int):
            raise TokenRefused("it is for another job")
        worker = claims.get("client_id")
        if worker != BEARER:
            known = find_worker(self._place, str(worker))
            if known is None or known.state is not WorkerState.APPROVED:
                raise TokenRefused("the worker is not approved any more")
        job = self._find(self.names[0])
        if job is None:
            raise _Answered(410, "Gone", "There is no such job any more.")
        return job, claims["gen"]

    def _heartbeat(self, job: Job, generation: int) -> None:
        leases.renew(job, generation, self._now)

    def _progress(self, job: Job, generation: int) -> None:
        done, words = self._number("done", 0.0, 1.0), self._body.get("words") or ""
        leases.tell(job, generation, done or 0.0, str(words)[:LONGEST_WORDS], self._now)

    def _complete(self, job: Job, generation: int) -> None:
        result, files = self._result()
        if files and not takes_files(job):
            text = f"No task gets the files: {job.wanted.task} has no then= that runs in Plone."
            raise BadRequest(text)
        leases.complete(self._store, job, generation, result, self._now, files)

    def _fail(self, job: Job, generation: int) -> None:
        leases.fail(
            *(self._store, job, generation, str(self._body.get("error") or ""), self._now),
            retry_after=self._number("retry_after", None),
            is_hopeless=bool(self._body.get("hopeless")),
        )

    def _release(self, job: Job, generation: int) -> None:
        leases.release(self._store, job, generation, self._now)

    def _result(self) -> tuple[Any, Mapping[str, FileUpload]]:
        """Return the result, and the files that came with it."""
        if kind_of(self.request) != "multipart/form-data":
            return read(self._body.get("result")), {}
        form = dict(self.request.form)
        try:
            result = json.loads(form.pop("result", "null"))
        except (TypeError, ValueError) as error:
            raise NotPlain(f"it is not JSON: {error}") from None
        others = [name for name, value in form.items() if not isinstance(value, FileUpload)]
        if others:
            names = ", ".join(sorted(others))
            raise BadRequest(f"{names}: beside result there are files, one for each name.")
        self._check_sizes(form)
        return read(result), form

    def _check_sizes(self, files: Mapping[str, FileUpload]) -> None:
        most, size = self._settings.max_files, sum(map(_size, files.values()))
        if size > most:
            text = (
                f"The files have {size} bytes, and a result may have {most} (the setting "
                "max_files). Send less, or leave them where the task that gets the result can "
                "fetch them."
            )
            raise _Answered(413, "PayloadTooLarge", text)


def _log(is_committed: bool, line: journal.Line) -> None:
    if is_committed:
        line.log()


def _size(file: FileUpload) -> int:
    file.seek(0, 2)
    size: int = file.tell()
    file.seek(0)
    return size


class _Search:
    """The search of one request for a job, over all of its passes.

    Args:
        service: The service that answers.
        worker: Who asks.
        queues: The queues whose jobs are wanted.
        key: What the worker calls its claim.
        good_until: When its token ends, in seconds since the epoch.
    """

    def __init__(
        self, service: Post, worker: Worker, queues: list[str], key: str, good_until: float
    ) -> None:
        self._service = service
        self._good_until = good_until
        self._worker = worker
        self._key = key
        place = service._place
        self._lines = [line_of(place.uid, place.path, queue) for queue in queues]
        self._limits = dict(service._settings.job_limits)

    def find(self) -> tuple[Job, Claim] | None:
        """Return a job that is claimed by this transaction; None if there was none in time."""
        waiters = waiters_in(self._service._place.connection.db(), self._limits)
        this = current_pass()
        oid = None
        if this is None or this.hold.passes == 1:
            oid = waiters.take_at_once(self._lines, self._sees)
        if oid is not None and (found := self._claim(oid)) is not None:
            return found
        return self._wait(waiters) if may_wait() else None

    def _wait(self, waiters: Waiters) -> tuple[Job, Claim] | None:
        this: Any = current_pass()
        asked = self._asked()
        for number in itertools.count():
            if not asked.seconds or this.hold.out_of_passes or this.hold.expired:
                return None
            oid = waiters.wait(this, asked, number)
            if oid is None:
                return None
            if (found := self._claim(oid)) is not None:
                return found
            waiters.was_in_vain()
        return None

    def _asked(self) -> Asked:
        service, good_until = self._service, self._good_until
        longest = min(service._settings.longest_claim, max(0.0, good_until - service._now))
        seconds = service._number("wait", longest) or 0.0
        path, body = service.request.environ["PATH_INFO"], service.request.get("BODY") or b""
        ticket = ticket_of(path, service.request._auth, body)
        lines, seconds = frozenset(self._lines), min(seconds, longest)
        return Asked(lines, self._worker.id, seconds, good_until, ticket)

    def _sees(self, oid: bytes) -> bool:
        return find(self._service._place.connection, oid) is not None

    def _claim(self, oid: bytes) -> tuple[Job, Claim] | None:
        job = find(self._service._place.connection, oid)
        if job is None or job.state is not JobState.WAITING:
            return None
        claim = self._service.claim_now(job, self._worker.id, self._key)
        return None if claim is None else (job, claim)
