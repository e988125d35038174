"""``Server-Timing``: the waits of a held response, for a browser's developer tools.

``Hold.tells_times`` decides who may see the header. The header has names of functions and
numbers only, and a limited number of both.
"""

from ..kernel.hold import Hold

import re

#: How many futures are named.
_MOST = 20

#: How many letters of a name are sent.
_LONGEST = 80

#: Directives about shared caches, which ``private`` replaces.
_SHARED = ("public", "s-maxage", "proxy-revalidate", "private")


def tell(headers: list[tuple[str, str]], hold: Hold) -> None:
    """Add the times of *hold* to *headers*, if it tells them, and exclude shared caches."""
    if not hold.tells_times or hold.passes < 2:
        return
    headers.append(("Server-Timing", server_timing(hold)))
    directives = [v for name, v in headers if name.lower() == "cache-control"]
    headers[:] = [(name, v) for name, v in headers if name.lower() != "cache-control"]
    headers.append(("Cache-Control", _make_private(",".join(directives))))


def server_timing(hold: Hold) -> str:
    """Return the header's value: passes, waiting time, and the time of each future."""
    metrics = [
        f'passes;desc="{hold.passes} passes"',
        _metric("waiting", "waiting, in all", hold.waited),
        *(_metric(name, name, seconds) for name, seconds in hold.times[:_MOST]),
    ]
    more = len(hold.times) - _MOST
    if more > 0:
        metrics.append(f'more;desc="and {more} more"')
    return ", ".join(metrics)


def _metric(name: str, description: str, seconds: float) -> str:
    token = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:_LONGEST] or "_"
    text = re.sub(r'[^ -~]|["\\]', "_", description)[:_LONGEST]
    return f'{token};dur={seconds * 1000:.1f};desc="{text}"'


def _make_private(cache_control: str) -> str:
    directives = [directive.strip() for directive in cache_control.split(",")]
    kept = [d for d in directives if d and d.partition("=")[0].strip().lower() not in _SHARED]
    return ", ".join(["private", *kept])
