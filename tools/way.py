"""Count the way that a held request takes through the source, and show it.

    python tools/way.py       how many calls, files and changes of file
    python tools/way.py -v    each call too, as file:function, indented by who calls whom

This is for whoever reads or shortens that way. The request asks for one future and is held once, on
threads. What is counted, on the request's own thread and on that of the future:

calls
    Of Python functions whose source is in the package, lambdas too. Comprehensions are part of the
    function that they stand in. What a library calls is indented below the function that called
    the library.
files
    Those that have one of these functions.
changes of file
    How often a call goes to another file than the call before it on the same thread: the jumps of
    a reader who follows the calls in order. Returns are not counted.

A first request is not counted: it imports, and starts what the process keeps.
"""

from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterable
from collective.wsgifutures import future
from collective.wsgifutures.wsgi.middleware import Middleware
from collective.wsgifutures.wsgi.worker import Worker
from pathlib import Path
from types import FrameType
from typing import Any
from wsgiref.util import setup_testing_defaults

import argparse
import collective.wsgifutures as package
import itertools
import sys
import threading
import time

HOUSE = Path(package.__file__).parent

#: Seconds after the response for the future's thread to end what it does.
AFTERWARDS = 0.2

#: Frames that are no function's: newer Pythons have none for most of them.
COMPREHENSIONS = {"<dictcomp>", "<genexpr>", "<listcomp>", "<setcomp>"}

#: One call: how deep it is, the file, the function.
Call = tuple[int, str, str]


@future(key="double")
def double(number: int) -> int:
    return 2 * number


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with what a future gives."""
    text = str(double(21)).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]


class Way:
    """The calls of each thread, in order, for as long as it is on."""

    def __init__(self) -> None:
        self.on = False
        self.calls: dict[str, list[Call]] = defaultdict(list)
        self._depth: dict[str, int] = defaultdict(int)

    def see(self, frame: FrameType, event: str, argument: object) -> None:
        """Note a call, as ``sys.setprofile`` asks for."""
        code, path = frame.f_code, Path(frame.f_code.co_filename)
        if event not in ("call", "return") or code.co_name in COMPREHENSIONS:
            return
        if not path.is_relative_to(HOUSE):
            return
        thread = threading.current_thread().name
        if event == "return":
            self._depth[thread] -= 1
        elif self.on:
            file = path.relative_to(HOUSE).as_posix()
            self.calls[thread].append((self._depth[thread], file, code.co_qualname))
        self._depth[thread] += event == "call"

    def totals(self) -> tuple[int, int, int]:
        """Return the numbers of calls, files and changes of file."""
        files = [[file for _, file, _ in calls] for calls in self.calls.values()]
        changes = sum(a != b for one in files for a, b in itertools.pairwise(one))
        return sum(map(len, files)), len({file for one in files for file in one}), changes


def walk() -> Way:
    """Return the way of the second of two requests."""
    way = Way()
    middleware = Middleware(Worker(application))
    threading.setprofile(way.see)  # before the first: threads may be kept for the next one
    sys.setprofile(way.see)
    try:
        for way.on in (False, True):
            ask(middleware)
            time.sleep(AFTERWARDS)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return way


def ask(middleware: Middleware) -> None:
    """Ask as a server does, and read the response to its end."""
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    body = middleware(environ, lambda status, headers, exc_info=None: None)
    try:
        assert b"".join(body) == b"42"
    finally:
        getattr(body, "close", lambda: None)()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-v", "--verbose", action="store_true", help="show each call")
    verbose = parser.parse_args().verbose
    way = walk()
    for thread, calls in way.calls.items() if verbose else ():
        print(f"{thread}:")
        print(*(f"{'  ' * depth}  {file}:{function}" for depth, file, function in calls), sep="\n")
    print("{} calls, {} files, {} changes of file".format(*way.totals()))


if __name__ == "__main__":
    main()
