"""Test the functions of a worker without a server::

from wsgifutures_worker import testing

def test_ocr_reads_the_image():
    pages = testing.Pages({"@@images/image/large": b"..."})
    outcome = testing.run(worker, "ocr", session=pages)
    assert outcome.result == {"text": "Hello"}
"""

from . import plain
from .job import Job
from .outcomes import attempt
from .outcomes import Outcome
from .site import Claim
from .worker import Worker
from collections.abc import Mapping
from typing import Any

import json
import requests

__all__ = ["Outcome", "Pages", "run"]


class Pages(requests.Session):
    """Stands in for a job's session: answers from a dict, notes what was asked.

    Args:
        pages: By path, as the function asks for it: bytes, a status, or what is sent as JSON.
    """

    def __init__(self, pages: Mapping[str, Any]) -> None:
        super().__init__()
        self.pages = dict(pages)
        #: Method, path and options of each request.
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    def request(  # type: ignore[override]
        self, method: str, url: str, **options: Any
    ) -> requests.Response:
        """Answer; 404 for what is not there."""
        self.asked.append((method, url, options))
        page = self.pages.get(url, 404)
        answer = requests.Response()
        answer.url = url
        answer.status_code = page if isinstance(page, int) else 200
        if not isinstance(page, int):
            answer._content = page if isinstance(page, bytes) else json.dumps(page).encode()
        return answer


class _Link:
    def __init__(self, cancelled: bool) -> None:
        self.access_token: str | None = None
        self.cancelled = cancelled
        self.said: list[tuple[float, str]] = []

    def progress(self, done: float, words: str) -> None:
        self.said.append((done, words))


def run(
    worker: Worker,
    task: str,
    *args: Any,
    session: requests.Session | None = None,
    attempt_number: int = 1,
    cancelled: bool = False,
    context: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Outcome:
    """Do *task* once, here, with the given arguments; they go through JSON, as in earnest.

    Args:
        session: What ``job.session`` is; without it there is no page at all.
        attempt_number: What ``job.attempt`` is.
        cancelled: What ``job.cancelled`` is.
        context: What ``job.context`` is.
    """
    if task not in worker.tasks:
        raise LookupError(f'The worker does not do "{task}"; it does: {", ".join(worker.tasks)}.')
    claim = Claim(
        job="test",
        task=task,
        lease=120.0,
        token="",
        attempt=attempt_number,
        key="test-key",
        args=plain.write(list(args)),
        kwargs=plain.write(kwargs),
        context=context or {"UID": "0" * 32, "@id": f"{worker.site.url}/context"},
    )
    link = _Link(cancelled)
    declared = worker.tasks[task]
    job = Job(claim, link, session or Pages({}))
    outcome = attempt(declared.function, job, declared.secret)
    outcome.result = plain.read(json.loads(json.dumps(outcome.result)))
    outcome.progress = link.said
    return outcome
