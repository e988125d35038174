"""Secrets that say nothing by themselves: what an application, or a refresh, is known by.

A secret has 256 random bits. It begins with a prefix of ours and its kind, and ends with a check
sum: so a scanner of secrets finds one in a repository or a log, and takes nothing else for one, and
a mistyped one is refused before anything is looked up. ::

    wsgifutures_app_<43 letters and digits><6 of the check sum>

What is kept of it is a digest alone. With 256 bits nothing is gained by a slow one, and looking a
digest up tells nobody by its time which secrets there are.
"""

import hashlib
import re
import secrets
import string
import zlib

#: What each of them begins with.
PREFIX = "wsgifutures_"

#: The kinds.
APPLICATION = "app"
REFRESH = "refresh"

#: One of whatever kind, for scanners and for filters of logs.
PATTERN = re.compile(r"wsgifutures_(?:app|refresh)_[0-9A-Za-z]{49}")

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BYTES = 32
_LETTERS = 43  # of 32 bytes
_SUM = 6  # of a CRC-32


def make_secret(kind: str) -> str:
    """Return a new secret of a kind."""
    return write_secret(kind, secrets.token_bytes(_BYTES))


def write_secret(kind: str, bits: bytes) -> str:
    """Return *bits*, 32 bytes, as a secret of a kind."""
    text = f"{PREFIX}{kind}_{_write(int.from_bytes(bits, 'big'), _LETTERS)}"
    return text + _check_sum(text)


def is_secret(text: object, kind: str) -> bool:
    """Tell whether *text* is a well-formed secret of a kind, known or not."""
    if not isinstance(text, str) or not text.startswith(f"{PREFIX}{kind}_"):
        return False
    return PATTERN.fullmatch(text) is not None and text.endswith(_check_sum(text[:-_SUM]))


def read_secret(text: object, kind: str) -> bytes | None:
    """Return the 32 bytes that a secret of a kind was written with; None: they never were."""
    if not is_secret(text, kind):
        return None
    number = 0
    for letter in str(text)[-_LETTERS - _SUM : -_SUM]:
        number = number * len(_DIGITS) + _DIGITS.index(letter)
    return number.to_bytes(_BYTES, "big") if number < 256**_BYTES else None


def digest_of(secret: str) -> bytes:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode("ascii")).digest()


def _check_sum(text: str) -> str:
    return _write(zlib.crc32(text.encode("ascii")), _SUM)


def _write(number: int, length: int) -> str:
    letters = ""
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        letters = _DIGITS[digit] + letters
    return letters
