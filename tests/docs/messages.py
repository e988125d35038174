"""The messages that the code can log or raise, as patterns."""

from blocks import ROOT

import ast
import re

_PLACE = re.compile(r"%(?:\.\d+)?[sdfr]")


def templates():
    """Return a pattern for each text of the code that is more than a word."""
    found = set()
    for file in (ROOT / "src").rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            text = _text(node)
            if text and len(text.replace("\0", "")) >= 12:
                found.add(" ".join(text.split()))
    return [re.compile(re.escape(text).replace("\0", ".*?")) for text in found]


def _text(node):
    """Return a text with a zero byte for each place in it, None where *node* is none."""
    if isinstance(node, ast.JoinedStr):
        parts = (v.value if isinstance(v, ast.Constant) else "\0" for v in node.values)
        return "".join(map(str, parts))
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _PLACE.sub("\0", node.value)
    return None


def share_that_is_known(message, patterns):
    """Return how much of *message* is in one of the texts of the code, from 0 to 1."""
    flat = " ".join(message.split())
    known = [False] * len(flat)
    for pattern in patterns:
        for found in pattern.finditer(flat):
            known[found.start() : found.end()] = [True] * (found.end() - found.start())
    return sum(known) / len(flat)
