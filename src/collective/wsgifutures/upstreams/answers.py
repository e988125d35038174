"""What an upstream answered, as plain data that never changes.

All passes, and all requests that share an answer, have the very same object: so nothing in
it can be changed, and it has no part that could.
"""

from .errors import UpstreamStatus
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

import json


@dataclass(frozen=True, repr=False)
class Headers(Mapping[str, str]):
    """The headers of an answer. Their names may be written in any case."""

    pairs: tuple[tuple[str, str], ...] = ()  #: as they came

    def __getitem__(self, name: str) -> str:
        """Return the values of *name*, joined with a comma."""
        values = self.all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def all(self, name: str) -> tuple[str, ...]:
        """Return each value of *name*: what ``Set-Cookie`` needs, which cannot be joined."""
        name = name.lower()
        return tuple(value for key, value in self.pairs if key.lower() == name)

    def __iter__(self) -> Iterator[str]:
        return iter({key.lower(): None for key, _ in self.pairs})

    def __len__(self) -> int:
        return len({key.lower() for key, _ in self.pairs})

    def __repr__(self) -> str:
        return f"<Headers {', '.join(self)}>"  # a value may be a secret


@dataclass(frozen=True, repr=False)
class Answer:
    """What an upstream answered."""

    status: int  #: as 200
    headers: Headers  #: by name, in any case
    body: bytes  #: unpacked, if it was compressed
    upstream: str = ""  #: the upstream's name
    host: str = ""  #: the host that sent it
    redirects: tuple[Headers, ...] = ()  #: the headers of the redirects before it

    def __repr__(self) -> str:
        return f"<Answer {self.status} of {self.upstream}, {len(self.body)} bytes>"

    @property
    def ok(self) -> bool:
        """Tell whether the status is one of success, 2xx."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text: in the charset that its header names, else in UTF-8."""
        try:
            return self.body.decode(self._charset, "replace")
        except (LookupError, ValueError):  # no such charset, or one that is not for this
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body read as JSON, anew for each caller.

        Raises:
            ValueError: It is not JSON.
        """
        try:
            return json.loads(self.body)  # as RFC 8259 wants it: in UTF-8
        except UnicodeDecodeError:
            return json.loads(self._decoded())

    def _decoded(self) -> str:
        """Return the body as text, in its charset and without a mistake."""
        try:
            return self.body.decode(self._charset)
        except LookupError as error:
            raise ValueError("the charset of the body is unknown") from error

    def raise_for_status(self) -> "Answer":
        """Return the answer itself where its status is below 400.

        Raises:
            UpstreamStatus: It is an error's.
        """
        if self.status >= 400:
            raise UpstreamStatus(self.upstream, self.host, self.status)
        return self

    @property
    def _charset(self) -> str:
        message = Message()
        message["content-type"] = self.headers.get("content-type", "")
        charset = message.get_param("charset")
        return charset if isinstance(charset, str) else "utf-8"
