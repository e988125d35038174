"""Extracts the text of files: a worker elsewhere, as in the tutorial.

    wsgifutures-worker init --url https://www.example.com --queues texts --name "texts on host7"
    wsgifutures-worker run text:worker

It stands in for whatever takes long or needs much: OCR, a language model, a video card. It reads
plain text, HTML, Word (.docx) and LibreOffice (.odt), with what Python has by itself.
"""

from html.parser import HTMLParser
from wsgifutures_worker import Hopeless
from wsgifutures_worker import Worker
from xml.etree import ElementTree
from zipfile import BadZipFile
from zipfile import ZipFile

import io
import os

#: The most bytes that one part of a document may have when it is unpacked.
LARGEST = 50_000_000

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
WRITER = "application/vnd.oasis.opendocument.text"

worker = Worker(
    os.environ.get("SITE", "https://www.example.com"),
    queues=["texts"],
    key=os.environ.get("KEY", "worker.pem"),
    executor="processes",  # a broken document must not end the others' work
)


@worker.does("text")
def text(job):
    """Return the text of the context's file, and attach it as a file."""
    answer = job.get("@@download/file")
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    job.progress(0.3, "fetched")
    found = extract(kind, answer.content)
    job.file("text.txt", found.encode(), "text/plain")
    return {"text": found, "words": len(found.split())}


def extract(kind: str, data: bytes) -> str:
    """Return the text of a file of that content type.

    Raises:
        Hopeless: It cannot be read, however often it is tried.
    """
    if kind not in READERS:
        raise Hopeless(f"Files of the type {kind or 'unknown'} are not read here.")
    try:
        lines = READERS[kind](data)
    except (BadZipFile, KeyError, ElementTree.ParseError) as error:
        raise Hopeless(f"The file is damaged: {error}") from None
    return "\n".join(line.strip() for line in lines if line.strip())


def read_plain(data: bytes) -> list[str]:
    """Return the lines of a text."""
    return data.decode(errors="replace").splitlines()


def read_html(data: bytes) -> list[str]:
    """Return the text of a page, without its scripts and styles."""
    parser = _Text()
    parser.feed(data.decode(errors="replace"))
    parser.close()
    return parser.lines


def read_word(data: bytes) -> list[str]:
    """Return the paragraphs of a Word document."""
    return _paragraphs(data, "word/document.xml", ("p",))


def read_writer(data: bytes) -> list[str]:
    """Return the paragraphs and headings of a LibreOffice document."""
    return _paragraphs(data, "content.xml", ("p", "h"))


READERS = {
    "text/plain": read_plain,
    "text/html": read_html,
    WORD: read_word,
    WRITER: read_writer,
}


class _Text(HTMLParser):
    def __init__(self):
        super().__init__()
        self.lines = []
        self._hidden = 0

    def handle_starttag(self, tag, attributes):
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag):
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data):
        if not self._hidden:
            self.lines.append(data)


def _paragraphs(data, name, tags):
    with ZipFile(io.BytesIO(data)) as archive:
        if archive.getinfo(name).file_size > LARGEST:
            raise Hopeless(f"The document has more than {LARGEST} bytes.")
        tree = ElementTree.fromstring(archive.read(name))
    found = (part for part in tree.iter() if part.tag.rpartition("}")[2] in tags)
    return ["".join(part.itertext()) for part in found]
