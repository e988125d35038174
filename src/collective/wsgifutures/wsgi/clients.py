"""Which client a request counts for, if nobody is logged in: an address, written in one way.

Servers and proxies write an address with a port, in brackets, with a zone, or as IPv4 within
IPv6. What differs from connection to connection would make one client many, and a limit for
each client would limit nobody. So all that is no address, as ``unknown`` or a made-up text,
counts as one client; and so does a network of IPv6 from which one client takes its addresses.
"""

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address
from ipaddress import ip_network
from ipaddress import IPv4Address
from ipaddress import IPv6Address
from ipaddress import IPv6Network

import re

#: The client of all requests whose address is not known.
UNKNOWN = ""

#: The addresses of one client: a customer of a provider has at least so many.
CLIENT_BITS = 64

#: IPv4 addresses that a translator writes as IPv6 (RFC 6052).
_TRANSLATED = IPv6Network("64:ff9b::/96")

#: What servers have as the address of a connection on a Unix socket, which ends on this machine.
_UNIX_SOCKET = ("", "localhost")
_THIS_MACHINE = "127.0.0.1"

_BRACKETED = re.compile(r"\[([^\]]*)\](?::\w*)?")


@lru_cache(maxsize=100)  # each pass of a request asks the same; few, since a header may be long
def find_client(remote: str, forwarded: str = "", trusted: tuple[str, ...] = ()) -> str:
    """Return the address of the client of a request, in a form that is the same for each request.

    ``X-Forwarded-For`` is read from its end: each proxy appends the address that it saw. The
    first address that is not a trusted proxy's is the client's. What stands before it was
    written by the client.

    Args:
        remote: ``REMOTE_ADDR``.
        forwarded: ``X-Forwarded-For``; several headers are joined by commas.
        trusted: The addresses of the proxies that are believed.
    """
    proxies = {_read(proxy) for proxy in trusted} - {None}
    address = None
    for text in _hops(remote.strip(), forwarded):
        address = _read(text)
        if address not in proxies:
            break
    return _write(address)


def _hops(remote: str, forwarded: str) -> Iterator[str]:
    """Yield the addresses on the way of a request, the nearest first."""
    yield from reversed((_THIS_MACHINE if remote in _UNIX_SOCKET else remote).split(","))
    yield from filter(str.strip, reversed(forwarded.split(",")))


def _read(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in *text*, None if there is none."""
    text = text.strip(' \t"')
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        text = bracketed[1]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return _within(address) or address


def _within(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that is written as IPv6."""
    if isinstance(address, IPv4Address):
        return None
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


def _write(address: IPv4Address | IPv6Address | None) -> str:
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, CLIENT_BITS), strict=False))
