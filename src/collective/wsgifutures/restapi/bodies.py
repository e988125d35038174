"""The bodies of requests that anybody may send: bounded, and never more than plain texts."""

from typing import Any
from urllib.parse import parse_qsl

import json

#: The largest body that is looked at, in bytes.
LARGEST = 16_384

#: The most fields of a form.
MOST_FIELDS = 20

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class BodyRefused(Exception):
    """A body cannot be read. The text says why, for the client."""


def read_json(request: Any) -> dict[str, Any]:
    """Return the JSON object that *request* has sent.

    It has to say that it is JSON: no page of another site can let a browser send that.

    Raises:
        BodyRefused: There is none.
    """
    if kind_of(request) != JSON:
        raise BodyRefused(f"The Content-Type is not {JSON}.")
    try:
        found = json.loads(_read(request))
    except (ValueError, RecursionError):
        raise BodyRefused("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise BodyRefused("The body is not a JSON object.")
    return found


def read_texts(request: Any) -> dict[str, str]:
    """Return the texts that *request* has sent, as a form or as JSON. Empty ones are left out.

    Those of the query string do not count: they would be in logs.

    Raises:
        BodyRefused: A value is not a text, or a name comes twice; or the body cannot be read.
    """
    kind = kind_of(request)
    if kind not in (FORM, JSON):
        raise BodyRefused(f"The Content-Type is neither {FORM} nor {JSON}.")
    found = _read_form(request) if kind == FORM else read_json(request)
    if not all(isinstance(value, str) for value in found.values()):
        raise BodyRefused("A value is not a text.")
    return {name: value for name, value in found.items() if value}


def _read_form(request: Any) -> dict[str, str]:
    try:
        text = _read(request).decode()
        pairs = parse_qsl(text, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise BodyRefused("The body is not a form in UTF-8, or has too many fields.") from None
    if len(dict(pairs)) < len(pairs):
        raise BodyRefused("A name comes twice.")
    return dict(pairs)


def kind_of(request: Any) -> str:
    """Return the media type of the body of *request*."""
    kind = str(request.environ.get("CONTENT_TYPE") or "")
    return kind.partition(";")[0].strip().lower()


def _read(request: Any) -> bytes:
    length = str(request.environ.get("CONTENT_LENGTH") or "0")
    if not length.isdecimal() or len(length) > 9 or int(length) > LARGEST:
        raise BodyRefused(f"The body is larger than {LARGEST} bytes.")
    body = request.get("BODY")
    if not isinstance(body, bytes):
        raise BodyRefused("There is no body.")
    if len(body) > LARGEST:
        raise BodyRefused(f"The body is larger than {LARGEST} bytes.")
    return body
