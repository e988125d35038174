"""What a worker elsewhere may do with the object of its job: ``may=`` of a task.

Methods, and names of views and services. It is checked where it is written, and no name is taken by
which somebody could get more rights than these, whoever the user of the job is.
"""

from collections.abc import Iterable
from typing import Any

import re

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

#: Parts of names that lead to logins, users, rights, tokens, settings or code. A name with one of
#: them is refused.
NEVER = (
    "addon",
    "authent",
    "control",
    "group",
    "jwk",
    "login",
    "logout",
    "manage",
    "member",
    "oauth",
    "password",
    "personal",
    "principal",
    "register",
    "registry",
    "role",
    "session",
    "setup",
    "sharing",
    "sudo",
    "token",
    "upgrade",
    "user",
    "wsgifutures",
    "workers",
    "xmlrpc",
)

_NAME = re.compile(r"@@?[A-Za-z0-9][A-Za-z0-9_.-]*")


def check_may(may: Any) -> tuple[str, ...]:
    """Return *may*, in order.

    Raises:
        TypeError: It is not a list of texts.
        ValueError: Something in it is neither a method nor the name of a view or service, or gives
            rights that no worker gets; or there is a name and no method.
    """
    if isinstance(may, str) or not isinstance(may, Iterable):
        raise TypeError(f'may={may!r} is not a list, as ["GET", "@@images"] is.')
    found = tuple(dict.fromkeys(may))
    for each in found:
        _check(each)
    if found and not any(each in METHODS for each in found):
        raise ValueError(f"may={list(found)!r} has no method, so nothing may be done: add 'GET'.")
    return found


def is_forbidden(name: str) -> bool:
    """Tell whether no worker may ever use the view or service of that *name*."""
    return name.lower() in ("@clock", "@jobs") or any(part in name.lower() for part in NEVER)


def _check(each: Any) -> None:
    if not isinstance(each, str):
        raise TypeError(f"may= has {each!r}, which is not a text.")
    if each in METHODS:
        return
    if not _NAME.fullmatch(each):
        raise ValueError(
            f"may= has {each!r}. It takes methods ({', '.join(METHODS)}), views as '@@images' and "
            "services as '@history'."
        )
    if is_forbidden(each):
        raise ValueError(
            f"may= has {each!r}, which is about logins, users, rights or settings. No worker gets "
            "that: let the task that gets the result do it (then=)."
        )
