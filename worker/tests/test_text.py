"""The example that extracts text, tested without a server and against the one that stands in."""

from conftest import Program
from conftest import wait_until
from pathlib import Path
from standin import Answer
from wsgifutures_worker import testing
from wsgifutures_worker.keys import load_key
from zipfile import ZipFile

import importlib.util
import io
import pytest
import requests
import sys

PROGRAM = Path(__file__).parents[2] / "examples" / "worker_text" / "text.py"


@pytest.fixture
def example(site, key, monkeypatch):
    """The module."""
    monkeypatch.setenv("SITE", site.url)
    monkeypatch.setenv("KEY", str(key))
    spec = importlib.util.spec_from_file_location("text", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class File(testing.Pages):
    """A context with one file."""

    def __init__(self, kind, data):
        super().__init__({"@@download/file": data})
        self._kind = kind

    def request(self, method, url, **options):
        answer: requests.Response = super().request(method, url, **options)
        answer.headers["Content-Type"] = self._kind
        return answer


def packed(name, text):
    data = io.BytesIO()
    with ZipFile(data, "w") as archive:
        archive.writestr(name, text)
    return data.getvalue()


def word(text):
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = f"<w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body>"
    return f'<w:document xmlns:w="{space}">{body}</w:document>'


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("text/plain; charset=utf-8", b"Hello\n\n w\xc3\xb6rld"),
        (
            "text/html",
            "<style>p {}</style><p>Hello</p><script>1</script><p>wörld</p>".encode(),
        ),
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            packed("word/document.xml", word("Hello</w:t></w:r></w:p><w:p><w:r><w:t>wörld")),
        ),
        (
            "application/vnd.oasis.opendocument.text",
            packed("content.xml", '<d xmlns:t="t"><t:h>Hello</t:h><t:p>wörld</t:p></d>'),
        ),
    ],
)
def test_the_text_of_a_file_is_extracted(example, kind, data):
    """As a result, and as a file."""
    outcome = testing.run(example.worker, "text", session=File(kind, data))
    assert outcome.result == {"text": "Hello\nwörld", "words": 2}, outcome.error
    assert outcome.files == [("text.txt", "Hello\nwörld".encode(), "text/plain")]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("image/png", b""),
        ("", b""),
        ("application/vnd.oasis.opendocument.text", b"no zip"),
        ("application/vnd.oasis.opendocument.text", packed("other.xml", "")),
        ("application/vnd.oasis.opendocument.text", packed("content.xml", "<")),
    ],
)
def test_what_cannot_be_read_is_hopeless(example, kind, data):
    """No further attempt is made."""
    outcome = testing.run(example.worker, "text", session=File(kind, data))
    assert outcome.hopeless


def test_the_program_does_its_job(site, key, tmp_path):
    """As the tutorial starts it."""
    site.approve(load_key(key), "texts")
    site.pages["/doc/@@download/file"] = Answer(200, b"Hello world", Content_Type="text/plain")
    environ = {"SITE": site.url, "KEY": str(key), "PYTHONPATH": str(PROGRAM.parent)}
    command = (sys.executable, "-m", "wsgifutures_worker", "run", "text:worker")
    program = Program(tmp_path, "", *command, environ=environ)
    try:
        job = site.submit("text", queue="texts")
        wait_until(lambda: job.state in ("done", "dead"), 30)
    finally:
        program.stop()
        program.wait()
    assert job.result == {"text": "Hello world", "words": 2}, job.error
    assert job.files["text.txt"] == ("text.txt", b"Hello world", "text/plain")
