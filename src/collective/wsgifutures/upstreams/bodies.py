"""Unpacks the bodies of answers, whole or not at all.

urllib3 unpacks what there is: it says nothing of a body that was cut before it was sent.
"""

import zlib

_GZIP = 31
_ZLIB = 15
_RAW = -15

#: The most members of one gzip. Each costs a copy of all that follow.
_MOST_MEMBERS = 200


class NotUnpacked(Exception):
    """A body is packed in an unknown way, or is not whole."""


class TooLarge(Exception):
    """A body has more bytes than it may."""


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """Return *body* unpacked, as its ``Content-Encoding`` says.

    Raises:
        NotUnpacked: The encoding is unknown, or the body is broken.
        TooLarge: The unpacked body has more than *limit* bytes.
    """
    steps = [one.strip().lower() for one in encoding.split(",")]
    for step in reversed([one for one in steps if one not in ("", "identity")] if body else []):
        if step in ("gzip", "x-gzip"):
            body = _inflate(body, _GZIP, limit)
        elif step == "deflate":
            body = _inflate(body, _ZLIB if _is_zlib(body) else _RAW, limit)
        else:
            raise NotUnpacked("its Content-Encoding is neither gzip nor deflate")
    return body


def _inflate(packed: bytes, bits: int, limit: int) -> bytes:
    parts, size = [], 0
    for _ in range(_MOST_MEMBERS):
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
        if bits != _GZIP or not packed.startswith(b"\x1f\x8b"):  # what follows is padding
            return b"".join(parts)
    raise NotUnpacked("its body has too many members")


def _is_zlib(packed: bytes) -> bool:
    """Tell whether it has zlib's header. HTTP wants that, but some services leave it out."""
    return packed[0] & 15 == 8 and int.from_bytes(packed[:2], "big") % 31 == 0
