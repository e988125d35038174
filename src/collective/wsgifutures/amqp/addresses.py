"""Addresses of brokers, and texts with them, without their passwords."""

from urllib.parse import unquote

import re


def mask(url: str) -> str:
    """Return *url* without its password, whatever else it is."""
    return re.sub(r"(://[^:/@;]*):[^;]*@", r"\1:**@", url)


def hide(url: str, text: str) -> str:
    """Return *text* without the passwords of *url*, as they are written and as they are meant."""
    text = text.replace(url, mask(url))
    for password in re.findall(r"://[^:/@;]*:([^;]*)@", url):
        for form in filter(None, (password, unquote(password))):
            text = text.replace(form, "**")
    return text
