"""A span for each future of a request, whatever runs the future.

Executors copy the context in which they start a call, so the span is the current one inside of
the function. Another process is only sent the ids of the span: see ``ids.take_trace``.

A call may end in a thread of the system, where under gevent the locks of OpenTelemetry's SDK
would wait for greenlets. So only the time is noted there, and the request's own thread ends
the span.
"""

from ..kernel.calls import Call
from ..kernel.calls import Outcome
from ..kernel.executors.base import Executor
from ..kernel.executors.base import Job
from . import spans
from collections.abc import Callable
from typing import Any

import time


class CallSpans:
    """The spans of the futures of one request, whose own span is recorded.

    Args:
        executor_of: Returns an executor by its name.
    """

    def __init__(self, executor_of: Callable[[str | None], Executor]) -> None:
        self._executor_of = executor_of
        self._started: list[_CallSpan] = []

    def executor_of(self, name: str | None) -> Executor:
        """Return the executor of that name; it runs each call in a span."""
        return _TracedExecutor(self._executor_of(name), self._started)

    def end(self) -> None:
        """End all spans."""
        for span in self._started:
            span.end()


class _TracedExecutor:
    def __init__(self, executor: Executor, started: list["_CallSpan"]) -> None:
        self.name = executor.name
        self._executor = executor
        self._started = started

    def start(self, call: Call, done: Callable[[Any], None]) -> Job:
        if call.function is None:  # an upstream's, which makes its own span
            return self._executor.start(call, done)
        span = _CallSpan(call)
        self._started.append(span)
        return span.start(self._executor, done)

    def close(self) -> None:
        """Leave the executor open: it is the worker's."""


class _CallSpan:
    """The span of one future, and its job."""

    __slots__ = ("_call", "_ended", "_error", "_job", "_span")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._job: Job | None = None
        self._ended: int | None = None
        self._error = ""
        self._span = spans.tracer().start_span(call.function_name)

    def start(self, executor: Executor, done: Callable[[Any], None]) -> Job:
        """Start the call, with the span as the current one."""

        def end(outcome: Outcome) -> None:
            self._note(outcome)
            done(outcome)

        context = spans.api().context
        token = context.attach(spans.api().trace.set_span_in_context(self._span))
        try:
            self._job = executor.start(self._call, end)
        except Exception as error:  # as if the line is full
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
        """Keep the error of *outcome* and the time; None means that the call was stopped."""
        if self._ended is not None:
            return
        self._ended = time.time_ns()
        if outcome is None:
            self._error = "stopped"
        elif (error := outcome.exception()) is not None:
            self._error = type(error).__qualname__
