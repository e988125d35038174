"""A span for each future of a request, whatever runs it.

The span is the current one in what the function does: executors copy the context in which
they start a call. To a process only its ids are sent.

A call may end in a thread of the system, where under gevent the locks of OpenTelemetry's SDK
would wait for greenlets. So it only notes when that was, and the request's own thread ends
the span.
"""

from ..kernel.executors import Executor
from ..kernel.executors import Job
from ..kernel.executors import Registry
from ..kernel.executors import Work
from ..kernel.futures import Parts
from ..kernel.hold import Call
from ..kernel.outcomes import Outcome
from . import spans
from collections.abc import Callable
from typing import Any
from typing import cast

import time


class FutureSpan:
    """The span of one future, and its job."""

    __slots__ = ("_call", "_ended", "_error", "_job", "_span")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._job: Job | None = None
        self._ended: int | None = None
        self._error = ""
        self._span = spans.tracer().start_span(call.function_name)

    def start(self, executor: Executor, done: Callable[[Any], None]) -> Job:
        """Start the call, with the span as its current one."""

        def ended(outcome: Outcome) -> None:
            self._note(outcome)
            done(outcome)

        context = spans.api().context
        token = context.attach(spans.api().trace.set_span_in_context(self._span))
        try:
            self._job = executor.start(_work(self._call, executor), ended)
        except Exception as error:  # the line is full, say
            self._error = type(error).__qualname__
            raise
        finally:
            context.detach(token)
        return self

    def cancel(self) -> None:
        """Stop the call."""
        self._note(self._call.outcome)
        if self._job is not None:
            self._job.cancel()

    def end(self) -> None:
        """End the span, at the time at which its call ended."""
        if self._error:
            spans.fail(self._span, self._error)
        self._span.end(self._ended)

    def _note(self, outcome: Outcome | None) -> None:
        """Keep what came of it, and when; none at all: it was stopped."""
        if self._ended is None:
            error = None if outcome is None else outcome.exception()
            self._error = (
                "stopped" if outcome is None else type(error).__qualname__ if error else ""
            )
            self._ended = time.time_ns()


class TracedExecutors:
    """Those of a process, for one request that is recorded.

    Args:
        executors: Those of the process.
        started: The spans of what is started are put here.
    """

    def __init__(self, executors: Registry, started: list[FutureSpan]) -> None:
        self._executors = executors
        self._started = started

    def get(self, name: str | None) -> Executor:
        """Return the one of that name; for None the one that suits the process."""
        return _TracedExecutor(self._executors.get(name), self._started)


class _TracedExecutor:
    def __init__(self, executor: Executor, started: list[FutureSpan]) -> None:
        self.name = executor.name
        self._executor = executor
        self._started = started

    def start(self, call: Work, done: Callable[[Any], None]) -> Job:
        if call.parts is None:  # of an upstream, which makes a span of another kind
            return self._executor.start(call, done)
        one = FutureSpan(cast(Call, call))
        self._started.append(one)
        return one.start(self._executor, done)

    def close(self) -> None:
        """They are the process's."""


class _Sent:
    """What a process is sent in the place of a call."""

    def __init__(self, call: Call) -> None:
        self.name = call.name
        self.work = call.work
        parts = call.parts
        names = (parts.function.__module__, parts.function.__qualname__)
        told = (spans.headers(), *names, parts.args, parts.kwargs)
        self.parts = Parts(call.name, continued, told, {})


def _work(call: Call, executor: Executor) -> Work:
    return _Sent(call) if executor.name == "processes" else call


def continued(
    headers: dict[str, str], module: str, name: str, args: Any, kwargs: dict[str, Any]
) -> Any:
    """Call a function in another process, as a part of the trace that it is asked for in."""
    from ..kernel.executors.channel import find

    api = spans.api()
    token = api.context.attach(api.w3c.extract(headers)) if api is not None else None
    try:
        return find(module, name)(*args, **kwargs)
    finally:
        if token is not None:
            api.context.detach(token)
