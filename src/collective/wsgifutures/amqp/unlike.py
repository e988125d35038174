"""What a broker tells of a queue or an exchange that is there, but not as it is made here.

RabbitMQ compares what it is asked to make with what it has, and names the first difference. What a
policy sets is no part of that: it tells that to nobody by AMQP.
"""

from typing import Any
from typing import NamedTuple

import re

_TOLD = re.compile(r"inequivalent arg '([^']+)' for (queue|exchange) '([^']+)'[^:]*:?\s*(.*)", re.S)

#: Settings without which a queue, or what is in it, may be gone with a restart, with one node, or
#: when it was delivered too often. A classic queue without arguments is told by the last of them.
LASTING = (
    "x-queue-type",
    "durable",
    "auto_delete",
    "exclusive",
    "x-expires",
    "x-dead-letter-exchange",
)


class Unlike(NamedTuple):
    """One difference."""

    setting: str  #: as ``x-queue-type``
    kind: str  #: ``queue`` or ``exchange``
    name: str
    values: str  #: what was asked for and what there is, as the broker says

    def __str__(self) -> str:
        values = f" ({self.values})" if self.values else ""
        return (
            f"The {self.kind} {self.name} at the broker is not as the relay makes it: its setting "
            f"{self.setting} is another one{values}."
        )


def read_unlike(error: BaseException) -> Unlike | None:
    """Return the difference that an error of a broker is about; None: it is another error."""
    found = _TOLD.search(str(error)) if getattr(error, "reply_code", None) == 406 else None
    return None if found is None else Unlike(found[1], found[2], found[3], found[4].strip())


def settings_of(unlike: dict[str, Any]) -> str:
    """Return queues with their settings that differ, for people."""
    return ", ".join(f"{name} ({setting})" for name, setting in sorted(unlike.items()))
