"""``Server-Timing``: what a held response waited for, as a browser's developer tools draw it.

Who may see it is not decided here: ``Hold.tells_times`` says so. Names of functions and
numbers are all that is told, and only so many of them.
"""

from ..kernel.hold import Hold

import re

#: So many futures are named, and so many letters of each name.
_MOST = 20
_LONGEST = 80

#: What lets a cache that is not the browser's keep a response.
_SHARED = ("public", "s-maxage", "proxy-revalidate", "private")


def tell(headers: list[tuple[str, str]], hold: Hold) -> None:
    """Put into *headers* what *hold* may tell of its times, and keep shared caches from it."""
    if not hold.tells_times or hold.passes < 2:
        return
    headers.append(("Server-Timing", server_timing(hold)))
    allowed = [v for name, v in headers if name.lower() == "cache-control"]
    headers[:] = [(name, v) for name, v in headers if name.lower() != "cache-control"]
    headers.append(("Cache-Control", _private(",".join(allowed))))


def server_timing(hold: Hold) -> str:
    """Return the header's value: passes, waiting time, and each future's time by its name."""
    metrics = [
        f'passes;desc="{hold.passes} passes"',
        _metric("waiting", "waiting, in all", hold.waited),
    ]
    metrics += [_metric(name, name, seconds) for name, seconds in hold.times[:_MOST]]
    more = len(hold.times) - _MOST
    if more > 0:
        metrics.append(f'more;desc="and {more} more"')
    return ", ".join(metrics)


def _metric(name: str, description: str, seconds: float) -> str:
    token = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:_LONGEST] or "_"
    text = re.sub(r'[^ -~]|["\\]', "_", description)[:_LONGEST]
    return f'{token};dur={seconds * 1000:.1f};desc="{text}"'


def _private(cache_control: str) -> str:
    directives = [one.strip() for one in cache_control.split(",")]
    kept = [d for d in directives if d and d.partition("=")[0].strip().lower() not in _SHARED]
    return ", ".join(["private", *kept])
