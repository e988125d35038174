"""Runs the generator of a stream, and puts what it yields into the stream's buffer.

An executor runs it as it runs a future: in a greenlet, which is killed with the stream, or in a
thread, which is told with the next item. A generator that is ``async def`` runs in the loop of
the executor for that. Where that is the loop of the server, it puts its items there, and keeps no
thread; elsewhere they are only taken here.
"""

from ..by_name import pack
from ..calls import Call
from ..calls import Outcome
from ..calls import Raised
from ..calls import Returned
from ..calls import run_to_end
from ..calls import without_own_frame
from ..executors import ASYNC
from ..executors import kind_of
from ..executors.base import Executor
from ..runtime import current as runtime
from ..waiting import Inbox
from .buffer import Buffer
from .current import current
from .current import CurrentStream
from .followers import Following
from .formats import Format
from collections.abc import Callable
from collections.abc import Generator
from typing import Any

import uuid

#: Seconds between two looks of a thread whether anybody still wants what it waits for.
_LOOK_EVERY = 0.5

#: Seconds that the last items may take to come after the end of their generator.
_LAST_ITEMS = 1.0


class Source:
    """A generator function and its arguments, ready to be called once.

    Args:
        call: The function and its arguments.
        is_async: It is ``async def``.
    """

    __slots__ = ("call", "is_async")

    def __init__(self, call: Call, is_async: bool) -> None:
        self.call = call
        self.is_async = is_async
        if is_async and kind_of(ASYNC).by_name:
            pack(call)  # refuses here, in the view

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.call.name

    def open(
        self, executor_of: Callable[[str | None], Executor], is_wanted: Callable[[], bool]
    ) -> Generator[Any, None, None]:
        """Return the generator, which has not begun."""
        if self.is_async:
            return _take_items(self.call, executor_of(ASYNC), is_wanted)
        return self._call()

    def open_in_place(self) -> Generator[Any, None, None]:
        """Return the generator, which runs where it is read."""
        if not self.is_async:
            return self._call()
        from . import awaited  # it imports asyncio

        return awaited.iterate(self.call)

    def _call(self) -> Generator[Any, None, None]:
        call = self.call
        assert call.function is not None  # noqa: S101  as a stream has it
        generator: Generator[Any, None, None] = call.function(*call.args, **call.kwargs)
        return generator


class Production(Call):
    """The run of one generator, for an executor."""

    __slots__ = ("_buffer", "_current", "_executor_of", "_following", "_format", "_source")

    def __init__(
        self,
        source: Source,
        format: Format,
        buffer: Buffer,
        executor_of: Callable[[str | None], Executor],
        last_event_id: str,
        following: Following | None = None,
    ) -> None:
        in_loop = source.is_async and runtime().server_loop() is not None
        function = self._produce_in_loop if in_loop else None
        executor = ASYNC if in_loop else None
        super().__init__(source.name, source, function, executor=executor)
        self._source = source
        self._format = format
        self._buffer = buffer
        self._executor_of = executor_of
        self._following = following
        self._current = CurrentStream(source.name, last_event_id)

    def work(self) -> Outcome:
        """Run the generator to its end, or for as long as anybody wants what it yields."""
        return run_to_end(self.name, self._produce)

    def _produce(self) -> Outcome:
        current.set(self._current)
        generator = self._source.open(self._executor_of, lambda: not self._buffer.closed)
        try:
            for item in generator:
                if not self._buffer.put(self._take(item)):
                    break
        except Exception as error:
            return Raised(without_own_frame(error))
        finally:
            generator.close()  # a greenlet that is killed while it puts leaves it open
        return Returned(self.name, None)

    async def _produce_in_loop(self) -> None:
        from . import awaited  # it imports asyncio

        current.set(self._current)
        async with awaited.opened(self._source.call) as generator:
            async for item in generator:
                if not await self._buffer.put_in_loop(self._take(item)):
                    break

    def _take(self, item: Any) -> bytes:
        """Return *item* as bytes; keep it for who gets the text."""
        chunk = self._format.encode(self.name, item)
        if self._following is not None:
            self._following.add(self._format.text(self.name, item))
        return chunk


def _take_items(
    call: Call, executor: Executor, is_wanted: Callable[[], bool]
) -> Generator[Any, None, None]:
    """Yield the items of a generator that is ``async def``, which *executor* runs."""
    from . import awaited  # it imports asyncio

    key, inbox = uuid.uuid4().hex, Inbox(runtime().signal())
    named = kind_of(ASYNC).by_name
    source = pack(call) if named else call
    stream = current.get() or CurrentStream(call.name)
    arguments = (key, source, stream.name, stream.last_event_id)
    jobs = [_start(executor, call.name, awaited.produce, arguments, inbox, "end")]
    end: Outcome | None = None
    try:
        while True:
            jobs[1:] = [_start(executor, call.name, awaited.take, (key,), inbox, "items")]
            found, ended = _wait(inbox, is_wanted, end is not None)
            end = ended or end
            items = found.get() if found is not None else []
            if not items:
                break
            yield from items
        if end is None:
            _, end = _wait(inbox, is_wanted, True)
        if end is not None:
            end.get()
    finally:
        for job in jobs:
            job.cancel()


def _start(
    executor: Executor, name: str, function: Any, arguments: Any, inbox: Inbox, kind: str
) -> Any:
    call = Call(name, function, function, arguments)
    return executor.start(call, lambda outcome: inbox.put((kind, outcome)))


def _wait(
    inbox: Inbox, is_wanted: Callable[[], bool], has_ended: bool
) -> tuple[Outcome | None, Outcome | None]:
    """Return the items that came, and the end of the generator if that came too."""
    end: Outcome | None = None
    while is_wanted():
        in_time = inbox.signal.wait(_LAST_ITEMS if has_ended else _LOOK_EVERY)
        came = dict(inbox.take_all())
        end = came.get("end", end)
        if "items" in came or (has_ended and not in_time):
            return came.get("items"), end
        if has_ended and end is not None:
            return None, end
        has_ended = has_ended or end is not None
    return None, end
