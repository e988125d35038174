"""The words that a view uses: ``stream``, and how it is sent: ``text``, ``events``, ``lines``."""

from .. import declarations
from ..errors import FuturesError
from ..passes import current_pass
from .answers import iterate_in_place
from .answers import StreamAnswer
from .answers import StreamLimits
from .followers import follow
from .formats import Events
from .formats import Format
from .formats import Lines
from .formats import Text
from .functions import OutsideFunction
from .functions import P
from .producing import Source
from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import overload

import inspect

#: How many seconds a stream may take in all, and to its next item, if it is not declared.
DEFAULT_TIMEOUT = 300.0
DEFAULT_BETWEEN = 30.0

#: Seconds without an item after which a client of events is told that the stream goes on.
HEARTBEAT = 15.0


class Stream:
    """A stream that a view can answer with. Calling what ``@stream`` declares returns it.

    Nothing runs yet. It runs once, when the view's last pass is committed. In a script, a test
    or a future it can be iterated, and runs in place.
    """

    def __init__(self, source: Source, limits: StreamLimits) -> None:
        self._source = source
        self._limits = limits

    def __repr__(self) -> str:
        return f"<Stream {self._source.name}>"

    def text(
        self, *, then: Any = None, context: Any = None, keep_going: bool = False
    ) -> StreamAnswer:
        """Return an answer of plain text. Each item is a str.

        Args:
            then: A task that gets the whole text, as the user of this request: a job, recorded
                in this pass, which begins when the stream has ended.
            context: What the job is about, as for ``submit`` of the task.
            keep_going: The stream is made to its end even if the visitor leaves; otherwise its
                job is cancelled then.

        Raises:
            SubmitRefused: As ``submit`` of the task.
        """
        return self._answer(Text(), HEARTBEAT, then, context, keep_going)

    def events(
        self,
        *,
        retry: float | None = None,
        heartbeat: float = HEARTBEAT,
        then: Any = None,
        context: Any = None,
        keep_going: bool = False,
    ) -> StreamAnswer:
        """Return an answer of server-sent events. Each item is a ``StreamEvent``, or its data.

        The event ``end`` says that the stream is whole, ``error`` that it is not.

        Args:
            retry: Seconds after which a browser that has lost the stream asks again.
            heartbeat: Seconds without an item after which a comment is sent.
            then, context, keep_going: As for ``text``; the task gets the data of all events.
        """
        seconds = declarations.to_seconds(heartbeat, "heartbeat") or HEARTBEAT
        return self._answer(Events(retry), seconds, then, context, keep_going)

    def lines(
        self, *, then: Any = None, context: Any = None, keep_going: bool = False
    ) -> StreamAnswer:
        """Return an answer of JSON, one value on each line. Each item is what JSON can have.

        Args:
            then, context, keep_going: As for ``text``; the task gets the lines.
        """
        return self._answer(Lines(), HEARTBEAT, then, context, keep_going)

    def __iter__(self) -> Iterator[Any]:
        """Run the generator here.

        Raises:
            FuturesError: A pass is being published, which would keep its slot.
        """
        if current_pass() is not None:
            raise FuturesError(
                f"The stream {self._source.name} is read in a pass, which would keep its slot. "
                "Return its text(), events() or lines() as the view's answer."
            )
        return iterate_in_place(self._source)

    def _answer(
        self, format: Format, heartbeat: float, then: Any, context: Any, keep_going: bool
    ) -> StreamAnswer:
        answer = StreamAnswer(self._source, self._limits, format, heartbeat).prepare()
        answer.following = follow(then, context, self._limits.timeout, keep_going)
        return answer


class StreamFunction(OutsideFunction[P]):
    """A generator function declared with ``@stream``. A call of it returns a ``Stream``."""

    kind = "stream"

    def __init__(self, function: Callable[P, Any], limits: StreamLimits, key: str | None) -> None:
        super().__init__(function, key)
        self._limits = limits
        self._is_async = inspect.isasyncgenfunction(function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Stream:
        """Return the stream of these arguments, which has not begun.

        Raises:
            ArgumentRefused: An argument is not plain data.
            TypeError: The arguments do not fit the function.
        """
        call = self.take(args, kwargs)
        if self._is_async:
            call.function = self.plain  # found by its name elsewhere, it may close over nothing
        return Stream(Source(call, self._is_async), self._limits)


@overload
def stream(function: Callable[P, AsyncIterator[Any] | Iterator[Any]], /) -> StreamFunction[P]: ...
@overload
def stream(
    *, timeout: float = DEFAULT_TIMEOUT, between: float = DEFAULT_BETWEEN, key: str | None = None
) -> Callable[[Callable[P, AsyncIterator[Any] | Iterator[Any]]], StreamFunction[P]]: ...
def stream(
    function: Any = None,
    /,
    *,
    timeout: float = DEFAULT_TIMEOUT,
    between: float = DEFAULT_BETWEEN,
    key: str | None = None,
) -> Any:
    """Declare a generator as a stream: it runs outside of Zope, and is sent as it yields.

    The generator gets copies of its arguments, which are plain data, and yields plain data. It
    begins when the last pass of the request is committed, and its connection and slot are given
    back. It ends with its client: what it opens in ``with`` is closed then.

    Args:
        function: A generator function, plain or ``async def``.
        timeout: How long the stream may take in all, in seconds.
        between: How long the first item may take, and each next one, in seconds.
        key: The name of the stream, instead of its dotted name. A lambda and a function
            inside a function need a key.

    Raises:
        ValueError: *timeout* or *between* is not above 0.
        TypeError: *function* does not yield, or has no name and no *key*.
    """
    limits = StreamLimits(
        declarations.to_seconds(timeout) or DEFAULT_TIMEOUT,
        declarations.to_seconds(between, "between") or DEFAULT_BETWEEN,
    )
    declarations.check_key(key)

    def declare(function: Callable[P, Any]) -> StreamFunction[P]:
        declarations.check_stream(function, key)
        return StreamFunction(function, limits, key)

    return declare if function is None else declare(function)
