"""``publish``: a job that publishes a view, as if its submitter had asked for it.

The view may be one that only jobs reach, on ``ITaskLayer``. An answer of 2xx is a success; any
other fails the attempt, and nothing of it is committed.
"""

from .tasks import register
from .tasks import Requested
from .tasks import Task
from collections.abc import Mapping
from typing import Any


class _Publish(Task[Any]):
    has_result = False

    def request(self, args: Any, kwargs: Any) -> Requested:
        """Return what the job publishes."""
        return _requested(*args, **kwargs)


def _publish(
    context: Any, view: str, *, form: Mapping[str, Any] | None = None, method: str = "GET"
) -> None:
    """Publish a view of *context*.

    Args:
        context: What the view is of.
        view: Its name, as ``"@@export"``, and what follows it.
        form: Names and values, plain data; several values in a list.
        method: ``"GET"`` or ``"POST"``.
    """


def _requested(view: str, form: Any = None, method: str = "GET") -> Requested:
    return Requested(view, method, dict(form or {}))


publish: Task[Any] = register(_Publish(_publish, "publish", title="Publish a view"))
