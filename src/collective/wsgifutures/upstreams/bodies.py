"""Unpacks the bodies of answers, whole or not at all.

Ours and not urllib3's, which gives what there is of a body that was cut before it was sent.
"""

import zlib

_GZIP = 31
_ZLIB = 15
_RAW = -15

#: The parts of one gzip; each is looked at from its begin to the end of all.
_MOST_PARTS = 200


class NotUnpacked(Exception):
    """A body is packed in an unknown way, or is not whole."""


class TooLarge(Exception):
    """A body has more bytes than it may."""


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """Return *body* without what ``Content-Encoding`` says was done to it.

    Raises:
        NotUnpacked: That cannot be undone.
        TooLarge: It has more than *limit* bytes.
    """
    steps = [one.strip().lower() for one in encoding.split(",")]
    for step in reversed([one for one in steps if one not in ("", "identity")] if body else []):
        if step in ("gzip", "x-gzip"):
            body = _inflate(body, _GZIP, limit)
        elif step == "deflate":
            body = _inflate(body, _ZLIB if _is_zlib(body) else _RAW, limit)
        else:
            raise NotUnpacked("its body is packed as nobody asked for (Content-Encoding)")
    return body


def _inflate(packed: bytes, bits: int, limit: int) -> bytes:
    parts, size = [], 0
    for _ in range(_MOST_PARTS):
        unpacker = zlib.decompressobj(bits)
        try:
            parts.append(unpacker.decompress(packed, limit + 1 - size))
        except zlib.error:
            raise NotUnpacked("its body does not unpack") from None
        size += len(parts[-1])
        if size > limit:
            raise TooLarge
        if not unpacker.eof:
            raise NotUnpacked("its packed body ends too early")
        packed = unpacker.unused_data
        if bits != _GZIP or not packed.startswith(b"\x1f\x8b"):  # what else follows means nothing
            return b"".join(parts)
    raise NotUnpacked("its body has too many parts")


def _is_zlib(packed: bytes) -> bool:
    """Tell whether it has zlib's header, as the standard wants and not everybody sends it."""
    return packed[0] & 15 == 8 and int.from_bytes(packed[:2], "big") % 31 == 0
