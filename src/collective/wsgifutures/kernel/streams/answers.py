"""What a view returns to have a stream sent: it runs once the view's pass is committed.

In a pass nobody can read it, and so no transform keeps the whole of it in a slot: the server's
side starts it, after the last pass. Where no pass is published, it runs in place, as it is read.
"""

from ..errors import FuturesError
from ..passes import current_pass
from .current import current
from .current import CurrentStream
from .followers import Following
from .formats import Format
from .producing import Source
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple
from typing import NoReturn

import contextlib
import contextvars

#: Prepare an answer that is returned where no pass is published, for whoever publishes it.
without_pass: list[Callable[["StreamAnswer"], None]] = []


class StreamLimits(NamedTuple):
    """How long a stream may take."""

    timeout: float  #: in all, in seconds
    between: float  #: until the first item, and between two, in seconds


class StreamAnswer:
    """The answer of a view: an iterable of bytes, with what the client has to know of it.

    Args:
        source: What is streamed.
        limits: How long that may take.
        format: How its items are written.
        heartbeat: Seconds without an item after which the client is told that it goes on.
    """

    def __init__(
        self, source: Source, limits: StreamLimits, format: Format, heartbeat: float
    ) -> None:
        self.source = source
        self.limits = limits
        self.format = format
        self.heartbeat = heartbeat
        self.last_event_id = ""  #: of the client, where it asks again
        #: Tells whether the work of the view was kept, once its pass has ended.
        self.is_committed: Callable[[], bool] = lambda: True
        self.following: Following | None = None  #: who gets its text
        self._may_run = True
        self._chunks: Generator[bytes, None, None] | None = None

    def __repr__(self) -> str:
        return f"<answer of the stream {self.source.name}>"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that let it through proxies and browsers as it comes."""
        return {
            "Content-Type": self.format.content_type,
            "Cache-Control": "no-cache, no-transform",
            "X-Accel-Buffering": "no",
            "X-Content-Type-Options": "nosniff",
        }

    def prepare(self) -> "StreamAnswer":
        """Have the answer's headers sent, and see whether there is room for it.

        Raises:
            StreamBusy: This worker holds and streams as many responses as it may.
        """
        this = current_pass()
        if this is not None:
            self._may_run = False
            this.publisher.stream(self)
            this.check_room(self.source.name)
        elif without_pass:
            without_pass[-1](self)
        return self

    def end_following(self, broken: str = "", *, wanted: bool = True) -> None:
        """Hand the text over to whoever gets it; see ``Following.end``."""
        if self.following is not None:
            self.following.end(broken, wanted=wanted)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._may_run:
            self._refuse()
        if self._chunks is None:
            self._chunks = _run_in_place(self)
        return next(self._chunks)

    def close(self) -> None:
        """End what runs in place."""
        if self._chunks is not None:
            self._chunks.close()

    def _refuse(self) -> NoReturn:
        raise FuturesError(
            f"The stream {self.source.name} is read in a pass, or by a WSGI filter behind the "
            "hold. It begins when the pass is committed: return it as the view's answer, and put "
            "the filter before the hold."
        )


def _run_in_place(answer: StreamAnswer) -> Generator[bytes, None, None]:
    """Run the stream here, with no limits in time."""
    format, name = answer.format, answer.source.name
    items = iterate_in_place(answer.source, answer.last_event_id)
    try:
        with contextlib.closing(items):
            for item in items:
                if answer.following is not None:
                    answer.following.add(format.text(name, item))
                yield format.encode(name, item)
    except BaseException as error:
        answer.end_following("It broke off.", wanted=isinstance(error, Exception))
        if not isinstance(error, Exception):  # its reader has gone
            raise
        last = format.broken("failed")
        if last is None:
            raise
        yield last
        raise
    answer.end_following()
    yield format.end()


def iterate_in_place(source: Source, last_event_id: str = "") -> Generator[Any, None, None]:
    """Run the generator here, and yield its items."""
    context = contextvars.copy_context()
    context.run(current.set, CurrentStream(source.name, last_event_id))
    generator = context.run(source.open_in_place)
    try:
        while True:
            try:
                item = context.run(next, generator)
            except StopIteration:
                return
            yield item
    finally:
        context.run(generator.close)
