"""What other HTTP libraries take with each call, and where it is said here."""

from collections.abc import Iterable

_TIMES = "Set timeout=, or total=, where the upstream is declared."
_REDIRECTS = "Set max_redirects= where the upstream is declared."
_HEADERS = "Write it into headers=, here or where the upstream is declared."
_TRUST = "Set ca_file= where the upstream is declared."
_PROXIES = "Set the variable HTTPS_PROXY or HTTP_PROXY of the process."
_OWN_FUTURE = "Make the call with that library, in a function with @future."

#: By the name of an argument of requests, httpx or urllib3.
_INSTEAD = {
    "timeout": _TIMES,
    "retries": "Set retries= where the upstream is declared.",
    "allow_redirects": _REDIRECTS,
    "follow_redirects": _REDIRECTS,
    "redirect": _REDIRECTS,
    "auth": _HEADERS,
    "cookies": _HEADERS,
    "verify": _TRUST,
    "cert": _OWN_FUTURE,
    "files": _OWN_FUTURE,
    "hooks": _OWN_FUTURE,
    "stream": _OWN_FUTURE,
    "proxies": _PROXIES,
    "proxy": _PROXIES,
    "body": "Write data=.",
    "content": "Write data=.",
    "fields": "Write params=, or data= for a form.",
}


def explain(names: Iterable[str]) -> str:
    """Return what to write instead of the first of *names* that is known; else nothing."""
    return next((f". {_INSTEAD[name]}" for name in names if name in _INSTEAD), "")
