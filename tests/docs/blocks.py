"""The code blocks of README.rst and docs/, as they stand there."""

from pathlib import Path
from typing import NamedTuple

import re
import textwrap

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.rst", *DOCS.rglob("*.rst")])

_START = re.compile(r"^( *)\.\. code-block:: (\S+)$")
_OPTION = re.compile(r"^:([a-z-]+): *(.*)$")


class Block(NamedTuple):
    """One code block."""

    page: str  #: its file, from the root
    line: int  #: of its directive
    language: str
    options: dict[str, str]
    text: str

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def blocks_of(page, language=None):
    """Return the code blocks of a file, the first one first."""
    lines = page.read_text(encoding="utf-8").splitlines()
    found = []
    for number, line in enumerate(lines, 1):
        start = _START.match(line)
        if start and language in (None, start[2]):
            body = _body(lines[number:], len(start[1]))
            options, text = _split(body)
            name = str(page.relative_to(ROOT))
            found.append(Block(name, number, start[2], options, text))
    return found


def files_of(page):
    """Return the blocks that are files, by their captions; each with its versions in order."""
    files = {}
    for block in blocks_of(page):
        if "caption" in block.options:
            files.setdefault(block.options["caption"], []).append(block)
    return files


def _body(lines, indent):
    body = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        body.append(line)
    return textwrap.dedent("\n".join(body)).strip("\n")


def _split(body):
    options = {}
    lines = body.splitlines()
    while lines and (option := _OPTION.match(lines[0])):
        options[option[1]] = option[2]
        del lines[0]
    return options, "\n".join(lines).strip("\n") + "\n"
