"""The function names of ``collective.taskqueue``, for code that was written for it.

A job publishes a path of the site. Code runs after its import is changed::

    from collective.wsgifutures.compat import taskqueue

    taskqueue.add("/Plone/page/@@my-task", method="POST", params={"size": 3})

New code should use ``@task``, or ``publish`` for a view: there is no path to build, and the
arguments are plain data instead of texts.

The job runs as who called ``add``, and has nothing else of their request than what is given
here: no header, no cookie, no body.
"""

from ..jobs import desk
from ..jobs.interfaces import ITaskLayer as ITaskQueueLayer
from ..jobs.looking import MANAGE
from ..jobs.options import check_name
from ..jobs.records import JobState
from ..jobs.store import find_store
from ..jobs.store import jobs_of
from ..jobs.store import main_connection
from ..jobs.tasks import register
from ..jobs.tasks import Requested
from ..jobs.tasks import Task
from ..kernel.errors import ArgumentRefused
from AccessControl import getSecurityManager
from AccessControl import Unauthorized
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from plone import api
from typing import Any
from urllib.parse import unquote
from urllib.parse import urlencode
from urllib.parse import urlsplit
from zope.component.hooks import getSite

import re
import time

__all__ = ["ITaskQueueLayer", "add", "count", "reset"]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

#: Headers that nobody may give, by their names in small letters, and what to do instead.
_WITHOUT = "A job runs as who submitted it, without a login. Leave the header out."
REFUSED = {
    "cookie": f"it would keep a session in the database. {_WITHOUT}",
    "authorization": f"it would keep a password or token in the database. {_WITHOUT}",
    "proxy-authorization": f"it would keep a password or token in the database. {_WITHOUT}",
    "x-task-user-id": (
        "no header says who a job runs as: it is who submitted it. For somebody else, write "
        "publish.using(run_as=...).submit(context, view)."
    ),
}

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^`|~-]+")


class _Add(Task[Any]):
    has_result = False

    def request(self, args: Any, kwargs: Any) -> Requested:
        """Return what the job publishes."""
        return _requested(*args, **kwargs)


def _add(
    context: Any,
    path: str,
    query: str,
    method: str,
    headers: Mapping[str, str],
    payload: bytes | None,
) -> None:
    """Publish *path*, whatever the context."""


def _requested(
    path: str, query: str, method: str, headers: Mapping[str, str], payload: bytes | None
) -> Requested:
    folder, _, view = path.rpartition("/")
    if not folder:  # the site itself
        folder, view = path, ""
    return Requested(view, method, None, headers, payload, folder, query)


#: The task of all that ``add`` submits.
added: Task[Any] = register(_Add(_add, f"{__name__}.add", title="Publish a path"))


def add(
    url: str,
    method: str = "GET",
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, Any] | None = None,
    payload: bytes | str | None = None,
    queue: str = "default",
) -> str:
    """Publish *url* in a job, when this transaction is committed; return the job's id.

    The job's request has the id as ``X-Task-Id``, and ``ITaskQueueLayer``. An answer other than
    2xx fails the attempt, and nothing of it is committed.

    Args:
        url: A physical path, as ``/Plone/page/@@my-task``, quoted as in a URL; it may have a
            query. It begins with the path of this site.
        method: As ``GET`` or ``POST``.
        params: Added to the query of *url*; several values in a list.
        headers: Those of the request, by name. True is sent as ``true``.
        payload: The body. If it is a form or JSON, give its ``Content-Type`` in *headers*.
        queue: Any name.

    Raises:
        ArgumentRefused: The path is not one of this site, or a header would keep a secret.
        SubmitRefused: No job may be submitted here, as with ``@task``.
        ValueError: *method* or *queue* is none.
    """
    path, query = _take_url(url, params)
    check_name("queue", queue)
    arguments = (path, query, _take_method(method), _take_headers(headers), _take_payload(payload))
    return added.using(queue=queue).submit(getSite(), *arguments).id


def count(queue: str = "default") -> dict[str, int]:
    """Return how many jobs ``add`` has submitted to *queue* in this site, by their state.

    ``count(queue)["waiting"]`` is what ``len`` of a queue was. Jobs are counted until they are
    purged: done ones for a day, dead ones for a month.
    """
    states = Counter(job.state.value for job in _jobs(queue))
    return {state.value: states[state.value] for state in JobState}


def reset(queue: str = "default") -> int:
    """Cancel what ``add`` has submitted to *queue* and waits there; return how many jobs.

    Raises:
        Unauthorized: The current user does not manage jobs in this site.
    """
    if not getSecurityManager().checkPermission(MANAGE, api.portal.get()):
        raise Unauthorized(f"To cancel everybody's jobs, you need the permission {MANAGE!r}.")
    waiting = [job for job in _jobs(queue) if job.state is JobState.WAITING]
    for job in waiting:
        desk.cancel(job, time.time())
    return len(waiting)


def _jobs(queue: str) -> Iterator[Any]:
    check_name("queue", queue)
    portal = api.portal.get()
    site = "/".join(portal.getPhysicalPath())
    for entry in jobs_of(find_store(main_connection(portal._p_jar))):
        is_ours = entry.task == added.name and entry.queue == queue
        if is_ours and entry.job.wanted.origin.site == site:
            yield entry.job


# What is submitted


def _take_url(url: Any, params: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return the path, not quoted, and the query."""
    if not isinstance(url, str) or not url:
        raise _refuse("url", "it is empty. Give a path of this site, as /Plone/page/@@my-task.")
    parts = urlsplit(url)
    if parts.scheme or parts.netloc:
        raise _refuse("url", "it has a host. Give the physical path alone.")
    queries = [parts.query, urlencode(params or {}, doseq=True)]
    return _check_path(unquote(parts.path).rstrip("/")), "&".join(filter(None, queries))


def _check_path(path: str) -> str:
    site = "/".join(api.portal.get().getPhysicalPath())
    if path.startswith("/VirtualHostBase/"):
        reason = "it is rewritten for a virtual host, which a job does by itself"
    elif {".", ".."} & set(path.split("/")):
        reason = "it has a step '.' or '..'"
    elif path != site and not path.startswith(f"{site}/"):
        reason = f"{path} is not in this site"
    else:
        return path
    raise _refuse("url", f"{reason}. Give a physical path below {site}.")


def _take_method(method: Any) -> str:
    if method not in METHODS:
        raise ValueError(f"method={method!r} is none of: {', '.join(METHODS)}.")
    return str(method)


def _take_headers(headers: Mapping[str, Any] | None) -> dict[str, str]:
    given = (headers or {}).items()
    return {_check_header(name): _header_value(name, value) for name, value in given}


def _check_header(name: Any) -> str:
    where = f"the header {name!r}"
    if not isinstance(name, str) or not _HEADER.fullmatch(name):
        raise _refuse(where, "that is not a valid HTTP header name.")
    if name.lower() in REFUSED:
        raise _refuse(where, REFUSED[name.lower()])
    return name


def _header_value(name: str, value: Any) -> str:
    """Return *value* as HTTP sends it: the bytes of its UTF-8 as characters."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not text.isprintable():
        raise _refuse(f"the header {name!r}", "its value has a line break or control character.")
    return text.encode().decode("latin-1")


def _take_payload(payload: Any) -> bytes | None:
    if isinstance(payload, str):
        return payload.encode()
    if payload is None or isinstance(payload, bytes):
        return payload
    kind = type(payload).__qualname__
    raise _refuse("payload", f"it is a {kind}. Give bytes or a text, as json.dumps returns.")


def _refuse(where: str, reason: str) -> ArgumentRefused:
    return ArgumentRefused("taskqueue.add", where, reason)
