"""``@workers``: a worker introduces itself, and administrators say what it may do.

::

    POST @workers                  a worker's: its key, its name, the queues that it asks for
    GET  @workers                  for administrators, as all that follow: the newest first
    GET  @workers/<id>
    POST @workers/<id>/approve     {"queues": ["ocr"]}; again, to change them
    POST @workers/<id>/withdraw    it may do nothing any more
    POST @workers/<id>/forget      it may introduce itself again
    POST @workers/keys/rotate      {"forget": false}; true: no token of before is good any more

Every POST has to say that it sends JSON, so that no page of another site can let an
administrator's browser send it.
"""

from ..browser.times import iso
from ..jobs.records import Job
from ..keys.public import read_jwk
from ..keys.public import thumbprint
from ..keys.tokens import read_key_id
from ..keys.tokens import TokenRefused
from ..workers import acts
from ..workers.assertions import ASSERTION
from ..workers.assertions import audiences
from ..workers.assertions import check_assertion
from ..workers.events import TokenDenied
from ..workers.held import jobs_by_worker
from ..workers.registry import approve
from ..workers.registry import check_label
from ..workers.registry import check_queues
from ..workers.registry import find_worker
from ..workers.registry import introduce
from ..workers.registry import MANAGE
from ..workers.registry import TooManyPending
from ..workers.registry import Worker
from ..workers.registry import workers_of
from ..workers.registry import WorkerState
from .bodies import BodyRefused
from .bodies import read_json
from .signed import Refused
from .signed import SignedPage
from functools import cached_property
from plone import api
from plone.protect.interfaces import IDisableCSRFProtection
from typing import Any
from zope.event import notify
from zope.interface import alsoProvides
from zope.interface import implementer
from zope.publisher.interfaces import IPublishTraverse

import logging

logger = logging.getLogger(__name__)

#: When a worker that was not taken may ask again, in seconds.
AGAIN = 3600


@implementer(IPublishTraverse)
class Workers(SignedPage):
    """All of these."""

    methods = ("GET", "POST")

    def __init__(self, context: Any, request: Any) -> None:
        super().__init__(context, request)
        self.names: list[str] = []

    def publishTraverse(self, request: Any, name: str) -> "Workers":
        """Take a name from the path behind ``@workers``: first a worker's, then what to do."""
        self.names.append(name)
        return self

    def get(self) -> dict[str, Any]:
        """Return one worker, or all."""
        self._check_manager()
        if self.names:
            return self._describe(self._find(1))
        items = [self._describe(worker) for worker in workers_of(self.site)]
        keys = [self._describe_key(key) for key in acts.keys_of(self.site)]
        return {"@id": self._url, "items": items, "items_total": len(items), "keys": keys}

    def post(self) -> Any:
        """Take a new worker, or change one."""
        verbs = {"approve": self._approve, "withdraw": self._withdraw, "forget": self._forget}
        if not self.names:
            return self._introduce(self._read())
        self._check_manager()
        if self.names == ["keys", "rotate"]:
            return self._rotate(self._read())
        worker = self._find(2)
        if self.names[1] not in verbs:
            raise Refused(404, f"A worker can be: {', '.join(verbs)}.")
        return verbs[self.names[1]](worker, self._read())

    # A worker's

    def _introduce(self, body: dict[str, Any]) -> dict[str, Any]:
        worker = self._take(*self._check(body))
        if worker.state is WorkerState.PENDING:
            self.request.response.setStatus(202)
        told = {"id": worker.id, "state": worker.state.value, "fingerprint": worker.fingerprint}
        return {**told, "queues": list(worker.queues)}

    def _check(self, body: dict[str, Any]) -> tuple[bytes, str, tuple[str, ...]]:
        """Return the key, the name and the queues of the worker that has signed *body*."""
        try:
            name, queues = check_label(body.get("name")), check_queues(body.get("queues"))
            public = read_jwk(body.get("jwk"))
        except ValueError as error:  # a key that is refused is one
            raise Refused(400, str(error)) from None
        try:
            if read_key_id(body.get("assertion"), ASSERTION) != thumbprint(public):
                raise TokenRefused("its key is not the one in jwk")
            check_assertion(body["assertion"], public, audiences(self.site.absolute_url()))
        except TokenRefused as refused:
            raise self._denied(refused, thumbprint(public)) from None
        return public, name, queues

    def _denied(self, refused: TokenRefused, id: str) -> Refused:
        logger.info("A worker was not taken, %s: %s.", id, refused.reason)
        notify(TokenDenied(self.site_path, "introduction", id, refused.reason, self.address))
        return Refused(401, "The assertion does not prove that the key is the worker's own.")

    def _take(self, public: bytes, name: str, queues: tuple[str, ...]) -> Worker:
        try:
            return introduce(self.site, public, name, queues, self.address)
        except TooManyPending as error:
            self.request.response.setHeader("Retry-After", str(AGAIN))
            raise Refused(429, str(error)) from None

    # An administrator's

    def _approve(self, worker: Worker, body: dict[str, Any]) -> dict[str, Any]:
        try:
            queues = check_queues(body.get("queues"))
        except ValueError as error:
            raise Refused(400, str(error)) from None
        approve(self.site, worker, queues, _me())
        return self._describe(worker)

    def _withdraw(self, worker: Worker, body: dict[str, Any]) -> dict[str, Any]:
        acts.withdraw(self.site, worker, _me())
        return self._describe(worker)

    def _forget(self, worker: Worker, body: dict[str, Any]) -> None:
        acts.forget(self.site, worker, _me())
        self.request.response.setStatus(204)

    def _rotate(self, body: dict[str, Any]) -> dict[str, Any]:
        forget = body.get("forget", False)
        if not isinstance(forget, bool):
            raise Refused(400, "forget is neither true nor false.")
        acts.rotate(self.site, _me(), forget=forget)
        return {"keys": [self._describe_key(key) for key in acts.keys_of(self.site)]}

    # What they share

    def _read(self) -> dict[str, Any]:
        alsoProvides(self.request, IDisableCSRFProtection)  # see above
        try:
            return read_json(self.request)
        except BodyRefused as refused:
            raise Refused(400, str(refused)) from None

    def _check_manager(self) -> None:
        if not api.user.has_permission(MANAGE, obj=self.site):
            raise Refused(401, f"You need the permission “{MANAGE}”.")

    def _find(self, length: int) -> Worker:
        """Return the worker that the address names, if it has as many names as it should."""
        worker = find_worker(self.site, self.names[0])
        if worker is None or len(self.names) != length:
            raise Refused(404, "There is no such worker.")
        return worker

    def _describe(self, worker: Worker) -> dict[str, Any]:
        """Return *worker* as JSON has it."""
        return {
            "@id": f"{self._url}/{worker.id}",
            "id": worker.id,
            "fingerprint": worker.fingerprint,
            "jwk": worker.jwk,
            "name": worker.name,
            "state": worker.state.value,
            "queues": list(worker.queues),
            "queues_wanted": list(worker.queues_wanted),
            "introduced": iso(worker.introduced),
            "since": iso(worker.since),
            "by": worker.by or None,
            "address": worker.address or None,
            "seen": None if worker.seen is None else iso(worker.seen),
            "skew": worker.skew,
            "running": [job.id for job in self._running.get(worker.id, ())],
        }

    @cached_property
    def _running(self) -> dict[str, list[Job]]:
        return jobs_by_worker(self.site)

    def _describe_key(self, key: acts.ShownKey) -> dict[str, Any]:
        times = {"made": key.made, "ended": key.ended, "rotates": key.rotates}
        told = {name: None if at is None else iso(at) for name, at in times.items()}
        return {"id": key.id, "fingerprint": key.fingerprint, **told}

    @property
    def _url(self) -> str:
        return f"{self.site.absolute_url()}/@workers"


def _me() -> str:
    return str(api.user.get_current().getId() or "")
